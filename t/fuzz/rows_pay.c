/*
 * Batch files of strife-pay: any octets are rows, or told as wrong in words
 * that no terminal takes amiss. Rows that pass, written again, pass again.
 */
#include "told.h"

#include <stdlib.h>

#include "../../bin/pay/rows.h"
#include "reused.h"
#include "wire/money.h"

static void
take(struct rows *rows, const void *octets, size_t len)
{
	*rows = (struct rows){
	    .tsv = {.name = "rows.tsv", .len = len}, .user = "alice"};
	rows->tsv.text = malloc(len == 0 ? 1 : len);
	CHECK(rows->tsv.text != NULL);
	memcpy(rows->tsv.text, octets, len);
}

static void
check_row(const struct rows *rows, uint32_t i)
{
	const struct row *row = &rows->at[i];
	struct account account;

	CHECK(row->amount >= 1 && row->amount <= MONEY_AMOUNT_MAX);
	CHECK(account_parse(&account, row->fields[ROW_FROM]));
	CHECK(account_parse(&account, row->fields[ROW_TO]));
	CHECK(text_valid(row->fields[ROW_MEMO]));
	CHECK(row->fields[ROW_MEMO].len <= MEMO_MAX_LEN);
	CHECK(!row->has_id || !id_is_nil(&row->id));
	CHECK(row->same_as == ROW_NONE || row->same_as < i);
	CHECK(row->answer.state == PAYMENT_UNSENT);
}

/* Its fields with tabs between them, and no end of a line but LF. */
static size_t
print(const struct rows *rows, char *into)
{
	char *at = into;

	for (uint32_t i = 0; i < rows->count; i++)
		for (uint32_t f = 0; f < ROW_FIELDS; f++) {
			struct str text = rows->at[i].fields[f];

			memcpy(at, text.at, text.len);
			at += text.len;
			*at++ = f + 1 < ROW_FIELDS ? '\t' : '\n';
		}
	return (size_t)(at - into);
}

static void
check_again(const struct rows *rows)
{
	/* A memo that was left out gets its tab. */
	char *text = malloc(rows->tsv.len + 2 * (size_t)rows->count + 1);
	struct rows again;

	CHECK(text != NULL);
	take(&again, text, print(rows, text));
	CHECK(rows_check(&again, false) == EXIT_OK);
	CHECK(again.count == rows->count && again.missing == rows->missing);
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct row *a = &rows->at[i], *b = &again.at[i];

		CHECK(a->amount == b->amount && a->currency == b->currency);
		CHECK(a->same_as == b->same_as && a->has_id == b->has_id);
		CHECK(!a->has_id || id_eq(&a->id, &b->id));
	}
	rows_free(&again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct fuzz_input in = {octets, len};
	bool need_id = fuzz_octet(&in) % 2 == 1;
	struct rows rows;

	take(&rows, in.at, in.len);
	told = 0;
	if (rows_check(&rows, need_id) == EXIT_OK) {
		CHECK(told == 0 && (!need_id || rows.missing == 0));
		for (uint32_t i = 0; i < rows.count; i++)
			check_row(&rows, i);
		check_again(&rows);
	} else {
		CHECK(told > 0 && told <= TSV_TOLD_MAX + 2);
	}
	rows_free(&rows);
	return 0;
}
