/*
 * A batch file: tab-separated rows id, from, to, amount, currency, memo, with a
 * heading where the first field is "id". Read whole, checked whole.
 */
#ifndef STRIFE_PAY_ROWS_H
#define STRIFE_PAY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/answer.h"
#include "client/tsv.h"
#include "wire/id.h"

enum row_field {
	ROW_ID,
	ROW_FROM,
	ROW_TO,
	ROW_AMOUNT,
	ROW_CURRENCY,
	ROW_MEMO, /* may be missing */
	ROW_FIELDS
};
extern const char *const row_field_names[ROW_FIELDS];

#define ROW_NONE UINT32_MAX

struct row {
	struct str fields[ROW_FIELDS]; /* as given; in tsv's text */
	struct id id;
	bool has_id;
	int64_t amount;
	uint32_t currency;
	uint32_t line;
	uint32_t same_as;     /* an earlier row with this id, or ROW_NONE */
	struct answer answer; /* what became of it */
};

struct rows {
	struct tsv tsv;
	const char *user; /* for key:TEXT; borrowed */
	bool heading;
	struct row *at; /* owned */
	uint32_t count, room;
	uint32_t missing; /* rows without an id */
};

/*
 * Reads path, "-" for standard input: EXIT_OK, or EXIT_DATA having said why.
 * tsv.name and user must be set; rows_free frees.
 */
int rows_read(struct rows *, const char *path);
/*
 * Splits and checks the text: EXIT_OK, or EXIT_DATA having named
 * FILE:LINE:COLUMN of what is wrong. need_id: every row must have one.
 */
int rows_check(struct rows *, bool need_id);
void rows_free(struct rows *);

#endif
