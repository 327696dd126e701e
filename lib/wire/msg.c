#include "wire/msg.h"

#include <bsd/string.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "wire/internal.h"

#define ERROR_TEXT_MAX 1024 /* TYPE_TEXT */

/* ---- Reading ---- */

/* Problem texts are cut where they do not fit: they are for people. */
__attribute__((format(printf, 3, 4))) static enum line_status
bad_field(
    struct msg_problem *problem, struct str field, const char *format, ...)
{
	va_list ap;

	problem->field = field;
	va_start(ap, format);
	if (vsnprintf(problem->text, sizeof(problem->text), format, ap) < 0)
		problem->text[0] = '\0';
	va_end(ap);
	return LINE_BAD_FIELD;
}

/* Says which fields there are. */
static enum line_status
unknown_field(
    struct msg_problem *problem, struct str field, const struct schema *schema)
{
	const size_t size = sizeof(problem->text);

	bad_field(problem, field, "no such field here; there is%s",
	    schema->count == 0 ? " none" : "");
	for (uint32_t i = 0; i < schema->count; i++) {
		strlcat(problem->text, " ", size);
		strlcat(problem->text, key_text(schema->fields[i].key), size);
	}
	return LINE_BAD_FIELD;
}

/*
 * The schema's field of this key, or NULL. Fields mostly come in the order of
 * the schema, so the next one is tried first.
 */
static inline const struct field *
find_field(const struct schema *schema, enum key key, uint32_t next)
{
	if (next < schema->count && schema->fields[next].key == key)
		return &schema->fields[next];
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->fields[i].key == key)
			return &schema->fields[i];
	return NULL;
}

static enum line_status
find_missing(const struct msg *msg, const struct schema *schema,
    struct msg_problem *problem)
{
	for (uint32_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if (field->required && (msg->have & MSG_BIT(field->key)) == 0)
			return bad_field(problem,
			    str_from(key_text(field->key)),
			    "%s is missing; it must be %s",
			    key_text(field->key), value_legal(field->type));
	}
	return LINE_OK;
}

/* The value of a field of this line, empty where there is none. */
static struct str
given_value(const struct line *line, enum key key)
{
	for (uint32_t i = 0; i < line->count; i++)
		if (line->fields[i].key == key)
			return line->fields[i].value;
	return STR_NONE;
}

/* A code that a later version has added. */
static bool
read_other_code(
    struct msg *msg, const struct line *line, const struct line_field *given)
{
	static const struct {
		enum retry retry;
		enum code code;
	} others[] = {
	    {RETRY_NEVER, CODE_OTHER_NEVER},
	    {RETRY_LOGIN, CODE_OTHER_LOGIN},
	    {RETRY_NEW_ID, CODE_OTHER_NEW_ID},
	    {RETRY_SAME_ID, CODE_OTHER_SAME_ID},
	};
	struct str retry = given_value(line, KEY_retry);

	if (given->value.len == 0 || given->value.len > WORD_MAX_LEN ||
	    !octets_are(given->value, OCTET_UPPER))
		return false;
	msg->v[given->key].u64 = CODE_OTHER_SAME_ID;
	if (given->key != KEY_code)
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (str_is(retry, retry_text(others[i].retry))) {
			msg->v[KEY_code].u64 = others[i].code;
			return true;
		}
	return false;
}

/*
 * Types the line's fields by schema. Of a reply (`lenient`) one not in it is
 * ignored, and a code may be one that this version does not know.
 */
static enum line_status
read_fields(struct msg *msg, const struct line *line,
    const struct schema *schema, bool lenient, struct msg_problem *problem)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < line->count; i++) {
		const struct line_field *given = &line->fields[i];
		const struct field *field =
		    find_field(schema, given->key, next);

		if (field == NULL) {
			if (lenient)
				continue;
			return unknown_field(problem, given->name, schema);
		}
		if ((msg->have & MSG_BIT(given->key)) != 0)
			return bad_field(problem, given->name,
			    "%s may be given once only", key_text(given->key));
		if (!value_read(
			&msg->v[given->key], field->type, given->value) &&
		    !(lenient && field->type == TYPE_CODE &&
			read_other_code(msg, line, given)))
			return bad_field(problem, given->name, "%s must be %s",
			    key_text(given->key), value_legal(field->type));
		msg->have |= MSG_BIT(given->key);
		next = (uint32_t)(field - schema->fields) + 1;
	}
	return find_missing(msg, schema, problem);
}

enum line_status
msg_request(struct msg *msg, const struct line *line, enum side side,
    struct msg_problem *problem)
{
	enum verb verb = verb_find(side, line->word);

	msg_init(msg, MSG_REQUEST, verb, line->tag);
	if (verb == VERB_UNKNOWN) {
		bad_field(problem, STR_NONE, "there is no verb %.*s here",
		    STR_ARG(line->word));
		return LINE_UNKNOWN_VERB;
	}
	return read_fields(
	    msg, line, &verb_info(verb)->request, false, problem);
}

static const struct {
	struct str text;
	enum msg_word word;
} reply_words[] = {
    {{"OK", 2}, MSG_OK},
    {{"ERR", 3}, MSG_ERR},
    {{"ROW", 3}, MSG_ROW},
    {{"EVENT", 5}, MSG_EVENT},
};
#define REPLY_WORDS (sizeof(reply_words) / sizeof(reply_words[0]))

bool
line_is_reply(const struct line *line)
{
	for (size_t i = 0; i < REPLY_WORDS; i++)
		if (str_eq(line->word, reply_words[i].text))
			return true;
	return false;
}

enum line_status
msg_reply(struct msg *msg, const struct line *line, enum verb verb,
    struct msg_problem *problem)
{
	for (size_t i = 0; i < REPLY_WORDS; i++) {
		enum msg_word word = reply_words[i].word;

		if (!str_eq(line->word, reply_words[i].text))
			continue;
		msg_init(msg, word, verb, line->tag);
		return read_fields(
		    msg, line, verb_schema(verb, word), true, problem);
	}
	msg_init(msg, MSG_REQUEST, VERB_UNKNOWN, line->tag);
	bad_field(problem, STR_NONE, "a reply is OK, ERR, ROW or EVENT");
	return LINE_SHAPE;
}

/* ---- Writing ---- */

void
msg_init(struct msg *msg, enum msg_word word, enum verb verb, const char *tag)
{
	CHECK(strlcpy(msg->tag, tag, sizeof(msg->tag)) < sizeof(msg->tag));
	msg->word = word;
	msg->verb = verb;
	msg->have = 0;
}

void
msg_set_str(struct msg *msg, enum key key, struct str value)
{
	msg->v[key].str = value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_i64(struct msg *msg, enum key key, int64_t value)
{
	msg->v[key].i64 = value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_u64(struct msg *msg, enum key key, uint64_t value)
{
	msg->v[key].u64 = value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_id(struct msg *msg, enum key key, const struct id *value)
{
	msg->v[key].id = *value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_account(struct msg *msg, enum key key, struct account value)
{
	msg->v[key].account = value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_branch(struct msg *msg, enum key key, struct branch value)
{
	msg->v[key].branch = value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_jpos(struct msg *msg, enum key key, struct jpos value)
{
	msg->v[key].jpos = value;
	msg->have |= MSG_BIT(key);
}

void
msg_set_check(struct msg *msg, enum key key, const struct check *value)
{
	msg->v[key].check = *value;
	msg->have |= MSG_BIT(key);
}

/* As much of text as TYPE_TEXT takes, never half a character. */
static struct str
cut_text(struct str text)
{
	if (text.len <= ERROR_TEXT_MAX)
		return text;
	text.len = ERROR_TEXT_MAX;
	while (text.len > 0 && (text.at[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

void
msg_error(struct msg *msg, enum verb verb, const char *tag, enum code code,
    const char *text)
{
	struct str said = text != NULL ? cut_text(str_from(text)) : STR_NONE;

	CHECK(code > CODE_NONE && code < CODE_COUNT);
	/* An answer must go out, even where its text is not fit to. */
	if (said.len == 0 || !text_valid(said))
		said = str_from(code_words(code));
	msg_init(msg, MSG_ERR, verb, tag);
	msg_set_u64(msg, KEY_code, code);
	msg_set_str(msg, KEY_retry, str_from(retry_text(code_retry(code))));
	msg_set_str(msg, KEY_text, said);
}

/* ---- Encoding ---- */

static inline char *
append(char *at, const char *end, struct str text)
{
	if ((size_t)(end - at) < text.len)
		return NULL;
	memcpy(at, text.at, text.len);
	return at + text.len;
}

/* The word that msg's line carries; empty where there is none. */
static struct str
msg_word_text(const struct msg *msg)
{
	if (msg->word == MSG_REQUEST)
		return verb_word(msg->verb);
	for (size_t i = 0; i < REPLY_WORDS; i++)
		if (reply_words[i].word == msg->word)
			return reply_words[i].text;
	return STR_NONE;
}

static bool
tag_legal(const struct msg *msg, struct str tag)
{
	if (msg->word == MSG_EVENT && str_eq(tag, STR("*")))
		return true;
	return tag.len >= 1 && tag.len <= TAG_MAX_LEN &&
	    octets_are(tag, OCTET_TAG);
}

/* Tag, space and word. */
static char *
encode_head(const struct msg *msg, char *at, const char *end)
{
	struct str tag = {
	    msg->tag, (uint32_t)strnlen(msg->tag, sizeof(msg->tag))};
	struct str word = msg_word_text(msg);

	if (word.len == 0 || !tag_legal(msg, tag) ||
	    (at = append(at, end, tag)) == NULL ||
	    (at = append(at, end, STR(" "))) == NULL)
		return NULL;
	return append(at, end, word);
}

size_t
msg_encode_bare(const struct msg *msg, char *into, size_t size)
{
	const struct schema *schema = verb_schema(msg->verb, msg->word);
	unsigned __int128 left = msg->have;
	const char *end;
	char *at;

	if (size > LINE_MAX_LEN - 1)
		size = LINE_MAX_LEN - 1;
	end = into + size;
	at = encode_head(msg, into, end);
	if (at == NULL)
		return 0;
	for (uint32_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if ((left & MSG_BIT(field->key)) == 0) {
			if (field->required)
				return 0;
			continue;
		}
		left &= ~MSG_BIT(field->key);
		at = append(at, end, key_lead(field->key));
		if (at == NULL)
			return 0;
		at = value_write(at, end, field->type, &msg->v[field->key]);
		if (at == NULL)
			return 0;
	}
	return left == 0 ? (size_t)(at - into) : 0;
}

bool
msg_read_out(void *msg_reader, const struct msg *msg)
{
	const struct msg_reader *reader = msg_reader;
	char text[LINE_MAX_LEN];
	size_t len = msg_encode_bare(msg, text, sizeof(text) - 1);

	CHECK(len > 0);
	text[len] = '\0';
	reader->take(reader->ctx, text);
	return true;
}

size_t
msg_encode(const struct msg *msg, char into[LINE_MAX_LEN])
{
	size_t len = msg_encode_bare(msg, into, LINE_MAX_LEN - 1);

	if (len == 0)
		return 0;
	into[len] = '\n';
	return len + 1;
}
