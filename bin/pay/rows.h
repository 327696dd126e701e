/*
 * A batch file: tab-separated rows id, from, to, amount, currency, memo, with a
 * heading where the first field is "id". Read whole, checked whole.
 */
#ifndef STRIFE_PAY_ROWS_H
#define STRIFE_PAY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
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

enum row_progress {
	ROW_WAITING, /* to be sent, for the first time or again */
	ROW_IN_FLIGHT,
	ROW_DEFERRED, /* to be sent again when its delay is over */
	ROW_DONE,
};

#define ROW_NONE UINT32_MAX

struct row {
	struct str fields[ROW_FIELDS]; /* as given; in tsv's text */
	struct id id;
	bool has_id;
	int64_t amount;
	uint32_t currency;
	uint32_t line;
	uint32_t same_as; /* an earlier row with this id, or ROW_NONE */
	/* The payer's rows, in order; see rows_link_payers. */
	uint32_t next_of_payer, last_of_payer;
	bool behind; /* another of the payer's rows comes first */
	/* What becomes of it: */
	enum row_progress progress;
	bool sent;     /* a gateway may have seen it */
	bool released; /* nothing of the payer's before it is unfinished */
	uint32_t next_ready;
	uint32_t times; /* it was asked again */
	struct answer answer;
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
/* Links the rows of each payer that are to be sent, in the file's order. */
void rows_link_payers(struct rows *);
void rows_free(struct rows *);

#endif
