/*
 * Lines by the grammar alone. However a stream is cut into reads, the same
 * lines come out; a line that was taken, printed and taken again is the same.
 */
#include "fuzz.h"

#include "wire/msg.h"
#include "wire/reader.h"

/* tag SP word *( SP key = value ), values in their shortest form. */
static size_t
print(const struct line *line, char into[LINE_MAX_LEN])
{
	size_t len = (size_t)snprintf(
	    into, LINE_MAX_LEN, "%s %.*s", line->tag, STR_ARG(line->word));

	for (uint32_t i = 0; i < line->count; i++) {
		const struct line_field *f = &line->fields[i];
		bool bad = false;

		len += (size_t)snprintf(
		    into + len, LINE_MAX_LEN - len, " %.*s=", STR_ARG(f->name));
		CHECK(len < LINE_MAX_LEN);
		if (f->value.len == 0)
			continue;
		len += value_escape(
		    into + len, LINE_MAX_LEN - len, f->value, &bad);
		CHECK(!bad && len < LINE_MAX_LEN);
	}
	return len;
}

static void
check_same(const struct line *a, const struct line *b)
{
	CHECK(strcmp(a->tag, b->tag) == 0);
	CHECK(str_eq(a->word, b->word));
	CHECK(a->count == b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		CHECK(a->fields[i].key == b->fields[i].key);
		CHECK(str_eq(a->fields[i].name, b->fields[i].name));
		CHECK(str_eq(a->fields[i].value, b->fields[i].value));
		CHECK(text_valid(a->fields[i].value));
	}
}

static void
check_line(const struct line *line)
{
	static struct line again;
	static char text[LINE_MAX_LEN], twice[LINE_MAX_LEN];
	size_t len = print(line, text);

	CHECK(line_split(&again, (struct str){text, (uint32_t)len}) == LINE_OK);
	check_same(line, &again);
	CHECK(print(&again, twice) == len && memcmp(text, twice, len) == 0);
}

/* What came out of a stream so far, as a number. */
static uint64_t
note(uint64_t sum, enum line_next next, const struct line *line)
{
	static char text[LINE_MAX_LEN];
	size_t len = strlen(line->tag);

	memcpy(text, line->tag, len);
	if (next == LINE_NEXT_LINE)
		len = print(line, text);
	sum = (sum ^ (uint64_t)next) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static uint64_t
read_in(const char *octets, size_t len, size_t piece)
{
	static struct line line;
	struct line_reader reader = {0};
	enum line_next next;
	size_t used = 0, there = piece;
	uint64_t sum = 0;

	for (;; there += piece) {
		if (there > len)
			there = len;
		while ((next = line_next(&reader, &line, octets, there,
			    &used)) != LINE_NEXT_NONE) {
			CHECK(used <= there);
			sum = note(sum, next, &line);
			if (next == LINE_NEXT_LINE)
				check_line(&line);
			else
				CHECK(reader.broken > 0);
		}
		CHECK(used <= there);
		if (there == len)
			return sum ^ reader.broken;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct fuzz_input in = {octets, len};
	size_t piece = 1 + (size_t)fuzz_octet(&in) * fuzz_octet(&in);
	const char *text = (const char *)in.at;

	if (in.len == 0)
		return 0;
	CHECK(read_in(text, in.len, in.len) == read_in(text, in.len, piece));
	return 0;
}
