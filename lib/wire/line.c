#include "base/check.h"
#include "wire/internal.h"

#define NO_TAG "0"

static enum line_status
broken(struct line *line, const char *problem)
{
	line->problem = problem;
	return LINE_SHAPE;
}

/* The length of the tag that stands here, up to a space or the end; or 0. */
static uint32_t
tag_len(struct str text)
{
	uint32_t len = 0;

	while (len < text.len && octet_is(text.at[len], OCTET_TAG))
		len++;
	if (len == 0 && text.len > 0 && text.at[0] == '*')
		len = 1;
	if (len > TAG_MAX_LEN || (len < text.len && text.at[len] != ' '))
		return 0;
	return len;
}

static void
set_tag(struct line *line, struct str tag)
{
	memcpy(line->tag, tag.at, tag.len);
	line->tag[tag.len] = '\0';
}

void
line_read_tag(struct line *line, struct str text)
{
	struct str tag = {text.at, tag_len(text)};

	set_tag(line, STR(NO_TAG));
	if (tag.len > 0 && tag.at[0] != '*')
		set_tag(line, tag);
}

static inline unsigned
hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/*
 * Decodes the value that starts at *at, in place: text with an octet behind it
 * that no value may hold. *at ends up behind the value.
 */
static const char *
decode_value(char **at, struct str *value)
{
	char *from = *at, *into = *at;
	bool escaped = false;

	for (;;) {
		while (octet_is(*from, OCTET_PLAIN))
			*into++ = *from++;
		if (*from != '%')
			break;
		if (!octet_is(from[1], OCTET_HEX) ||
		    !octet_is(from[2], OCTET_HEX))
			return "an escape is % and two of 0-9 A-F";
		*into++ = (char)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
		from += 3;
		escaped = true;
	}
	*value = (struct str){*at, (uint32_t)(into - *at)};
	*at = from;
	/* Only escapes bring in anything but printable ASCII. */
	if (escaped && !text_valid(*value))
		return "a value is UTF-8 without control characters";
	return NULL;
}

/* One field, from its key on. *at ends up behind it. */
static const char *
split_field(struct line_field *field, char **at)
{
	char *start = *at, *from = *at;
	const char *problem;

	while (octet_is(*from, OCTET_KEY))
		from++;
	field->name = (struct str){start, (uint32_t)(from - start)};
	if (*from != '=' || field->name.len == 0 ||
	    field->name.len > KEY_MAX_LEN)
		return "a field is a key of 1 to 24 of a-z 0-9 _, "
		       "\"=\" and a value, with one space before it";
	*at = from + 1;
	/* Most values hold no escape: those need not be moved. */
	for (from = *at; octet_is(*from, OCTET_PLAIN);)
		from++;
	if (*from == '%') {
		problem = decode_value(at, &field->value);
		if (problem != NULL)
			return problem;
	} else {
		field->value = (struct str){*at, (uint32_t)(from - *at)};
		*at = from;
	}
	field->key = key_find(field->name);
	return NULL;
}

static const char *
split_fields(struct line *line, char *at, const char *end)
{
	while (at < end) {
		const char *problem;

		if (*at != ' ')
			return "an octet that may not stand here";
		CHECK(line->count < LINE_FIELDS_MAX);
		at++;
		problem = split_field(&line->fields[line->count], &at);
		if (problem != NULL)
			return problem;
		line->count++;
	}
	return NULL;
}

enum line_status
line_split(struct line *line, struct str text)
{
	uint32_t len = tag_len(text);
	char *at = line->scratch, *start;
	const char *problem;

	line->word = STR_NONE;
	line->count = 0;
	line->problem = NULL;
	line_read_tag(line, text);
	if (text.len >= LINE_MAX_LEN)
		return broken(line, "a line is at most 4096 octets");
	if (len == 0 || len == text.len)
		return broken(line,
		    "a line starts with a tag, 1 to 16 letters "
		    "and digits, and one space");
	memcpy(at, text.at, text.len);
	/* No word, key or value holds LF, so nothing reads beyond it. */
	at[text.len] = '\n';
	start = at += len + 1;
	while (octet_is(*at, OCTET_UPPER))
		at++;
	if (at == start || at > start + WORD_MAX_LEN)
		return broken(line,
		    "after the tag and one space comes a word "
		    "of 1 to 24 of A-Z _");
	line->word = (struct str){start, (uint32_t)(at - start)};
	if (text.at[0] == '*') {
		if (!str_eq(line->word, STR("EVENT")))
			return broken(line, "only an event has the tag *");
		set_tag(line, STR("*"));
	}
	problem = split_fields(line, at, line->scratch + text.len);
	if (problem != NULL)
		return broken(line, problem);
	return LINE_OK;
}
