#include "rows.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/table.h"
#include "client/ids.h"
#include "wire/money.h"
#include "wire/msg.h"

const char *const row_field_names[ROW_FIELDS] = {
    "id", "from", "to", "amount", "currency", "memo"};

/* ---- Reading ---- */

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
	result = tsv_read(&rows->tsv, fd);
	if (result == -1)
		warn("%s", rows->tsv.name);
	if (fd != STDIN_FILENO)
		(void)close(fd);
	return result == 0 ? EXIT_OK : EXIT_DATA;
}

void
rows_free(struct rows *rows)
{
	tsv_free(&rows->tsv);
	free(rows->at);
	memset(rows, 0, sizeof(*rows));
}

/* ---- Checking ---- */

static bool
check_id(struct rows *rows, struct row *row, bool need_id)
{
	struct str text = row->fields[ROW_ID];
	char show[TSV_SHOWN_SIZE];
	const char *what;

	row->has_id = text.len > 0;
	if (!row->has_id) {
		rows->missing++;
		return !need_id ||
		    tsv_wrong(&rows->tsv, text.at,
			"id: there is none; --assign OUT gives one");
	}
	what = ids_parse_field(&row->id, text, str_from(rows->user));
	return what == NULL ||
	    tsv_wrong(&rows->tsv, text.at, "id: \"%s\" %s",
		tsv_shown(text, show), what);
}

static bool
check_account(struct tsv *t, const struct row *row, enum row_field field)
{
	struct str text = row->fields[field];
	struct account account;
	char show[TSV_SHOWN_SIZE];

	if (account_parse(&account, text))
		return true;
	return tsv_wrong(t, text.at, "%s: \"%s\" is not an account, NAME@BANK",
	    row_field_names[field], tsv_shown(text, show));
}

static bool
check_money(struct tsv *t, struct row *row)
{
	struct str currency = row->fields[ROW_CURRENCY];
	struct str amount = row->fields[ROW_AMOUNT];
	char show[TSV_SHOWN_SIZE];

	if (!currency_parse(&row->currency, currency))
		return tsv_wrong(t, currency.at,
		    "currency: \"%s\" is not an ISO 4217 code",
		    tsv_shown(currency, show));
	switch (money_parse(&row->amount, amount, row->currency)) {
	case MONEY_OK:
		if (row->amount >= 1 && row->amount <= MONEY_AMOUNT_MAX)
			return true;
		break;
	case MONEY_TOO_PRECISE:
		return tsv_wrong(t, amount.at,
		    "amount: %s: %.*s has %d decimals", tsv_shown(amount, show),
		    STR_ARG(currency), currency_exponent(row->currency));
	case MONEY_MALFORMED:
		return tsv_wrong(t, amount.at,
		    "amount: \"%s\" is not an amount as in 12.50",
		    tsv_shown(amount, show));
	case MONEY_RANGE:
		break;
	}
	return tsv_wrong(t, amount.at,
	    "amount: %s: 1 to 10^15 of the currency's smallest unit",
	    tsv_shown(amount, show));
}

static bool
check_row(struct rows *rows, struct row *row, struct str line, bool need_id)
{
	struct tsv *t = &rows->tsv;
	uint32_t count = tsv_split(line, row->fields, ROW_FIELDS);
	struct str memo;

	if (count < ROW_MEMO || count > ROW_FIELDS)
		return tsv_wrong(t, line.at,
		    "%s columns: id from to amount currency memo, with tabs",
		    count < ROW_MEMO ? "too few" : "too many");
	if (count == ROW_MEMO)
		row->fields[ROW_MEMO] = (struct str){line.at + line.len, 0};
	if (!check_id(rows, row, need_id) || !check_account(t, row, ROW_FROM) ||
	    !check_account(t, row, ROW_TO) || !check_money(t, row))
		return false;
	memo = row->fields[ROW_MEMO];
	if (memo.len > MEMO_MAX_LEN || !text_valid(memo))
		return tsv_wrong(t, memo.at,
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
check_repeats(struct rows *rows)
{
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
		rows->tsv.line = row->line;
		rows->tsv.line_at = row->fields[ROW_ID].at;
		if (!same_payment(row, &rows->at[first]))
			(void)tsv_wrong(&rows->tsv, rows->tsv.line_at,
			    "id: line %u has it for another payment",
			    (unsigned)rows->at[first].line);
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
	row->answer.state = PAYMENT_UNSENT;
	return row;
}

static bool
is_heading(const struct rows *rows, struct str line)
{
	return rows->tsv.line == 1 && line.len >= 2 &&
	    memcmp(line.at, "id", 2) == 0 &&
	    (line.len == 2 || line.at[2] == '\t');
}

int
rows_check(struct rows *rows, bool need_id)
{
	struct str line;
	struct row *row;

	rows->count = rows->missing = 0;
	rows->heading = false;
	tsv_begin(&rows->tsv);
	while (tsv_next(&rows->tsv, &line)) {
		if (is_heading(rows, line)) {
			rows->heading = true;
			continue;
		}
		if (rows->count == TSV_ROWS_MAX) {
			(void)tsv_wrong(&rows->tsv, line.at,
			    "more than %u rows", TSV_ROWS_MAX);
			break;
		}
		row = row_add(rows);
		row->line = rows->tsv.line;
		(void)check_row(rows, row, line, need_id);
	}
	if (rows->tsv.wrong == 0)
		check_repeats(rows);
	return tsv_end(&rows->tsv);
}
