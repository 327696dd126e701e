#include "wire/reader.h"

#include "wire/internal.h"

/* Skips to behind the next LF; false where there is none yet. */
static bool
skip_rest(
    struct line_reader *reader, const char *octets, size_t len, size_t *used)
{
	const char *end = memchr(octets + *used, '\n', len - *used);

	if (end == NULL) {
		*used = len;
		return false;
	}
	*used = (size_t)(end - octets) + 1;
	reader->skipping = false;
	return true;
}

static enum line_next
too_long(struct line_reader *reader, struct line *line, struct str start)
{
	line->word = STR_NONE;
	line->count = 0;
	line->problem = "a line is at most 4096 octets";
	line_read_tag(line, start);
	reader->skipping = true;
	reader->broken++;
	return LINE_NEXT_TOO_LONG;
}

enum line_next
line_next(struct line_reader *reader, struct line *line, const char *octets,
    size_t len, size_t *used)
{
	const char *start, *end;
	size_t look;

	if (*used == len)
		return LINE_NEXT_NONE;
	if (reader->skipping && !skip_rest(reader, octets, len, used))
		return LINE_NEXT_NONE;
	if (*used == len)
		return LINE_NEXT_NONE;
	start = octets + *used;
	look = len - *used < LINE_MAX_LEN ? len - *used : LINE_MAX_LEN;
	end = memchr(start, '\n', look);
	if (end == NULL) {
		if (look < LINE_MAX_LEN)
			return LINE_NEXT_NONE;
		*used += look;
		return too_long(
		    reader, line, (struct str){start, LINE_MAX_LEN});
	}
	*used += (size_t)(end - start) + 1;
	if (line_split(line, (struct str){start, (uint32_t)(end - start)}) ==
	    LINE_OK)
		return LINE_NEXT_LINE;
	reader->broken++;
	return LINE_NEXT_BROKEN;
}
