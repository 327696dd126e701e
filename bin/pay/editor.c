#include "editor.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "editor_private.h"
#include "wire/msg.h"

#define INPUT_MAX 4096
#define NEWS_MAX 64 /* announcements that wait for a prompt */
#define NEWS_SIZE 512

enum how {
	HOW_EDITED, /* a terminal that can move its cursor */
	HOW_DUMB,   /* a terminal that shows what is typed by itself */
	HOW_PLAIN,  /* no terminal */
};

struct editor {
	struct loop *loop;
	void (*turned)(void *ctx);
	void *ctx;
	enum how how;
	struct watch input;
	bool watched; /* else input is a file: always readable */
	bool readable;
	/* What was read and not yet taken. */
	char octets[INPUT_MAX];
	size_t len;
	bool at_end, ended, interrupted;
	/* The line that is being read: */
	bool reading, hidden, cleared;
	const char *prompt;
	struct typed typed;
	char news[NEWS_MAX][NEWS_SIZE];
	size_t news_count;
};

/* ---- The terminal: one a process ---- */

static struct termios found;
static volatile sig_atomic_t changed;

/* Safe in a signal's handler, as tcsetattr(3) is. */
static void
terminal_restore(void)
{
	if (changed == 0)
		return;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &found);
	changed = 0;
}

static void
terminal_aborted(int signo)
{
	terminal_restore();
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

/* echo alone is switched off where the terminal edits its lines by itself. */
static void
terminal_change(enum how how, bool hidden)
{
	struct termios now;

	if (how == HOW_PLAIN || (how == HOW_DUMB && !hidden) || changed != 0 ||
	    tcgetattr(STDIN_FILENO, &found) == -1)
		return;
	now = found;
	now.c_lflag &= ~(tcflag_t)ECHO;
	if (how == HOW_EDITED) {
		/* Signals stay on: they come through the loop. */
		now.c_lflag &= ~(tcflag_t)(ICANON | IEXTEN);
		now.c_iflag |= ICRNL;
		now.c_cc[VMIN] = 1;
		now.c_cc[VTIME] = 0;
	} else {
		now.c_lflag |= ECHONL;
	}
	changed = 1;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
}

static size_t
terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

static void
put(const char *octets, size_t len)
{
	/* Where nobody reads it any more, the input will end, too. */
	(void)file_write_all(STDOUT_FILENO, octets, len);
}

static void
draw(const struct editor *e)
{
	char screen[SCREEN_MAX];
	size_t len;

	if (e->how == HOW_EDITED) {
		len = screen_draw(e->prompt, &e->typed, e->hidden,
		    terminal_columns(), screen);
		put(screen, len);
		explicit_bzero(screen, sizeof(screen));
	} else {
		put(e->prompt, strlen(e->prompt));
	}
}

/* ---- Input ---- */

static void
input_ready(void *ctx, uint32_t events)
{
	struct editor *e = ctx;

	(void)events;
	e->readable = true;
	/* It would be told again at each turn until it is read. */
	loop_unwatch(e->loop, &e->input);
}

static void
input_watch(struct editor *e)
{
	if (e->readable || e->at_end || e->input.active)
		return;
	if (loop_watch(e->loop, &e->input) == -1) {
		CHECK(errno == EPERM); /* a file, which epoll knows not */
		e->readable = true;
	}
}

static void
input_read(struct editor *e)
{
	ssize_t got;

	if (!e->readable || e->len == INPUT_MAX)
		return;
	got = read(STDIN_FILENO, e->octets + e->len, INPUT_MAX - e->len);
	if (got == -1 && errno == EINTR)
		return;
	e->readable = false;
	if (got == -1 && errno == EAGAIN)
		return;
	if (got <= 0)
		e->at_end = true;
	else
		e->len += (size_t)got;
}

static void
input_take(struct editor *e, size_t count)
{
	memmove(e->octets, e->octets + count, e->len - count);
	e->len -= count;
	explicit_bzero(e->octets + e->len, count);
}

/* ---- A line ---- */

enum progress { GOES_ON, HAS_LINE, HAS_END };

static enum progress
edited_line(struct editor *e, char *into)
{
	size_t used = 0;
	enum typed_key key = TYPED_MORE;
	bool refused = false;

	while (used < e->len && key == TYPED_MORE) {
		key = typed_octet(&e->typed, e->octets[used++]);
		refused = refused || e->typed.refused;
	}
	input_take(e, used);
	if (refused)
		put("\a", 1);
	switch (key) {
	case TYPED_ENTER:
		draw(e); /* what came together with the key */
		memcpy(into, e->typed.text, e->typed.len);
		into[e->typed.len] = '\0';
		return HAS_LINE;
	case TYPED_END:
		return HAS_END;
	case TYPED_CLEAR:
		put("\033[H\033[2J", 7);
		break;
	case TYPED_MORE:
		break;
	}
	if (used > 0)
		draw(e);
	return e->at_end && e->len == 0 ? HAS_END : GOES_ON;
}

static enum progress
plain_line(struct editor *e, char *into)
{
	char *newline = memchr(e->octets, '\n', e->len);
	size_t len = newline != NULL ? (size_t)(newline - e->octets) : e->len;
	struct str text = {e->octets, (uint32_t)len};
	bool good;

	if (newline == NULL && !e->at_end && e->len < INPUT_MAX)
		return GOES_ON;
	if (newline == NULL && e->len == 0)
		return HAS_END;
	if (text.len > 0 && text.at[text.len - 1] == '\r')
		text.len--;
	good = newline != NULL || e->at_end;
	good =
	    good && text_valid(text) && str_copy(into, EDITOR_LINE_MAX, text);
	input_take(e, newline != NULL ? len + 1 : len);
	if (good)
		return HAS_LINE;
	warnx("a line is at most %d octets of UTF-8 text", EDITOR_LINE_MAX - 1);
	draw(e);
	return GOES_ON;
}

/* What was told while the editor could not see what was typed. */
static void
tell_news(struct editor *e)
{
	size_t i;

	for (i = 0; i < e->news_count; i++)
		printf("%s\n", e->news[i]);
	e->news_count = 0;
}

static enum progress
turn(struct editor *e, char *into)
{
	enum progress progress;

	input_read(e);
	progress =
	    e->how == HOW_EDITED ? edited_line(e, into) : plain_line(e, into);
	if (progress != GOES_ON)
		return progress;
	input_watch(e);
	if (loop_turn(e->loop, e->readable ? 0 : INT64_MAX) == -1)
		err(EXIT_FAILURE, "event loop");
	e->turned(e->ctx);
	return GOES_ON;
}

enum editor_event
editor_read(struct editor *e, const char *prompt, bool hidden,
    char into[EDITOR_LINE_MAX])
{
	enum progress progress = GOES_ON;

	tell_news(e);
	(void)fflush(stdout);
	if (e->ended)
		return EDITOR_END;
	e->interrupted = false;
	e->prompt = prompt;
	e->hidden = hidden;
	typed_clear(&e->typed);
	terminal_change(e->how, hidden);
	e->reading = true;
	draw(e);
	while (progress == GOES_ON && !e->interrupted && !e->ended)
		progress = turn(e, into);
	e->reading = false;
	loop_unwatch(e->loop, &e->input);
	typed_clear(&e->typed);
	terminal_restore();
	if (progress != HAS_LINE || e->how != HOW_DUMB)
		put("\n", 1);
	if (e->ended || progress == HAS_END) {
		e->ended = true;
		return EDITOR_END;
	}
	return progress == HAS_LINE ? EDITOR_LINE : EDITOR_INTERRUPT;
}

bool
editor_reading(const struct editor *e)
{
	return e->reading;
}

/* ---- While a line is read ---- */

void
editor_announce(struct editor *e, const char *format, ...)
{
	char text[NEWS_SIZE];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len >= 0);
	if (e->how == HOW_DUMB && e->reading) {
		if (e->news_count < NEWS_MAX)
			memcpy(e->news[e->news_count++], text, sizeof(text));
		return;
	}
	if (e->how == HOW_EDITED && e->reading)
		put("\r\033[K", 4);
	printf("%s\n", text);
	(void)fflush(stdout);
	if (e->how == HOW_EDITED && e->reading)
		draw(e);
}

void
editor_interrupt(struct editor *e)
{
	/* Elsewhere the terminal shows it by itself. */
	if (e->reading && e->how == HOW_EDITED)
		put("^C", 2);
	e->interrupted = true;
}

void
editor_end(struct editor *e)
{
	e->ended = true;
}

void
editor_suspend(struct editor *e)
{
	sigset_t set;

	terminal_restore();
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTSTP);
	(void)raise(SIGTSTP);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL); /* stops here */
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	editor_redraw(e);
}

void
editor_redraw(struct editor *e)
{
	if (!e->reading)
		return;
	terminal_change(e->how, e->hidden);
	if (e->how == HOW_EDITED)
		draw(e);
}

/* ---- Making one ---- */

static enum how
find_how(bool plain)
{
	const char *term = getenv("TERM");

	if (isatty(STDIN_FILENO) != 1)
		return HOW_PLAIN;
	if (plain || isatty(STDOUT_FILENO) != 1 || term == NULL ||
	    term[0] == '\0' || strcmp(term, "dumb") == 0)
		return HOW_DUMB;
	return HOW_EDITED;
}

int
editor_new(struct editor **editor, struct loop *loop, bool plain,
    void (*turned)(void *ctx), void *ctx)
{
	struct editor *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -1;
	e->loop = loop;
	e->turned = turned;
	e->ctx = ctx;
	e->how = find_how(plain);
	e->input = (struct watch){.fd = STDIN_FILENO,
	    .events = EPOLLIN,
	    .ready = input_ready,
	    .ctx = e};
	if (atexit(terminal_restore) != 0 ||
	    signal(SIGABRT, terminal_aborted) == SIG_ERR) {
		free(e);
		return -1;
	}
	*editor = e;
	return 0;
}

void
editor_free(struct editor *e)
{
	if (e == NULL)
		return;
	loop_unwatch(e->loop, &e->input);
	terminal_restore();
	explicit_bzero(e, sizeof(*e));
	free(e);
}
