/*
 * Takes whole lines out of a stream of octets: finds LF, skips a line that is
 * too long, counts lines that break the grammar (PROTOCOL.md section 2: the
 * 16th ends the connection).
 */
#ifndef STRIFE_WIRE_READER_H
#define STRIFE_WIRE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

#define BROKEN_LINES_MAX 16

struct line_reader {     /* zero is a valid start */
	bool skipping;   /* inside a line that was too long */
	uint32_t broken; /* lines so far that broke the grammar */
};

enum line_next {
	LINE_NEXT_NONE,   /* no whole line yet: keep the octets from *used on */
	LINE_NEXT_LINE,   /* *line is split: LINE_OK */
	LINE_NEXT_BROKEN, /* grammar broken: line->tag, line->problem */
	LINE_NEXT_TOO_LONG, /* answered LINE_TOO_LONG; the rest is skipped */
};

/*
 * Looks at octets[*used..len) and advances *used past what it consumed. The
 * caller checks reader->broken against BROKEN_LINES_MAX after answering.
 * A too long line is told once, when LINE_MAX_LEN octets came without LF; its
 * tag is what could be read of it, else "0".
 */
enum line_next line_next(struct line_reader *, struct line *,
    const char *octets, size_t len, size_t *used);

#endif
