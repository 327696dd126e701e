/* lib/wire/reader: lines out of a stream, whatever pieces it comes in. */
#include "wire/reader.h"

#include <stdlib.h>

#include "tap.h"

static struct line line;

static void
test_lines(void)
{
	static const char text[] = "1 PING\n2 QUIT\n\nbad\n3 PI";
	struct line_reader reader = {0};
	size_t used = 0, len = sizeof(text) - 1;

	ok(line_next(&reader, &line, text, len, &used) == LINE_NEXT_LINE,
	    "a whole line");
	is_text(line.tag, "1", "the first");
	is_i64((int64_t)used, 7, "is consumed with its LF");
	ok(line_next(&reader, &line, text, len, &used) == LINE_NEXT_LINE &&
		str_is(line.word, "QUIT"),
	    "then the second");
	ok(line_next(&reader, &line, text, len, &used) == LINE_NEXT_BROKEN,
	    "an empty line is broken");
	is_text(line.tag, "0", "and has no tag");
	is_i64(reader.broken, 1, "it counts");
	ok(line_next(&reader, &line, text, len, &used) == LINE_NEXT_BROKEN,
	    "so is one without word");
	is_text(line.tag, "bad", "which has a tag");
	ok(line.problem != NULL, "and a problem");
	is_i64(reader.broken, 2, "it counts too");
	ok(line_next(&reader, &line, text, len, &used) == LINE_NEXT_NONE,
	    "part of a line is none yet");
	is_i64((int64_t)used, (int64_t)len - 4, "and is kept");
	ok(line_next(&reader, &line, text, used, &used) == LINE_NEXT_NONE,
	    "no octets are no line");
}

static void
test_unknown_verb(void)
{
	static const char text[] = "1 NO_SUCH a=b\n";
	struct line_reader reader = {0};
	size_t used = 0;

	ok(line_next(&reader, &line, text, sizeof(text) - 1, &used) ==
		LINE_NEXT_LINE,
	    "names of verbs and fields are no matter of the grammar");
	is_i64(reader.broken, 0, "and do not count");
}

/* A line of len octets, LF included, with a short one behind it. */
static char *
long_stream(size_t len, size_t *total)
{
	static const char after[] = "9 PING\n";
	char *text = malloc(len + sizeof(after));

	if (text == NULL)
		abort();
	memset(text, 'x', len);
	memcpy(text, "77 PING agent=", 14);
	text[len - 1] = '\n';
	memcpy(text + len, after, sizeof(after));
	*total = len + sizeof(after) - 1;
	return text;
}

static void
test_longest(void)
{
	struct line_reader reader = {0};
	size_t total, used = 0;
	char *text = long_stream(LINE_MAX_LEN, &total);

	ok(line_next(&reader, &line, text, total, &used) == LINE_NEXT_LINE,
	    "a line of 4096 octets with its LF is legal");
	ok(line_next(&reader, &line, text, total, &used) == LINE_NEXT_LINE,
	    "and so is the next");
	free(text);
	text = long_stream(LINE_MAX_LEN + 1, &total);
	used = 0;
	ok(line_next(&reader, &line, text, LINE_MAX_LEN - 1, &used) ==
		    LINE_NEXT_NONE &&
		used == 0,
	    "4095 octets without LF may still become one");
	ok(line_next(&reader, &line, text, total, &used) == LINE_NEXT_TOO_LONG,
	    "a line of 4097 octets is too long");
	is_text(line.tag, "77", "its tag is told");
	is_i64((int64_t)used, LINE_MAX_LEN, "4096 octets are consumed");
	is_i64(reader.broken, 1, "it counts");
	ok(line_next(&reader, &line, text, total, &used) == LINE_NEXT_LINE,
	    "the next line is read");
	is_text(line.tag, "9", "as if nothing had been");
	free(text);
}

static void
test_skipping(void)
{
	struct line_reader reader = {0};
	size_t total, used = 0, told = 0, lines = 0;
	char *text = long_stream(100000, &total);

	/* In pieces, as a socket with a buffer of 8192 would give them. */
	for (size_t from = 0; from < total; from = from + used) {
		size_t len = total - from < 8192 ? total - from : 8192;
		enum line_next next;

		used = 0;
		while ((next = line_next(&reader, &line, text + from, len,
			    &used)) != LINE_NEXT_NONE) {
			told += next == LINE_NEXT_TOO_LONG;
			lines += next == LINE_NEXT_LINE;
		}
		if (used == 0)
			break;
	}
	is_i64((int64_t)told, 1, "a line of 100,000 octets is told once");
	is_i64((int64_t)lines, 1, "and the one behind it is read");
	is_i64(reader.broken, 1, "it counts once");
	memset(text, 'x', total);
	used = 0;
	ok(line_next(&reader, &line, text, total, &used) ==
		    LINE_NEXT_TOO_LONG &&
		strcmp(line.tag, "0") == 0,
	    "where no tag can be read it is 0");
	free(text);
}

/* Any cut of a stream gives the same lines. */
static void
test_pieces(void)
{
	static const char text[] = "1 PING\nbroken\n2 PAY id=x memo=%20\n"
				   " \n3 QUIT\n";
	const size_t len = sizeof(text) - 1;
	unsigned wrong = 0;

	for (size_t cut = 0; cut <= len; cut++) {
		struct line_reader reader = {0};
		size_t used = 0, lines = 0;
		enum line_next next;

		while ((next = line_next(&reader, &line, text, cut, &used)) !=
		    LINE_NEXT_NONE)
			lines += next == LINE_NEXT_LINE;
		while ((next = line_next(&reader, &line, text, len, &used)) !=
		    LINE_NEXT_NONE)
			lines += next == LINE_NEXT_LINE;
		wrong += lines != 3 || reader.broken != 2 || used != len;
	}
	is_i64(wrong, 0, "wherever a stream is cut, its lines are the same");
}

static void
test_sixteen(void)
{
	struct line_reader reader = {0};
	char text[2 * BROKEN_LINES_MAX];
	size_t used = 0, answered = 0;

	memset(text, '\n', sizeof(text));
	while (reader.broken < BROKEN_LINES_MAX &&
	    line_next(&reader, &line, text, sizeof(text), &used) !=
		LINE_NEXT_NONE)
		answered++;
	is_i64((int64_t)answered, 16, "the 16th broken line is the last");
}

int
main(void)
{
	test_lines();
	test_unknown_verb();
	test_longest();
	test_skipping();
	test_pieces();
	test_sixteen();
	return tap_done();
}
