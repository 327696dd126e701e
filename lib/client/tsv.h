/*
 * A file of tab-separated rows: read whole, taken line by line, and every row
 * that is wrong told as FILE:LINE:COLUMN on standard error, the first
 * TSV_TOLD_MAX of them. Fields point into the text, which has no NUL.
 */
#ifndef STRIFE_CLIENT_TSV_H
#define STRIFE_CLIENT_TSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "base/str.h"

#define TSV_FILE_MAX ((size_t)1 << 30)
#define TSV_ROWS_MAX 1000000u
#define TSV_TOLD_MAX 20

struct tsv {
	const char *name; /* of the file, for messages; borrowed */
	char *text;       /* owned */
	size_t len;
	/* The line that was taken last: its number from 1, and its start. */
	uint32_t line;
	const char *line_at;
	uint32_t wrong; /* rows */
};

/* All that fd gives: 0, or -1 with errno (EFBIG beyond TSV_FILE_MAX). */
int tsv_read(struct tsv *, int fd);
void tsv_free(struct tsv *);

/* From the first line on, with nothing told. */
void tsv_begin(struct tsv *);
/*
 * The next line that is not empty, without LF or CR LF; false at the end. One
 * longer than any legal row (LINE_MAX_LEN) is told and passed over.
 */
bool tsv_next(struct tsv *, struct str *line);
/* Fields of a line: how many, or max + 1 where there are more than max. */
uint32_t tsv_split(struct str line, struct str *fields, uint32_t max);

/* Tells what is wrong, at a place of the line taken last; returns false. */
bool tsv_wrong(struct tsv *, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* EXIT_OK where nothing was wrong; else says that nothing was sent. */
int tsv_end(const struct tsv *);

/* A value to be shown in a message, whatever is in it; cut where it is long. */
#define TSV_SHOWN_MAX 40 /* octets of the value */
#define TSV_SHOWN_SIZE (4 * TSV_SHOWN_MAX + 1)
const char *tsv_shown(struct str value, char into[TSV_SHOWN_SIZE]);

#endif
