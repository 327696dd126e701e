/*
 * What `open`, `deposit` and `withdraw` are to do, one row each: from the
 * command line, or tab-separated lines that are read whole and checked whole
 * before anything is sent.
 */
#ifndef STRIFE_TELLER_ROWS_H
#define STRIFE_TELLER_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/tsv.h"
#include "wire/msg.h"

enum row_field {
	ROW_ID,
	ROW_NAME,
	ROW_CURRENCY, /* before the amounts, which need it */
	ROW_AMOUNT,
	ROW_OVERDRAFT,
	ROW_MEMO,
	ROW_FIELDS
};

/* The columns of a kind of row, in their order; the last may be left out. */
struct row_layout {
	uint32_t count;
	enum row_field at[ROW_FIELDS];
};
extern const struct row_layout row_layout_open, row_layout_entry;

enum row_state { ROW_UNSENT, ROW_UNKNOWN, ROW_DONE, ROW_REFUSED };

struct row {
	struct str fields[ROW_FIELDS]; /* as given; not in the layout: empty */
	bool has_id;                   /* not from its field */
	struct id id;
	uint32_t currency;
	int64_t amount, overdraft;
	uint32_t line;
	/* What becomes of it: */
	enum row_state state;
	enum code reason;
	bool kept; /* overdraft is what the account has, not as given */
	int64_t balance;
	uint64_t seq;
};

struct rows {
	const struct row_layout *layout;
	struct str bank; /* for key:TEXT */
	struct tsv tsv;
	struct row *at; /* owned */
	uint32_t count, room;
};

const char *row_field_name(enum row_field);

/* An empty row at the end; NULL: ENOMEM. */
struct row *rows_add(struct rows *);
/* What is wrong with a field of a row. */
struct row_problem {
	enum row_field field;
	char text[256];
};
/* Types the fields of a row: false with *problem filled. */
bool row_check(const struct rows *, struct row *, struct row_problem *problem);

/*
 * Reads standard input and checks it: EXIT_OK, or EXIT_DATA having named
 * FILE:LINE:COLUMN of what is wrong. A first line of the columns' names is a
 * heading.
 */
int rows_read(struct rows *);
void rows_free(struct rows *);

#endif
