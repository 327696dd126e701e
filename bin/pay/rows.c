#include "rows.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/table.h"
#include "pay.h"
#include "payid.h"
#include "wire/money.h"
#include "wire/msg.h"

#define READ_CHUNK ((size_t)1 << 18)
#define SHOWN_MAX 40 /* octets of a wrong value in a message */

const char *const row_field_names[ROW_FIELDS] = {
    "id", "from", "to", "amount", "currency", "memo"};

/* ---- Reading ---- */

static int
read_all(struct rows *rows, int fd)
{
	size_t room = 0;
	ssize_t got;

	for (;;) {
		if (rows->len == ROWS_FILE_MAX)
			return errno = EFBIG, -1;
		if (room - rows->len < READ_CHUNK) {
			char *text;

			room = room > 0 ? 2 * room : 4 * READ_CHUNK;
			text = realloc(rows->text, room);
			if (text == NULL)
				return -1;
			rows->text = text;
		}
		got = read(fd, rows->text + rows->len,
		    room - rows->len < ROWS_FILE_MAX - rows->len
			? room - rows->len
			: ROWS_FILE_MAX - rows->len);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		rows->len += (size_t)got;
	}
}

int
rows_read(struct rows *rows, const char *path)
{
	int fd = STDIN_FILENO, result;

	if (strcmp(path, "-") != 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1) {
			warn("%s", path);
			return EXIT_DATA;
		}
	}
	result = read_all(rows, fd);
	if (result == -1)
		warn("%s", rows->name);
	if (fd != STDIN_FILENO)
		(void)close(fd);
	return result == 0 ? EXIT_OK : EXIT_DATA;
}

void
rows_free(struct rows *rows)
{
	free(rows->text);
	free(rows->at);
	memset(rows, 0, sizeof(*rows));
}

/* ---- Checking ---- */

struct checker {
	struct rows *rows;
	bool need_id;
	uint32_t wrong;      /* rows */
	const char *line_at; /* where the line begins */
	uint32_t line;
};

/* at: where in the line it is wrong. Returns false. */
__attribute__((format(printf, 3, 4))) static bool
wrong(struct checker *c, const char *at, const char *format, ...)
{
	char text[256];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len >= 0);
	if (c->wrong++ < ROWS_TOLD_MAX)
		warnx("%s:%u:%u: %s", c->rows->name, (unsigned)c->line,
		    (unsigned)(at - c->line_at) + 1, text);
	return false;
}

/* A value to be shown, whatever is in it: vis(3) lets octets of no text pass.
 */
static const char *
shown(struct str value, char into[4 * SHOWN_MAX + 1])
{
	uint32_t len = value.len < SHOWN_MAX ? value.len : SHOWN_MAX;
	char *at = into;

	for (uint32_t i = 0; i < len; i++) {
		unsigned char octet = (unsigned char)value.at[i];

		if (octet >= ' ' && octet < 0x7f && octet != '\\')
			*at++ = (char)octet;
		else
			at += snprintf(at, 5, "\\x%02X", octet);
	}
	*at = '\0';
	return into;
}

static bool
check_id(struct checker *c, struct row *row)
{
	struct str text = row->fields[ROW_ID];
	char show[4 * SHOWN_MAX + 1];

	row->has_id = text.len > 0;
	if (!row->has_id) {
		c->rows->missing++;
		return !c->need_id ||
		    wrong(c, text.at,
			"id: there is none; --assign OUT gives one");
	}
	if (text.len > 4 && memcmp(text.at, "key:", 4) == 0) {
		struct str key = {text.at + 4, text.len - 4};

		if (!payid_key_valid(key))
			return wrong(c, text.at,
			    "id: a key is 1 to %d octets of UTF-8 text",
			    KEY_TEXT_MAX);
		row->id = id_from_key(str_from(c->rows->user), key);
		return true;
	}
	if (payid_parse(&row->id, text))
		return true;
	return wrong(c, text.at, "id: \"%s\" is neither a UUID nor key:TEXT",
	    shown(text, show));
}

static bool
check_account(struct checker *c, const struct row *row, enum row_field field)
{
	struct str text = row->fields[field];
	struct account account;
	char show[4 * SHOWN_MAX + 1];

	if (account_parse(&account, text))
		return true;
	return wrong(c, text.at, "%s: \"%s\" is not an account, NAME@BANK",
	    row_field_names[field], shown(text, show));
}

static bool
check_money(struct checker *c, struct row *row)
{
	struct str currency = row->fields[ROW_CURRENCY];
	struct str amount = row->fields[ROW_AMOUNT];
	char show[4 * SHOWN_MAX + 1];

	if (!currency_parse(&row->currency, currency))
		return wrong(c, currency.at,
		    "currency: \"%s\" is not an ISO 4217 code",
		    shown(currency, show));
	switch (money_parse(&row->amount, amount, row->currency)) {
	case MONEY_OK:
		if (row->amount >= 1 && row->amount <= MONEY_AMOUNT_MAX)
			return true;
		break;
	case MONEY_TOO_PRECISE:
		return wrong(c, amount.at, "amount: %s: %.*s has %d decimals",
		    shown(amount, show), STR_ARG(currency),
		    currency_exponent(row->currency));
	case MONEY_MALFORMED:
		return wrong(c, amount.at,
		    "amount: \"%s\" is not an amount as in 12.50",
		    shown(amount, show));
	case MONEY_RANGE:
		break;
	}
	return wrong(c, amount.at,
	    "amount: %s: 1 to 10^15 of the currency's smallest unit",
	    shown(amount, show));
}

/* Fields of a line, which ends at end: how many, at most ROW_FIELDS + 1. */
static uint32_t
split(struct row *row, const char *at, const char *end)
{
	uint32_t count = 0;
	const char *tab;

	for (;;) {
		if (count == ROW_FIELDS)
			return ROW_FIELDS + 1;
		tab = memchr(at, '\t', (size_t)(end - at));
		if (tab == NULL)
			tab = end;
		row->fields[count++] = (struct str){at, (uint32_t)(tab - at)};
		if (tab == end)
			return count;
		at = tab + 1;
	}
}

static bool
check_row(struct checker *c, struct row *row, const char *end)
{
	uint32_t count;
	struct str memo;

	/* No legal row is longer; and a field's length must fit its type. */
	if (end - c->line_at > LINE_MAX_LEN)
		return wrong(c, c->line_at, "the row is too long");
	count = split(row, c->line_at, end);
	if (count < ROW_MEMO || count > ROW_FIELDS)
		return wrong(c, c->line_at,
		    "%s columns: id from to amount currency memo, with tabs",
		    count < ROW_MEMO ? "too few" : "too many");
	if (count == ROW_MEMO)
		row->fields[ROW_MEMO] = (struct str){end, 0};
	if (!check_id(c, row) || !check_account(c, row, ROW_FROM) ||
	    !check_account(c, row, ROW_TO) || !check_money(c, row))
		return false;
	memo = row->fields[ROW_MEMO];
	if (memo.len > MEMO_MAX_LEN || !text_valid(memo))
		return wrong(c, memo.at,
		    "memo: at most %d octets of UTF-8 text", MEMO_MAX_LEN);
	return true;
}

/* ---- The same id twice ---- */

static bool
same_id(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct row *rows = pool;

	CHECK(len == sizeof(struct id));
	return id_eq(&rows[index].id, key);
}

static bool
same_payment(const struct row *a, const struct row *b)
{
	return str_eq(a->fields[ROW_FROM], b->fields[ROW_FROM]) &&
	    str_eq(a->fields[ROW_TO], b->fields[ROW_TO]) &&
	    a->amount == b->amount && a->currency == b->currency &&
	    str_eq(a->fields[ROW_MEMO], b->fields[ROW_MEMO]);
}

static void
check_repeats(struct checker *c)
{
	struct rows *rows = c->rows;
	struct hash_key key;
	struct table table;
	uint32_t i, first;

	digest_random(&key, sizeof(key));
	if (table_init(&table, rows->count, &key, same_id, rows->at) == -1)
		err(EXIT_OSERR, "memory");
	for (i = 0; i < rows->count; i++) {
		struct row *row = &rows->at[i];

		if (!row->has_id)
			continue;
		first = table_find(&table, &row->id, sizeof(row->id));
		if (first == TABLE_NONE) {
			table_insert(&table, &row->id, sizeof(row->id), i);
			continue;
		}
		row->same_as = first;
		c->line = row->line;
		c->line_at = row->fields[ROW_ID].at;
		if (!same_payment(row, &rows->at[first]))
			(void)wrong(c, c->line_at,
			    "id: line %u has it for another payment",
			    (unsigned)rows->at[first].line);
	}
	table_free(&table);
}

/* ---- Order within a payer ---- */

static bool
same_payer(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct row *rows = pool;

	return str_eq(
	    rows[index].fields[ROW_FROM], (struct str){key, (uint32_t)len});
}

void
rows_link_payers(struct rows *rows)
{
	struct hash_key key;
	struct table table;

	digest_random(&key, sizeof(key));
	if (table_init(&table, rows->count, &key, same_payer, rows->at) == -1)
		err(EXIT_OSERR, "memory");
	for (uint32_t i = 0; i < rows->count; i++) {
		struct row *row = &rows->at[i];
		struct str payer = row->fields[ROW_FROM];
		uint32_t first;

		if (row->same_as != ROW_NONE)
			continue;
		first = table_find(&table, payer.at, payer.len);
		if (first == TABLE_NONE) {
			table_insert(&table, payer.at, payer.len, i);
			first = i;
		} else {
			row->behind = true;
			rows->at[rows->at[first].last_of_payer].next_of_payer =
			    i;
		}
		rows->at[first].last_of_payer = i;
	}
	table_free(&table);
}

/* ---- The whole ---- */

static struct row *
row_add(struct rows *rows)
{
	struct row *row;

	if (rows->count == rows->room) {
		uint32_t room = rows->room > 0 ? 2 * rows->room : 1024;

		row = reallocarray(rows->at, room, sizeof(*row));
		if (row == NULL)
			err(EXIT_OSERR, "memory");
		rows->at = row;
		rows->room = room;
	}
	row = &rows->at[rows->count++];
	memset(row, 0, sizeof(*row));
	row->same_as = ROW_NONE;
	row->next_of_payer = ROW_NONE;
	row->answer.state = PAYMENT_UNSENT;
	return row;
}

/* One line, from line_at to end. */
static bool
check_line(struct checker *c, const char *end)
{
	struct rows *rows = c->rows;
	struct row *row;

	if (end > c->line_at && end[-1] == '\r')
		end--;
	if (end == c->line_at)
		return true; /* an empty line is no row */
	if (c->line == 1 && end - c->line_at >= 2 &&
	    memcmp(c->line_at, "id", 2) == 0 &&
	    (end - c->line_at == 2 || c->line_at[2] == '\t')) {
		rows->heading = true;
		return true;
	}
	if (rows->count == ROWS_MAX)
		return wrong(c, c->line_at, "more than %u rows", ROWS_MAX);
	row = row_add(rows);
	row->line = c->line;
	(void)check_row(c, row, end);
	return true;
}

int
rows_check(struct rows *rows, bool need_id)
{
	struct checker c = {.rows = rows, .need_id = need_id};
	const char *at = rows->text, *end = rows->text + rows->len, *newline;

	rows->count = rows->missing = 0;
	rows->heading = false;
	while (at < end) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (newline == NULL)
			newline = end;
		c.line++;
		c.line_at = at;
		if (!check_line(&c, newline))
			break;
		at = newline + 1;
	}
	if (c.wrong == 0)
		check_repeats(&c);
	if (c.wrong > ROWS_TOLD_MAX)
		warnx("%s: and %u more", rows->name,
		    (unsigned)(c.wrong - ROWS_TOLD_MAX));
	if (c.wrong > 0)
		warnx("%s: nothing was sent", rows->name);
	return c.wrong == 0 ? EXIT_OK : EXIT_DATA;
}
