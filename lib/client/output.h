/*
 * Rows on standard output: aligned under a heading on a terminal, tab-separated
 * in a pipe, or one JSON object a line. Colour only on a terminal, only for
 * states, and not with NO_COLOR. Texts must be free of control characters, as
 * all that comes from the wire is.
 */
#ifndef STRIFE_CLIENT_OUTPUT_H
#define STRIFE_CLIENT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_STATE,  /* of a payment, a bank, an account: may be coloured */
	COLUMN_MONEY,  /* to the right; in JSON a string, to stay exact */
	COLUMN_NUMBER, /* to the right; in JSON a number */
};

struct column {
	const char *name;
	enum column_kind kind;
	uint32_t width; /* on a terminal, at least */
};

struct output;

/*
 * columns are borrowed. stream: on a terminal too, a row is printed at once,
 * with the widths as given; else they are found when all rows are known, or
 * the first thousand of them.
 * heading: also in a pipe.
 */
struct output_options {
	const struct column *columns;
	uint32_t count;
	bool json, stream, heading;
};
/* NULL: ENOMEM. Later, too little memory is told by output_close. */
struct output *output_open(const struct output_options *);
/* The next cell of the row; an empty one is left out of JSON. */
void output_text(struct output *, struct str);
void output_u64(struct output *, uint64_t);
void output_money(struct output *, int64_t minor, uint32_t currency);
void output_time(struct output *, int64_t us);
/* A cell that only JSON has, before the row's others: for what TSV cannot. */
void output_json_extra(struct output *, const char *name, struct str);
/* After the last cell: CHECKs that the row is complete. */
void output_row(struct output *);
/* 0, or -1 where standard output could not be written to. */
int output_flush(struct output *);
/*
 * Prints what waits and frees: EXIT_OK, or EXIT_CANTCREATE or EXIT_OSERR having
 * said why; but output_end does what is due where its reader has gone.
 */
int output_close(struct output *);

/*
 * For the beginning of main: where standard input, output or error is closed,
 * nothing else that is opened may come to stand in its place, for it would be
 * written to. Ends the program where that cannot be done.
 */
void output_begin(void);
/*
 * For the end of main, and of what only prints: flushes standard output. Where
 * its reader has gone, as head(1) does, the program dies of SIGPIPE, in
 * silence, although it ignores that signal for its sockets' sake. Otherwise
 * the exit code: result, or EXIT_CANTCREATE having said why.
 */
int output_end(int result);

#endif
