#include "rows.h"

/* Which strnvis() one means has to be said even where none is used. */
#define LIBBSD_OPENBSD_VIS
#include <bsd/vis.h>
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/table.h"
#include "client/console.h"
#include "wire/money.h"

#define READ_CHUNK ((size_t)1 << 16)
#define SHOWN_MAX 40 /* octets of a wrong value in a message */
#define FILE_NAME "(stdin)"

const struct row_layout row_layout_open = {
    3, {ROW_NAME, ROW_CURRENCY, ROW_OVERDRAFT}};
const struct row_layout row_layout_entry = {
    5, {ROW_ID, ROW_NAME, ROW_AMOUNT, ROW_CURRENCY, ROW_MEMO}};

const char *
row_field_name(enum row_field field)
{
	static const char *const names[ROW_FIELDS] = {
	    [ROW_ID] = "id",
	    [ROW_NAME] = "name",
	    [ROW_CURRENCY] = "currency",
	    [ROW_AMOUNT] = "amount",
	    [ROW_OVERDRAFT] = "overdraft",
	    [ROW_MEMO] = "memo",
	};

	return names[field];
}

struct row *
rows_add(struct rows *rows)
{
	struct row *row;
	uint32_t f;

	if (rows->count == rows->room) {
		uint32_t room = rows->room > 0 ? 2 * rows->room : 64;

		row = reallocarray(rows->at, room, sizeof(*row));
		if (row == NULL)
			return NULL;
		rows->at = row;
		rows->room = room;
	}
	row = &rows->at[rows->count++];
	memset(row, 0, sizeof(*row));
	for (f = 0; f < ROW_FIELDS; f++)
		row->fields[f] = STR_NONE;
	return row;
}

void
rows_free(struct rows *rows)
{
	free(rows->text);
	free(rows->at);
	memset(rows, 0, sizeof(*rows));
}

/* ---- One row ---- */

__attribute__((format(printf, 3, 4))) static bool
wrong(
    struct row_problem *problem, enum row_field field, const char *format, ...)
{
	va_list ap;

	problem->field = field;
	va_start(ap, format);
	/* It is for people: cut where it does not fit. */
	if (vsnprintf(problem->text, sizeof(problem->text), format, ap) < 0)
		problem->text[0] = '\0';
	va_end(ap);
	return false;
}

/* A value to be shown, whatever is in it. */
static const char *
shown(struct str value, char into[4 * SHOWN_MAX + 1])
{
	uint32_t len = value.len < SHOWN_MAX ? value.len : SHOWN_MAX;

	(void)strvisx(into, value.at, len, VIS_CSTYLE | VIS_TAB | VIS_NL);
	return into;
}

static bool
check_id(const struct rows *rows, struct row *row, struct row_problem *problem)
{
	struct str text = row->fields[ROW_ID];
	char show[4 * SHOWN_MAX + 1];

	if (text.len > 4 && memcmp(text.at, "key:", 4) == 0) {
		struct str key = {text.at + 4, text.len - 4};

		if (key.len > KEY_TEXT_MAX || !text_valid(key))
			return wrong(problem, ROW_ID,
			    "a key is 1 to %d octets of UTF-8 without control "
			    "characters",
			    KEY_TEXT_MAX);
		row->id = id_from_key(rows->bank, key);
		return true;
	}
	if (console_id_parse(&row->id, text))
		return true;
	return wrong(problem, ROW_ID, "\"%s\" is neither a UUID nor key:TEXT",
	    shown(text, show));
}

static bool
check_money(const struct row *row, enum row_field field, int64_t *minor,
    struct row_problem *problem)
{
	struct str text = row->fields[field];
	bool overdraft = field == ROW_OVERDRAFT;
	int64_t max = overdraft ? MONEY_BALANCE_MAX : MONEY_AMOUNT_MAX;
	char show[4 * SHOWN_MAX + 1], most[MONEY_TEXT_MAX], currency[4];

	(void)shown(text, show);
	currency_text(row->currency, currency);
	switch (money_parse(minor, text, row->currency)) {
	case MONEY_OK:
		if (*minor >= (overdraft ? 0 : 1) && *minor <= max)
			return true;
		break;
	case MONEY_TOO_PRECISE:
		return wrong(problem, field, "%s: %s has %d decimals", show,
		    currency, currency_exponent(row->currency));
	case MONEY_MALFORMED:
		return wrong(problem, field,
		    "\"%s\" is not an amount as in 12.50", show);
	case MONEY_RANGE:
		break;
	}
	(void)money_text(max, row->currency, most);
	return wrong(problem, field, "%s: %s %s at most", show,
	    overdraft ? "0 to" : "more than 0,", most);
}

static bool
has_column(const struct row_layout *layout, enum row_field field)
{
	uint32_t i;

	for (i = 0; i < layout->count; i++)
		if (layout->at[i] == field)
			return true;
	return false;
}

bool
row_check(const struct rows *rows, struct row *row, struct row_problem *problem)
{
	struct str memo = row->fields[ROW_MEMO];
	char show[4 * SHOWN_MAX + 1];

	if (!row->has_id && has_column(rows->layout, ROW_ID) &&
	    !check_id(rows, row, problem))
		return false;
	if (!name_valid(row->fields[ROW_NAME]))
		return wrong(problem, ROW_NAME,
		    "\"%s\" is not an account: 1 to %d of A-Z a-z 0-9 . _ -, "
		    "without @BANK",
		    shown(row->fields[ROW_NAME], show), NAME_MAX_LEN);
	if (!currency_parse(&row->currency, row->fields[ROW_CURRENCY]))
		return wrong(problem, ROW_CURRENCY,
		    "\"%s\" is not an ISO 4217 code",
		    shown(row->fields[ROW_CURRENCY], show));
	if (has_column(rows->layout, ROW_AMOUNT) &&
	    !check_money(row, ROW_AMOUNT, &row->amount, problem))
		return false;
	if (row->fields[ROW_OVERDRAFT].len > 0 &&
	    !check_money(row, ROW_OVERDRAFT, &row->overdraft, problem))
		return false;
	if (memo.len > MEMO_MAX_LEN || !text_valid(memo))
		return wrong(problem, ROW_MEMO,
		    "at most %d octets of UTF-8 without control characters",
		    MEMO_MAX_LEN);
	return true;
}

/* ---- Lines of a file ---- */

struct checker {
	struct rows *rows;
	uint32_t told; /* rows that are wrong */
	const char *line_at;
	uint32_t line;
};

static void
tell(struct checker *c, uint32_t line, size_t column, const char *text)
{
	if (c->told++ < ROWS_TOLD_MAX)
		warnx("%s:%u:%zu: %s", FILE_NAME, (unsigned)line, column + 1,
		    text);
}

/* Fields of a line, which ends at end: how many, at most `max` + 1. */
static uint32_t
split(const char *at, const char *end, struct str *fields, uint32_t max)
{
	uint32_t count = 0;
	const char *tab;

	for (;;) {
		if (count == max)
			return max + 1;
		tab = memchr(at, '\t', (size_t)(end - at));
		if (tab == NULL)
			tab = end;
		fields[count++] = (struct str){at, (uint32_t)(tab - at)};
		if (tab == end)
			return count;
		at = tab + 1;
	}
}

static bool
is_heading(
    const struct row_layout *layout, const struct str *fields, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < 2; i++)
		if (i >= count ||
		    !str_is(fields[i], row_field_name(layout->at[i])))
			return false;
	return true;
}

static void
tell_columns(struct checker *c, bool few)
{
	const struct row_layout *layout = c->rows->layout;
	char text[192];
	size_t len;
	uint32_t i;

	(void)snprintf(text, sizeof(text),
	    "too %s columns; with tabs between:", few ? "few" : "many");
	for (i = 0; i < layout->count; i++) {
		len = strlen(text);
		(void)snprintf(text + len, sizeof(text) - len, " %s",
		    row_field_name(layout->at[i]));
	}
	tell(c, c->line, 0, text);
}

/* One line, from line_at to end: false where memory is short. */
static bool
take_line(struct checker *c, const char *end)
{
	const struct row_layout *layout = c->rows->layout;
	struct str fields[ROW_FIELDS];
	struct row_problem problem;
	struct row *row;
	uint32_t count, i;
	char text[320];

	if (end > c->line_at && end[-1] == '\r')
		end--;
	if (end == c->line_at)
		return true; /* an empty line is no row */
	/* No legal row is longer; and a field's length must fit its type. */
	if (end - c->line_at > LINE_MAX_LEN) {
		tell(c, c->line, 0, "the row is too long");
		return true;
	}
	count = split(c->line_at, end, fields, layout->count);
	if (c->line == 1 && is_heading(layout, fields, count))
		return true;
	if (count < layout->count - 1 || count > layout->count) {
		tell_columns(c, count < layout->count);
		return true;
	}
	row = rows_add(c->rows);
	if (row == NULL)
		return false;
	row->line = c->line;
	for (i = 0; i < count; i++)
		row->fields[layout->at[i]] = fields[i];
	if (row_check(c->rows, row, &problem))
		return true;
	(void)snprintf(text, sizeof(text), "%s: %s",
	    row_field_name(problem.field), problem.text);
	tell(c, c->line, (size_t)(row->fields[problem.field].at - c->line_at),
	    text);
	return true;
}

/* ---- The same id or account twice ---- */

static bool
same_id(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct row *rows = pool;

	CHECK(len == sizeof(struct id));
	return id_eq(&rows[index].id, key);
}

static bool
same_name(const void *pool, uint32_t index, const void *key, size_t len)
{
	struct str name = ((const struct row *)pool)[index].fields[ROW_NAME];

	return name.len == len && memcmp(name.at, key, len) == 0;
}

static bool
same_values(const struct row *a, const struct row *b)
{
	return str_eq(a->fields[ROW_NAME], b->fields[ROW_NAME]) &&
	    a->currency == b->currency && a->amount == b->amount &&
	    a->overdraft == b->overdraft &&
	    str_eq(a->fields[ROW_MEMO], b->fields[ROW_MEMO]);
}

/* False where memory is short. */
static bool
check_repeats(struct checker *c)
{
	struct rows *rows = c->rows;
	bool by_id = has_column(rows->layout, ROW_ID);
	struct hash_key hash_key;
	struct table table;
	uint32_t i, first;
	char text[128];

	digest_random(&hash_key, sizeof(hash_key));
	if (table_init(&table, rows->count, &hash_key,
		by_id ? same_id : same_name, rows->at) == -1)
		return false;
	for (i = 0; i < rows->count; i++) {
		const struct row *row = &rows->at[i];
		struct str name = row->fields[ROW_NAME];
		const void *key = by_id ? (const void *)&row->id : name.at;
		size_t len = by_id ? sizeof(row->id) : name.len;

		first = table_find(&table, key, len);
		if (first == TABLE_NONE) {
			table_insert(&table, key, len, i);
			continue;
		}
		if (same_values(row, &rows->at[first]))
			continue;
		(void)snprintf(text, sizeof(text),
		    "%s: line %u has it with other values",
		    row_field_name(by_id ? ROW_ID : ROW_NAME),
		    (unsigned)rows->at[first].line);
		tell(c, row->line, 0, text);
	}
	table_free(&table);
	return true;
}

/* ---- The whole ---- */

static int
read_all(struct rows *rows)
{
	size_t room = 0;
	ssize_t got;

	for (;;) {
		if (rows->len == ROWS_FILE_MAX)
			return errno = EFBIG, -1;
		if (rows->len == room) {
			char *text;

			room = room > 0 ? 2 * room : READ_CHUNK;
			text = realloc(rows->text, room);
			if (text == NULL)
				return -1;
			rows->text = text;
		}
		got = read(
		    STDIN_FILENO, rows->text + rows->len, room - rows->len);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		rows->len += (size_t)got;
	}
}

static bool
take_lines(struct checker *c)
{
	struct rows *rows = c->rows;
	const char *at = rows->text, *end = rows->text + rows->len, *newline;

	for (; at < end; at = newline < end ? newline + 1 : end) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (newline == NULL)
			newline = end;
		c->line++;
		c->line_at = at;
		if (rows->count == ROWS_MAX) {
			tell(c, c->line, 0, "more than a million rows");
			return true;
		}
		if (!take_line(c, newline))
			return false;
	}
	return c->told > 0 || rows->count < 2 || check_repeats(c);
}

int
rows_read(struct rows *rows)
{
	struct checker c = {.rows = rows};

	if (read_all(rows) == -1) {
		warn("%s", FILE_NAME);
		return EXIT_DATA;
	}
	if (!take_lines(&c)) {
		warnx("out of memory");
		return EXIT_OSERR;
	}
	if (c.told > ROWS_TOLD_MAX)
		warnx("%s: and %u more", FILE_NAME,
		    (unsigned)(c.told - ROWS_TOLD_MAX));
	if (c.told == 0)
		return EXIT_OK;
	warnx("%s: nothing was sent", FILE_NAME);
	return EXIT_DATA;
}
