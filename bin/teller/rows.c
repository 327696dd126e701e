#include "rows.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/table.h"
#include "client/ids.h"
#include "wire/money.h"

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
	tsv_free(&rows->tsv);
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

static bool
check_id(const struct rows *rows, struct row *row, struct row_problem *problem)
{
	struct str text = row->fields[ROW_ID];
	const char *what = ids_parse_field(&row->id, text, rows->bank);
	char show[TSV_SHOWN_SIZE];

	return what == NULL ||
	    wrong(problem, ROW_ID, "\"%s\" %s", tsv_shown(text, show), what);
}

static bool
check_money(const struct row *row, enum row_field field, int64_t *minor,
    struct row_problem *problem)
{
	struct str text = row->fields[field];
	bool overdraft = field == ROW_OVERDRAFT;
	int64_t max = overdraft ? MONEY_BALANCE_MAX : MONEY_AMOUNT_MAX;
	char show[TSV_SHOWN_SIZE], most[MONEY_TEXT_MAX], currency[4];

	(void)tsv_shown(text, show);
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
	char show[TSV_SHOWN_SIZE];

	if (!row->has_id && has_column(rows->layout, ROW_ID) &&
	    !check_id(rows, row, problem))
		return false;
	if (!name_valid(row->fields[ROW_NAME]))
		return wrong(problem, ROW_NAME,
		    "\"%s\" is not an account: 1 to %d of A-Z a-z 0-9 . _ -, "
		    "without @BANK",
		    tsv_shown(row->fields[ROW_NAME], show), NAME_MAX_LEN);
	if (!currency_parse(&row->currency, row->fields[ROW_CURRENCY]))
		return wrong(problem, ROW_CURRENCY,
		    "\"%s\" is not an ISO 4217 code",
		    tsv_shown(row->fields[ROW_CURRENCY], show));
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
tell_columns(struct rows *rows, bool few)
{
	const struct row_layout *layout = rows->layout;
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
	(void)tsv_wrong(&rows->tsv, rows->tsv.line_at, "%s", text);
}

/* One line: false where memory is short. */
static bool
take_line(struct rows *rows, struct str line)
{
	const struct row_layout *layout = rows->layout;
	struct str fields[ROW_FIELDS];
	struct row_problem problem;
	struct row *row;
	uint32_t count = tsv_split(line, fields, layout->count), i;

	if (rows->tsv.line == 1 && is_heading(layout, fields, count))
		return true;
	if (count < layout->count - 1 || count > layout->count) {
		tell_columns(rows, count < layout->count);
		return true;
	}
	row = rows_add(rows);
	if (row == NULL)
		return false;
	row->line = rows->tsv.line;
	for (i = 0; i < count; i++)
		row->fields[layout->at[i]] = fields[i];
	if (!row_check(rows, row, &problem))
		(void)tsv_wrong(&rows->tsv, row->fields[problem.field].at,
		    "%s: %s", row_field_name(problem.field), problem.text);
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
check_repeats(struct rows *rows)
{
	bool by_id = has_column(rows->layout, ROW_ID);
	struct hash_key hash_key;
	struct table table;
	uint32_t i, first;

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
		rows->tsv.line = row->line;
		rows->tsv.line_at = row->fields[rows->layout->at[0]].at;
		(void)tsv_wrong(&rows->tsv, rows->tsv.line_at,
		    "%s: line %u has it with other values",
		    row_field_name(by_id ? ROW_ID : ROW_NAME),
		    (unsigned)rows->at[first].line);
	}
	table_free(&table);
	return true;
}

/* ---- The whole ---- */

static bool
take_lines(struct rows *rows)
{
	struct str line;

	tsv_begin(&rows->tsv);
	while (tsv_next(&rows->tsv, &line)) {
		if (rows->count == TSV_ROWS_MAX)
			return !tsv_wrong(&rows->tsv, line.at,
			    "more than %u rows", TSV_ROWS_MAX);
		if (!take_line(rows, line))
			return false;
	}
	return rows->tsv.wrong > 0 || rows->count < 2 || check_repeats(rows);
}

int
rows_read(struct rows *rows)
{
	rows->tsv.name = "(stdin)";
	if (tsv_read(&rows->tsv, STDIN_FILENO) == -1) {
		warn("%s", rows->tsv.name);
		return EXIT_DATA;
	}
	if (!take_lines(rows)) {
		warnx("out of memory");
		return EXIT_OSERR;
	}
	return tsv_end(&rows->tsv);
}
