#include "client/output.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/exitcode.h"
#include "wire/money.h"
#include "wire/time.h"

#define COLUMNS_MAX 16
/* Rows of a table that wait for their widths; those after them are printed at
 * once, as wide as these were. */
#define KEPT_ROWS_MAX 1000

enum mode { MODE_TABLE, MODE_TSV, MODE_JSON };

struct output {
	struct output_options options;
	enum mode mode;
	bool colour;
	bool json_open;  /* this row's object has a member */
	uint32_t column; /* of the next cell */
	uint32_t widths[COLUMNS_MAX];
	bool empty[COLUMNS_MAX]; /* nothing in any row: not shown */
	char **cells; /* of rows that wait: malloced texts, row by row */
	size_t cell_count, cell_room;
	bool short_of_memory; /* no more rows are kept */
};

/* ---- Writing one cell ---- */

/* Characters, not octets: UTF-8 continuation octets do not count. */
static uint32_t
text_width(struct str text)
{
	uint32_t i, width = 0;

	for (i = 0; i < text.len; i++)
		if (((unsigned char)text.at[i] & 0xC0) != 0x80)
			width++;
	return width;
}

/* Any other state is one that something or somebody is waited for. */
static const struct {
	const char *state, *colour;
} state_colours[] = {
    {"committed", "\033[32m"},
    {"done", "\033[32m"},
    {"up", "\033[32m"},
    {"aborted", "\033[31m"},
    {"refused", "\033[31m"},
    {"down", "\033[31m"},
    {"fenced", "\033[31m"},
    {"open", ""},
    {"closed", ""},
    {"", ""},
};

static const char *
state_colour(struct str state)
{
	size_t i;

	for (i = 0; i < sizeof(state_colours) / sizeof(*state_colours); i++)
		if (str_is(state, state_colours[i].state))
			return state_colours[i].colour;
	return "\033[33m";
}

static void
pad(uint32_t count)
{
	for (; count > 0; count--)
		(void)putchar(' ');
}

static void
table_cell(
    const struct output *o, uint32_t column, struct str text, bool colour)
{
	enum column_kind kind = o->options.columns[column].kind;
	uint32_t width = text_width(text), room = o->widths[column];
	bool last = column + 1 == o->options.count;
	bool right = kind == COLUMN_MONEY || kind == COLUMN_NUMBER;
	const char *paint = state_colour(text);

	if (o->empty[column])
		return;
	if (column > 0)
		pad(2);
	if (right && width < room)
		pad(room - width);
	if (!colour || kind != COLUMN_STATE || !o->colour)
		paint = "";
	printf("%s%.*s%s", paint, STR_ARG(text),
	    paint[0] != '\0' ? "\033[0m" : "");
	if (!right && !last && width < room)
		pad(room - width);
}

static void
json_string(struct str text)
{
	uint32_t i;

	(void)putchar('"');
	for (i = 0; i < text.len; i++) {
		unsigned char octet = (unsigned char)text.at[i];

		if (octet == '"' || octet == '\\')
			printf("\\%c", octet);
		else if (octet < 0x20 || octet == 0x7F)
			printf("\\u%04x", octet);
		else
			(void)putchar(octet);
	}
	(void)putchar('"');
}

static void
json_member(struct output *o, const char *name, struct str text, bool number)
{
	if (text.len == 0)
		return;
	(void)putchar(o->json_open ? ',' : '{');
	o->json_open = true;
	json_string(str_from(name));
	(void)putchar(':');
	if (number)
		printf("%.*s", STR_ARG(text));
	else
		json_string(text);
}

/* ---- Rows that wait for the widths ---- */

static bool
cell_room(struct output *o)
{
	size_t room = o->cell_room > 0 ? 2 * o->cell_room : 256;
	char **cells;

	if (o->cell_count < o->cell_room)
		return true;
	cells = reallocarray(o->cells, room, sizeof(*o->cells));
	if (cells == NULL)
		return false;
	o->cells = cells;
	o->cell_room = room;
	return true;
}

static void
cell_keep(struct output *o, struct str text)
{
	char *copy = NULL;

	if (!o->short_of_memory && cell_room(o))
		copy = strndup(text.at, text.len);
	if (copy == NULL)
		o->short_of_memory = true;
	else
		o->cells[o->cell_count++] = copy;
}

static void
heading_print(const struct output *o)
{
	uint32_t i;

	for (i = 0; i < o->options.count; i++) {
		struct str name = str_from(o->options.columns[i].name);

		if (o->mode == MODE_TABLE)
			table_cell(o, i, name, false);
		else
			printf("%s%.*s", i > 0 ? "\t" : "", STR_ARG(name));
	}
	(void)putchar('\n');
}

/* more: rows that follow may have what no row has had yet. */
static void
table_print(struct output *o, bool more)
{
	size_t i, count = o->options.count;

	for (i = 0; i < count; i++)
		o->empty[i] = !more;
	for (i = 0; i < o->cell_count; i++) {
		uint32_t width = text_width(str_from(o->cells[i]));

		if (width > 0)
			o->empty[i % count] = false;
		if (width > o->widths[i % count])
			o->widths[i % count] = width;
	}
	if (o->cell_count > 0)
		heading_print(o);
	for (i = 0; i < o->cell_count; i++) {
		table_cell(
		    o, (uint32_t)(i % count), str_from(o->cells[i]), true);
		if (i % count == count - 1)
			(void)putchar('\n');
		free(o->cells[i]);
	}
	free(o->cells);
	o->cells = NULL;
	o->cell_count = o->cell_room = 0;
	o->options.stream = true;
}

/* ---- For callers ---- */

struct output *
output_open(const struct output_options *options)
{
	struct output *o = calloc(1, sizeof(*o));
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	uint32_t i;

	CHECK(options->count >= 1 && options->count <= COLUMNS_MAX);
	if (o == NULL)
		return NULL;
	o->options = *options;
	o->mode = options->json          ? MODE_JSON
	    : isatty(STDOUT_FILENO) == 1 ? MODE_TABLE
					 : MODE_TSV;
	o->colour = o->mode == MODE_TABLE &&
	    (no_color == NULL || no_color[0] == '\0') && term != NULL &&
	    strcmp(term, "dumb") != 0;
	for (i = 0; i < options->count; i++) {
		const struct column *column = &options->columns[i];
		uint32_t width = text_width(str_from(column->name));

		o->widths[i] = width > column->width ? width : column->width;
	}
	(void)setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if ((o->mode == MODE_TSV && options->heading) ||
	    (o->mode == MODE_TABLE && options->stream))
		heading_print(o);
	return o;
}

void
output_text(struct output *o, struct str text)
{
	const struct column *column = &o->options.columns[o->column];

	CHECK(o->column < o->options.count);
	switch (o->mode) {
	case MODE_TABLE:
		if (o->options.stream)
			table_cell(o, o->column, text, true);
		else
			cell_keep(o, text);
		break;
	case MODE_TSV:
		printf("%s%.*s", o->column > 0 ? "\t" : "", STR_ARG(text));
		break;
	case MODE_JSON:
		json_member(
		    o, column->name, text, column->kind == COLUMN_NUMBER);
		break;
	}
	o->column++;
}

void
output_u64(struct output *o, uint64_t number)
{
	char text[24];
	int len;

	len = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	CHECK(len > 0 && (size_t)len < sizeof(text));
	output_text(o, str_from(text));
}

void
output_money(struct output *o, int64_t minor, uint32_t currency)
{
	char text[MONEY_TEXT_MAX];
	size_t len = money_text(minor, currency, text);

	output_text(o, (struct str){text, (uint32_t)len});
}

void
output_time(struct output *o, int64_t us)
{
	char text[TIME_TEXT_LEN + 1];

	time_text(us, text);
	output_text(o, str_from(text));
}

void
output_json_extra(struct output *o, const char *name, struct str text)
{
	if (o->mode == MODE_JSON)
		json_member(o, name, text, false);
}

void
output_row(struct output *o)
{
	CHECK(o->column == o->options.count);
	o->column = 0;
	if (o->mode == MODE_JSON) {
		printf("%s}\n", o->json_open ? "" : "{");
		o->json_open = false;
	} else if (o->mode == MODE_TSV || o->options.stream) {
		(void)putchar('\n');
	} else if (o->cell_count >= KEPT_ROWS_MAX * o->options.count) {
		table_print(o, true);
	}
}

/* -1: with errno, which is 0 where an earlier write failed. */
static int
flush_stdout(void)
{
	if (fflush(stdout) != 0)
		return -1;
	errno = 0;
	return ferror(stdout) == 0 ? 0 : -1;
}

static void
warn_stdout(void)
{
	if (errno != 0)
		warn("standard output");
	else
		warnx("standard output: some of it could not be written");
}

int
output_flush(struct output *o)
{
	(void)o;
	return flush_stdout();
}

/* Asked of the pipe: errno may be a later call's by now. */
static bool
reader_has_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
	int error = errno;
	bool gone = poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;

	errno = error;
	return gone;
}

int
output_close(struct output *o)
{
	int result = EXIT_OK;

	if (o->mode == MODE_TABLE && !o->options.stream)
		table_print(o, false);
	if (output_flush(o) == -1) {
		if (!reader_has_gone())
			warn_stdout();
		result = EXIT_CANTCREATE;
	} else if (o->short_of_memory) {
		warnx("out of memory: some rows are missing");
		result = EXIT_OSERR;
	}
	free(o);
	return result;
}

void
output_begin(void)
{
	int fd;

	/* Open the wrong way round, they fail as closed ones do. */
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 &&
		    open("/dev/null",
			fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			err(EXIT_OSERR, "/dev/null");
}

int
output_end(int result)
{
	sigset_t set;

	if (flush_stdout() == 0)
		return result;
	if (!reader_has_gone()) {
		/* Any other result has been told. */
		if (result == EXIT_OK)
			warn_stdout();
		return result == EXIT_OK ? EXIT_CANTCREATE : result;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)raise(SIGPIPE);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	return EXIT_CANTCREATE;
}
