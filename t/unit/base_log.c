/* The log: its form, and that no value can forge a field or a line. */
#include "base/log.h"

#include <errno.h>
#include <sys/stat.h>

#include "capture.h"
#include "tap.h"

/* What a child logged, without its time. */
static const char *
logged(void (*body)(void *ctx), void *ctx)
{
	static struct capture c;
	const char *level;

	capture_run(&c, body, ctx);
	level = strstr(c.err, "level=");
	return level != NULL ? level : c.err;
}

static void
write_value(void *ctx)
{
	const struct str *value = ctx;

	log_info("told", LOG_S("v", *value), LOG_I("n", 1));
}

static void
is_value(struct str value, const char *wanted, const char *what)
{
	char line[200];

	snprintf(line, sizeof(line),
	    "level=info program=strife msg=told v=%s n=1\n", wanted);
	is_text(logged(write_value, &value), line, what);
}

static void
test_values(void)
{
	is_value(STR("BankA"), "BankA", "a plain word stays bare");
	is_value(STR("a:b@c/d,e-f_g.h"), "a:b@c/d,e-f_g.h", "so does an id");
	is_value(STR(""), "\"\"", "nothing is quoted");
	is_value(STR("two words"), "\"two words\"", "a space is quoted");
	is_value(STR("x n=2"), "\"x n=2\"", "a field cannot be forged");
	is_value(STR("a=b"), "\"a=b\"", "= is quoted");
	is_value(STR("a\"b n=2"), "\"a\\\"b n=2\"", "a quote is escaped");
	is_value(STR("a\\"), "\"a\\\\\"", "a backslash is escaped");
	is_value(STR("a\nlevel=crit"), "\"a\\nlevel=crit\"",
	    "a line cannot be forged");
	is_value(STR("\r\t\033[2J\177"), "\"\\x0d\\x09\\x1b[2J\\x7f\"",
	    "controls are escaped");
	is_value(STR("a\0b"), "\"a\\x00b\"", "NUL is escaped and ends nothing");
	is_value(STR("Žluť € 𝄞"), "\"Žluť € 𝄞\"", "UTF-8 stays");
	is_value(STR("\xc2\x9b"), "\"\\xc2\\x9b\"", "C1 controls do not");
	is_value(STR("\xe2\x80\xa8"), "\"\\xe2\\x80\\xa8\"",
	    "nor does a line separator");
	is_value(STR("\xe2\x80\xae"), "\"\\xe2\\x80\\xae\"",
	    "nor what turns the direction of text");
	is_value(STR("\xff\xc3"), "\"\\xff\\xc3\"", "nor octets of no UTF-8");
	is_value(STR("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80"),
	    "\"\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\"",
	    "nor overlong forms, surrogates, or beyond the last character");
	is_value(STR("\xe2(\xa1 \xc3("), "\"\\xe2(\\xa1 \\xc3(\"",
	    "nor a character that another interrupts");
	is_value((struct str){"\xe2\x82\xac", 2}, "\"\\xe2\\x82\"",
	    "a character that the end cuts is not read beyond it");
}

static void
write_kinds(void *ctx)
{
	(void)ctx;
	log_init("strife-test", LOG_LEVEL_DEBUG);
	errno = EDOM;
	log_debug("all kinds", LOG_C("text", "a b"), LOG_I("least", INT64_MIN),
	    LOG_U("most", UINT64_MAX), LOG_E(ENOENT));
	if (errno != EDOM)
		log_crit("errno was changed");
}

static void
write_levels(void *ctx)
{
	log_init("p", *(const enum log_level *)ctx);
	log_crit("c");
	log_error("e");
	log_warn("w");
	log_info("i");
	log_debug("d");
}

static void
test_form(void)
{
	enum log_level level = LOG_LEVEL_WARN;
	struct capture c;
	int year, end = 0;

	is_text(logged(write_kinds, NULL),
	    "level=debug program=strife-test msg=\"all kinds\" text=\"a b\" "
	    "least=-9223372036854775808 most=18446744073709551615 "
	    "error=\"No such file or directory\"\n",
	    "every kind of field, and errno is kept");
	capture_run(&c, write_levels, &level);
	ok(sscanf(c.err,
	       "time=%4d-%*2[0-9]-%*2[0-9]T%*2[0-9]:%*2[0-9]:%*2[0-9]."
	       "%*6[0-9]Z level=crit %n",
	       &year, &end) == 1 &&
		end == 44 && year >= 2024,
	    "a line starts with the time in UTC, with microseconds");
	ok(strstr(c.err, " level=error ") != NULL, "error is logged at warn");
	ok(strstr(c.err, "level=warn") != NULL, "and so is warn");
	ok(strstr(c.err, "level=info") == NULL, "info is not");
	level = LOG_LEVEL_DEBUG;
	capture_run(&c, write_levels, &level);
	ok(strstr(c.err, "level=debug") != NULL, "debug is logged at debug");
}

static void
test_level_words(void)
{
	enum log_level level = LOG_LEVEL_CRIT;

	ok(log_level_from(STR("error"), &level) && level == LOG_LEVEL_ERROR,
	    "error is a level");
	ok(log_level_from(STR("warn"), &level) && level == LOG_LEVEL_WARN,
	    "warn is a level");
	ok(log_level_from(STR("info"), &level) && level == LOG_LEVEL_INFO,
	    "info is a level");
	ok(log_level_from(STR("debug"), &level) && level == LOG_LEVEL_DEBUG,
	    "debug is a level");
	ok(!log_level_from(STR("crit"), &level), "crit cannot be chosen");
	ok(!log_level_from(STR("Info"), &level), "Info is no level");
	ok(!log_level_from(STR(""), &level), "nothing is no level");
	ok(log_enabled(LOG_LEVEL_INFO) && !log_enabled(LOG_LEVEL_DEBUG),
	    "info and up is logged until told otherwise");
}

static void
write_long(void *ctx)
{
	const struct str *value = ctx;

	log_info("long", LOG_S("v", *value), LOG_U("after", 1234567));
}

/*
 * Each length in turn, so that each boundary is met; one or two octets before
 * the characters of three put it inside of those as well.
 */
static void
test_cut(void)
{
	static char value[LOG_LINE_MAX + 100] = "ab";
	bool bounded = true, whole = true, closed = true;
	size_t cut = 0;

	for (size_t i = 2; i + 3 <= sizeof(value); i += 3)
		memcpy(value + i, "\xe2\x82\xac", 3);
	for (uint32_t len = LOG_LINE_MAX - 130; len < LOG_LINE_MAX; len++) {
		struct str v = {value + 2 - len % 3, len};
		struct capture c;
		size_t line_len;

		capture_run(&c, write_long, &v);
		line_len = strlen(c.err);
		bounded = bounded && line_len <= LOG_LINE_MAX &&
		    line_len > LOG_LINE_MAX - 100 &&
		    strchr(c.err, '\n') == c.err + line_len - 1;
		whole = whole && strstr(c.err, "\\x") == NULL;
		if (strstr(c.err, "after=") != NULL) {
			closed = closed &&
			    strstr(c.err, "\" after=1234567\n") != NULL;
		} else {
			cut++;
			closed =
			    closed && strstr(c.err, "\" cut=yes\n") != NULL;
		}
	}
	ok(bounded,
	    "no line is longer than LOG_LINE_MAX, and each is one line");
	ok(whole, "characters are not cut in two");
	ok(closed, "quotes are closed, and a cut is marked");
	ok(cut > 0 && cut < 130, "short ones are not cut and long ones are");
}

/* A pipe's inode is what journald's socket would have. */
static void
write_under_journald(void *ctx)
{
	char stream[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) != 0)
		return;
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino + (ctx != NULL));
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("p", LOG_LEVEL_DEBUG);
	log_crit("c");
	log_error("e");
	log_warn("w");
	log_info("i");
	log_debug("d");
}

static void
test_journald(void)
{
	struct capture c;

	capture_run(&c, write_under_journald, NULL);
	is_text(c.err,
	    "<2>level=crit program=p msg=c\n"
	    "<3>level=error program=p msg=e\n"
	    "<4>level=warn program=p msg=w\n"
	    "<6>level=info program=p msg=i\n"
	    "<7>level=debug program=p msg=d\n",
	    "under journald: priorities, and no time");
	capture_run(&c, write_under_journald, &c);
	ok(strncmp(c.err, "time=", 5) == 0,
	    "another stream's JOURNAL_STREAM is not ours");
}

static void
die_logging(void *ctx)
{
	log_init("strife-test", LOG_LEVEL_INFO);
	fatal(78, "%s: no such bank\n", (const char *)ctx);
}

static void
die_early(void *ctx)
{
	fatal(64, "wrong: \"%s\" \033[2J", (const char *)ctx);
}

static void
test_fatal(void)
{
	struct capture c;
	char name[] = "x", wanted[200];

	capture_run(&c, die_logging, name);
	is_i64(capture_exit(&c), 78, "fatal exits with the code given");
	ok(strstr(c.err,
	       "level=error program=strife-test "
	       "msg=\"x: no such bank\\n\"\n") != NULL,
	    "and logs the message");
	capture_run(&c, die_early, name);
	is_i64(capture_exit(&c), 64, "without log_init it exits the same");
	snprintf(wanted, sizeof(wanted), "%s: wrong: \"x\" \\x1b[2J\n",
	    program_invocation_short_name);
	is_text(c.err, wanted, "and says it plainly, with controls escaped");
}

/* ---- A log that waits for nobody ---- */

#define FLOOD 20000

/* Far more than a pipe and the queue hold, and nobody reads. */
static void
flood(void *ctx)
{
	int *fds = ctx;

	if (dup2(fds[1], STDERR_FILENO) < 0)
		_exit(126);
	close(fds[0]);
	close(fds[1]);
	log_keep();
	for (unsigned i = 0; i < FLOOD; i++) {
		log_info("casual", LOG_U("n", i));
		log_flush();
	}
	log_error("important");
	log_flush();
	/* Who ended here was not held up. */
	_exit(0);
}

static void
test_full_pipe(void)
{
	static char text[1 << 20];
	struct capture c;
	size_t len = 0, whole = 0;
	ssize_t got;
	int fds[2];

	CHECK(pipe(fds) == 0);
	capture_run(&c, flood, fds);
	is_i64(capture_exit(&c), 0,
	    "a pipe that nobody reads does not hold a process up");
	close(fds[1]);
	while ((got = read(fds[0], text + len, sizeof(text) - len)) > 0)
		len += (size_t)got;
	close(fds[0]);
	for (size_t i = 0; i < len; i++)
		whole += text[i] == '\n' ? 1 : 0;
	ok(len > 4096 && whole > 10, "what it took was written");
}

/* The parent's end of the pipe is read once the lines do not fit any more. */
static void
flood_and_wait(void *ctx)
{
	int *fds = ctx;
	char go;

	if (dup2(fds[1], STDERR_FILENO) < 0)
		_exit(126);
	close(fds[0]);
	close(fds[1]);
	log_keep();
	for (unsigned i = 0; i < FLOOD; i++)
		log_info("casual", LOG_U("n", i));
	log_error("important");
	if (write(STDOUT_FILENO, "x", 1) != 1 ||
	    read(STDIN_FILENO, &go, 1) != 0)
		_exit(125);
	log_end();
	log_info("afterwards");
	_exit(0);
}

static void
test_dropped(void)
{
	static char text[4 << 20];
	unsigned long shown = 0, dropped = 0;
	const char *at;
	size_t len = 0;
	ssize_t got;
	int fds[2], in[2], out[2], status;
	pid_t pid;
	char x;

	CHECK(pipe(fds) == 0);
	CHECK(pipe(in) == 0);
	CHECK(pipe(out) == 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[1]);
		close(out[0]);
		flood_and_wait(fds);
	}
	close(fds[1]);
	close(in[0]);
	close(out[1]);
	CHECK(read(out[0], &x, 1) == 1);
	close(in[1]);
	while ((got = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(fds[0]);
	close(out[0]);
	CHECK(waitpid(pid, &status, 0) == pid);
	is_i64(status, 0, "the reader comes late, and the writer ends well");
	for (at = text; (at = strstr(at, "msg=casual")) != NULL; at++)
		shown++;
	at = strstr(text, " lines=");
	if (at != NULL)
		dropped = strtoul(at + 7, NULL, 10);
	ok(dropped > 0 && shown + dropped == FLOOD,
	    "what was dropped is counted, and a line tells of it");
	ok(strstr(text, "level=error program=strife msg=important\n") != NULL,
	    "room is kept for what is not casual");
	ok(strstr(text, "msg=afterwards\n") != NULL, "and the log goes on");
}

static void
discard(void *ctx)
{
	(void)ctx;
	log_keep();
	log_info("kept and flushed");
	log_flush();
	log_info("not true after all");
	log_discard();
	log_crit("the disk failed");
	log_plain("registered gateway=%s", "gw1");
	log_end();
	log_info("at once");
}

static void
test_kept(void)
{
	struct capture c;

	capture_run(&c, discard, NULL);
	ok(strstr(c.err, "kept and flushed") != NULL,
	    "a line that was kept is written");
	ok(strstr(c.err, "not true") == NULL, "one that was discarded is not");
	ok(strstr(c.err, "were not flushed") != NULL, "which is told");
	ok(strstr(c.err, "the disk failed") != NULL, "and the log goes on");
	ok(strstr(c.err, "\nregistered gateway=gw1\n") != NULL,
	    "a plain line stands by itself");
	ok(strstr(c.err, "msg=\"at once\"") != NULL,
	    "after the end lines are written at once");
}

int
main(void)
{
	unsetenv("JOURNAL_STREAM");
	test_values();
	test_form();
	test_level_words();
	test_cut();
	test_journald();
	test_fatal();
	test_full_pipe();
	test_dropped();
	test_kept();
	return tap_done();
}
