/*
 * Every verb of every side, as a request and as a reply to it: what is decoded
 * is encoded again, and decodes to the same values.
 */
#include "fuzz.h"

#include "wire/msg.h"

static void
check_value(enum type type, const struct value *a, const struct value *b)
{
	switch (type) {
	case TYPE_ID:
	case TYPE_ID0:
	case TYPE_PAYID:
	case TYPE_UUID:
		CHECK(id_eq(&a->id, &b->id));
		return;
	case TYPE_AMOUNT:
	case TYPE_SIGNED:
	case TYPE_TIME:
	case TYPE_SECONDS:
		CHECK(a->i64 == b->i64);
		return;
	case TYPE_CURRENCY:
	case TYPE_CURRENCY0:
	case TYPE_SEQ:
	case TYPE_COUNT:
	case TYPE_LIMIT:
	case TYPE_CODE:
	case TYPE_YESNO:
		CHECK(a->u64 == b->u64);
		return;
	case TYPE_ACCOUNT:
	case TYPE_ACCOUNT0:
		CHECK(account_eq(a->account, b->account));
		return;
	case TYPE_BRANCH:
		CHECK(branch_eq(&a->branch, &b->branch));
		return;
	case TYPE_CHECK:
		CHECK(memcmp(&a->check, &b->check, sizeof(a->check)) == 0);
		return;
	case TYPE_JPOS:
	case TYPE_JPOS0:
		CHECK(a->jpos.segment == b->jpos.segment);
		CHECK(a->jpos.offset == b->jpos.offset);
		return;
	case TYPE_NAME:
	case TYPE_LOCAL:
	case TYPE_LOCAL0:
	case TYPE_PEER:
	case TYPE_USER:
	case TYPE_BANK:
	case TYPE_NODE:
	case TYPE_MEMO:
	case TYPE_TEXT:
	case TYPE_TEXT0:
	case TYPE_SHORT:
	case TYPE_PASSWORD:
	case TYPE_TOKEN:
	case TYPE_WORD:
	case TYPE_WORDS:
	case TYPE_ACCOUNTS:
	case TYPE_PATTERNS:
	case TYPE_BANKS:
	case TYPE_BRANCHES:
	case TYPE_PROOFS:
		CHECK(str_eq(a->str, b->str));
		return;
	}
	CHECK_UNREACHABLE("a type");
}

static struct schema
schema_of(const struct msg *m)
{
	const struct verb_info *info = verb_info(m->verb);

	switch (m->word) {
	case MSG_REQUEST:
		return info->request;
	case MSG_OK:
		return info->ok;
	case MSG_ROW:
		return info->row;
	case MSG_ERR:
		return msg_error_schema;
	case MSG_EVENT:
		break;
	}
	return (struct schema){NULL, 0};
}

static void
check_same(const struct msg *a, const struct msg *b)
{
	struct schema schema = schema_of(a);

	CHECK(strcmp(a->tag, b->tag) == 0);
	CHECK(a->word == b->word && a->verb == b->verb && a->have == b->have);
	for (uint32_t i = 0; i < schema.count; i++) {
		enum key key = schema.fields[i].key;

		if ((a->have & MSG_BIT(key)) != 0)
			check_value(
			    schema.fields[i].type, &a->v[key], &b->v[key]);
		else
			CHECK(!schema.fields[i].required);
	}
}

/* A code of a later version is read, and never written. */
static bool
has_other_code(const struct msg *m)
{
	return (msg_has(m, code) &&
		   code_is_other((enum code)m->v[KEY_code].u64)) ||
	    (msg_has(m, reason) &&
		code_is_other((enum code)m->v[KEY_reason].u64));
}

static enum line_status
decode(struct msg *m, const struct line *line, enum side side, enum verb verb)
{
	struct msg_problem problem = {STR_NONE, ""};
	enum line_status status = line_is_reply(line)
	    ? msg_reply(m, line, verb, &problem)
	    : msg_request(m, line, side, &problem);

	if (status == LINE_UNKNOWN_VERB || status == LINE_BAD_FIELD)
		fuzz_message(problem.text);
	return status;
}

static void
check_decoded(
    const struct line *line, enum side side, enum verb verb, bool reply)
{
	static struct line again_line;
	static struct msg m, again;
	static char text[LINE_MAX_LEN], twice[LINE_MAX_LEN];
	size_t len;

	if (decode(&m, line, side, verb) != LINE_OK)
		return;
	if (has_other_code(&m)) {
		CHECK(reply);
		return;
	}
	len = msg_encode(&m, text);
	CHECK(len > 0 && len <= LINE_MAX_LEN && text[len - 1] == '\n');
	CHECK(line_split(&again_line, (struct str){text, (uint32_t)len - 1}) ==
	    LINE_OK);
	CHECK(decode(&again, &again_line, side, m.verb) == LINE_OK);
	check_same(&m, &again);
	CHECK(msg_encode(&again, twice) == len);
	CHECK(memcmp(text, twice, len) == 0);
}

/* The first line: a letter for the side, and the verb that is replied to. */
static enum verb
verb_of(struct str first, enum side *side)
{
	if (first.len == 0)
		return VERB_UNKNOWN;
	*side = (enum side)((uint8_t)first.at[0] % SIDE_COUNT);
	return verb_find(*side, (struct str){first.at + 1, first.len - 1});
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static struct line line;
	struct str text = fuzz_text(octets, len), first = text;
	const char *lf = len > 0 ? memchr(text.at, '\n', len) : NULL;
	enum side side = SIDE_CLIENT;
	enum verb verb;
	bool reply;

	if (lf == NULL)
		return 0;
	first.len = (uint32_t)(lf - text.at);
	text = (struct str){lf + 1, text.len - first.len - 1};
	verb = verb_of(first, &side);
	if (line_split(&line, text) != LINE_OK)
		return 0;
	reply = line_is_reply(&line);
	if (!reply || verb != VERB_UNKNOWN)
		check_decoded(&line, side, verb, reply);
	return 0;
}
