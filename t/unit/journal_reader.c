/* Reading a journal without its lock: what there is, and while it is written.
 */
#include "journal_fixture.h"

#include <sys/wait.h>

#include "journal/segment.h"

static struct reader *
reader_of(const char *dir, enum side side)
{
	struct reader *r;

	if (reader_open(&r, dir, side, fixture_error, sizeof(fixture_error)) !=
	    0)
		return NULL;
	return r;
}

static void
test_open(const char *dir)
{
	struct reader *r;
	char zeros[FIXTURE_SEGMENT] = {0};
	struct record record;
	struct str text;

	ok(reader_of(dir, SIDE_COUNT) == NULL &&
		strstr(fixture_error, dir) != NULL,
	    "a directory that is missing is named");
	fixture_check(mkdir(dir, 0750) == 0, "mkdir");
	ok(reader_of(dir, SIDE_COUNT) == NULL &&
		strstr(fixture_error, "no journal") != NULL,
	    "an empty one holds no journal");
	fixture_write(fixture_path("a/00000002.journal"), "x", 1);
	ok(reader_of(dir, SIDE_COUNT) == NULL &&
		strstr(fixture_error, "00000001.journal") != NULL,
	    "a missing first segment is named");
	fixture_check(
	    unlink(fixture_path("a/00000002.journal")) == 0, "unlink");
	fixture_write(fixture_path("a/00000001.journal"), zeros, sizeof(zeros));
	r = reader_of(dir, SIDE_COUNT);
	ok(r != NULL && reader_next(r, &record, &text) == READER_END &&
		reader_side(r) == SIDE_COUNT,
	    "a journal that has not begun ends at once");
	reader_close(r);
	fixture_check(unlink(fixture_path("a/00000001.journal")) == 0 &&
		symlink("/dev/zero", fixture_path("a/00000001.journal")) == 0,
	    "symlink");
	ok(reader_of(dir, SIDE_COUNT) == NULL, "links are not followed");
	reader_close(NULL);
}

/* A record whose own field is named check, as the one at the line's end. */
static void
append_gateway(struct journal *j)
{
	struct msg m;
	struct check check = {{1, 2, 3}};
	struct record record;

	msg_init(&m, MSG_REQUEST, VERB_BANK_JOURNAL_GATEWAY, "0");
	msg_set_str(&m, KEY_node, STR("gw1"));
	msg_set_u64(&m, KEY_epoch, 4);
	msg_set_u64(&m, KEY_gateway_seq, 9);
	msg_set_check(&m, KEY_gateway_check, &check);
	journal_append(j, &m, 0, &record);
}

static void
test_records(const char *dir)
{
	struct journal *j = fixture_journal(dir);
	struct reader *r = reader_of(dir, SIDE_COUNT);
	struct record record, appended;
	struct str text;
	struct jpos end;

	ok(r != NULL && reader_next(r, &record, &text) == READER_RECORD &&
		reader_side(r) == SIDE_BANK_JOURNAL &&
		record.msg->verb == VERB_BANK_JOURNAL_SEGMENT,
	    "the first record tells whose journal it is");
	is_i64(reader_next(r, &record, &text), READER_END, "then it ends");
	end = reader_position(r);
	appended = fixture_append(j, 1, "x y");
	append_gateway(j);
	is_i64(reader_next(r, &record, &text), READER_END,
	    "what is not flushed cannot be seen");
	journal_flush(j);
	ok(reader_next(r, &record, &text) == READER_RECORD &&
		record.pos.seq == 2 && record.pos.offset == end.offset &&
		end.seq == 2 && record.pos.offset == appended.pos.offset &&
		memcmp(&record.check, &appended.check, 16) == 0,
	    "the next record lies where the end was");
	ok(str_is(record.msg->v[KEY_who].str, "x y") && text.len > 40 &&
		memcmp(text.at + text.len - 39, " check=", 7) == 0,
	    "typed, and as it lies there");
	ok(reader_next(r, &record, &text) == READER_RECORD &&
		record.msg->verb == VERB_BANK_JOURNAL_GATEWAY &&
		record.msg->v[KEY_gateway_check].check.octets[2] == 3,
	    "a gateway's check beside the record's own");
	is_i64(reader_next(r, &record, &text), READER_END, "and ends again");
	reader_close(r);
	r = reader_of(dir, SIDE_BANK_JOURNAL);
	ok(r != NULL && reader_next(r, &record, &text) == READER_RECORD &&
		reader_next(r, &record, &text) == READER_RECORD,
	    "the side can be said as well");
	reader_close(r);
	journal_close(j);
}

/* A batch of which only the first part has been written yet. */
static void
test_unfinished(const char *dir)
{
	const char *path = fixture_path("c/00000001.journal");
	struct journal *j = fixture_journal(dir);
	struct record record;
	struct str text;
	struct reader *r;
	char *octets;
	size_t len, at;
	int fd;

	at = fixture_append(j, 1, "half").pos.offset;
	journal_close(j);
	octets = fixture_read(path, &len);
	fd = open(path, O_RDWR | O_CLOEXEC);
	fixture_check(fd >= 0, path);
	fixture_check(
	    segment_zero(fd, (uint32_t)at + 20, FIXTURE_SEGMENT) == 0, path);
	r = reader_of(dir, SIDE_COUNT);
	ok(r != NULL && reader_next(r, &record, &text) == READER_RECORD &&
		reader_next(r, &record, &text) == READER_TORN,
	    "half a record is an unfinished tail");
	ok(strstr(reader_problem(r), "c/00000001.journal: offset ") != NULL &&
		strstr(reader_problem(r), ": record 2: ") != NULL,
	    "file, offset and seq are named");
	fixture_write(path, octets, len);
	is_i64(reader_next(r, &record, &text), READER_RECORD,
	    "once it is whole it is read");
	reader_close(r);
	close(fd);
	free(octets);
}

/*
 * Reads on while a writer appends, flushes and changes segments. The tail may
 * be unfinished at any time; nothing is ever taken for damage.
 */
static void
test_live(const char *dir)
{
	const uint64_t last = 4000;
	struct journal *j = fixture_journal(dir);
	enum reader_status status;
	struct reader *r;
	struct record record;
	struct str text;
	uint64_t seq = 0;
	bool bad = false, ordered = true;
	int wait_status = -1;
	pid_t pid;

	r = reader_of(dir, SIDE_COUNT);
	fixture_check(r != NULL, fixture_error);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		while (journal_last_seq(j) < last) {
			(void)fixture_append(j, 1, "while it is read");
			if (journal_last_seq(j) % 13 == 0)
				journal_flush(j);
			if (journal_last_seq(j) % 50 == 0)
				journal_tend(j);
		}
		journal_close(j);
		_exit(0);
	}
	fixture_check(pid > 0, "fork");
	while (seq < last && !bad) {
		status = reader_next(r, &record, &text);
		if (status == READER_RECORD) {
			ordered = ordered && record.pos.seq == seq + 1;
			seq = record.pos.seq;
			continue;
		}
		bad = status != READER_END && status != READER_TORN;
		if (wait_status == 0 && status == READER_END)
			break;
		if (wait_status < 0 &&
		    waitpid(pid, &wait_status, WNOHANG) != pid)
			wait_status = -1;
	}
	if (bad)
		printf("# %s\n", reader_problem(r));
	ok(!bad, "a journal that is being written is never called damaged");
	ok(ordered && seq >= last, "and is read to its end");
	if (wait_status < 0)
		(void)waitpid(pid, &wait_status, 0);
	is_i64(wait_status, 0, "the writer did its work");
	reader_close(r);
	journal_close(j);
}

int
main(void)
{
	fixture_begin();
	test_open(fixture_path("a"));
	test_records(fixture_path("b"));
	test_unfinished(fixture_path("c"));
	test_live(fixture_path("d"));
	return fixture_end();
}
