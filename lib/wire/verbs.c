/*
 * The tables that verbs.def, keys.def and errors.def stand for, and looking
 * names up in them. This is the one place where verbs.def's lists expand.
 */
#include "wire/internal.h"

/* ---- Keys ---- */

static const struct {
	const char *name, *lead;
	uint32_t len; /* of name */
} keys[KEY_COUNT] = {
#define KEY(name) {#name, " " #name "=", sizeof(#name) - 1},
#include "wire/keys.def"
#undef KEY
};

const char *
key_text(enum key key)
{
	return keys[key].name;
}

struct str
key_lead(enum key key)
{
	return (struct str){keys[key].lead, keys[key].len + 2};
}

/* ---- Codes ---- */

static const struct {
	struct str name;
	enum retry retry;
	const char *words;
} codes[] = {[CODE_NONE] = {{"", 0}, RETRY_NEVER, ""},
#define ERROR(code, retry, words) \
	[CODE_##code] = {{#code, sizeof(#code) - 1}, RETRY_##retry, words},
#include "wire/errors.def"
#undef ERROR
#define OTHER(retry) \
	[CODE_OTHER_##retry] = {{"OTHER", 5}, RETRY_##retry, \
	    "refused, for a reason that this version does not know"},
    OTHER(NEVER) OTHER(LOGIN) OTHER(NEW_ID) OTHER(SAME_ID)
#undef OTHER
};

const char *
code_text(enum code code)
{
	return codes[code].name.at;
}

const char *
code_words(enum code code)
{
	return codes[code].words;
}

enum retry
code_retry(enum code code)
{
	return codes[code].retry;
}

const char *
retry_text(enum retry retry)
{
	switch (retry) {
	case RETRY_NEVER:
		return "never";
	case RETRY_LOGIN:
		return "login";
	case RETRY_NEW_ID:
		return "new-id";
	case RETRY_SAME_ID:
		return "same-id";
	}
	return "never";
}

/* ---- Schemas ---- */

#define F(key, type) {KEY_##key, TYPE_##type, true},
#define O(key, type) {KEY_##key, TYPE_##type, false},
/* Closes each list, so that none is an array of nothing; it is not counted. */
#define CLOSE \
	{ \
		KEY_COUNT, TYPE_ID, false \
	}
#define REQ(...) \
	{ \
		__VA_ARGS__ CLOSE \
	}
#define OK(...) \
	{ \
		__VA_ARGS__ CLOSE \
	}
#define ROW(...) \
	{ \
		__VA_ARGS__ CLOSE \
	}

#define VERB(side, verb, role, request, ok, row) \
	static const struct field side##_##verb##_request[] = request; \
	static const struct field side##_##verb##_ok[] = ok; \
	static const struct field side##_##verb##_row[] = row;
#define RECORD(side, verb, fields) \
	static const struct field side##_##verb##_request[] = fields;
#include "wire/verbs.def"
#undef VERB
#undef RECORD

#define SCHEMA(list) \
	{ \
		list, sizeof(list) / sizeof((list)[0]) - 1 \
	}
#define NO_SCHEMA \
	{ \
		NULL, 0 \
	}

static const struct verb_info infos[VERB_COUNT] = {
    [VERB_UNKNOWN] = {"", SIDE_COUNT, ROLE_NONE, NO_SCHEMA, NO_SCHEMA,
	NO_SCHEMA},
#define VERB(side, verb, role, request, ok, row) \
	[VERB_##side##_##verb] = {#verb, SIDE_##side, ROLE_##role, \
	    SCHEMA(side##_##verb##_request), SCHEMA(side##_##verb##_ok), \
	    SCHEMA(side##_##verb##_row)},
#define RECORD(side, verb, fields) \
	[VERB_##side##_##verb] = {#verb, SIDE_##side, ROLE_NONE, \
	    SCHEMA(side##_##verb##_request), NO_SCHEMA, NO_SCHEMA},
#include "wire/verbs.def"
#undef VERB
#undef RECORD
};

static const uint8_t word_lens[VERB_COUNT] = {
#define VERB(side, verb, role, request, ok, row) \
	[VERB_##side##_##verb] = sizeof(#verb) - 1,
#define RECORD(side, verb, fields) [VERB_##side##_##verb] = sizeof(#verb) - 1,
#include "wire/verbs.def"
#undef VERB
#undef RECORD
};

static const struct field error_fields[] = {F(code, CODE) F(retry, WORD)
	F(text, TEXT) O(field, WORD) O(id, ID) O(branch, BRANCH) O(state, WORD)
	    O(reason, CODE) O(seq, SEQ) O(time, TIME) O(bank, BANK)
		O(after, COUNT) O(outcome, WORD) O(attempts, COUNT)
		    O(proven_seq, SEQ) O(proven_check, CHECK) CLOSE};
const struct schema msg_error_schema = SCHEMA(error_fields);

const struct verb_info *
verb_info(enum verb verb)
{
	return &infos[verb];
}

struct str
verb_word(enum verb verb)
{
	return (struct str){infos[verb].word, word_lens[verb]};
}

const struct schema *
verb_schema(enum verb verb, enum msg_word word)
{
	static const struct schema none;
	const struct schema *schema = &none;

	switch (word) {
	case MSG_REQUEST:
		schema = &infos[verb].request;
		break;
	case MSG_OK:
		schema = &infos[verb].ok;
		break;
	case MSG_ROW:
		schema = &infos[verb].row;
		break;
	case MSG_ERR:
		schema = &msg_error_schema;
		break;
	case MSG_EVENT:
		break;
	}
	return schema;
}

/* ---- Looking names up ---- */

/*
 * One open-addressed table for all names, filled before main() from the tables
 * above and never changed after: nothing to lock, nothing to keep in step. A
 * slot holds a number plus one: of a key, of a code, or of a verb, each kind
 * from its own start on.
 */
#define SLOTS 1024u
#define KEY_START 0u
#define CODE_START ((unsigned)KEY_COUNT)
#define VERB_START (CODE_START + (unsigned)CODE_COUNT)
_Static_assert((VERB_START + VERB_COUNT) * 2 < SLOTS, "too few slots");

static uint16_t slots[SLOTS];

/* Salts keep kinds, and sides, apart. */
#define KEY_SALT 0u
#define CODE_SALT 1u
#define VERB_SALT(side) (2u + (unsigned)(side))

static inline uint32_t
first_slot(uint32_t salt, struct str name)
{
	const unsigned char *at = (const unsigned char *)name.at;
	uint32_t mixed = at[0] | (uint32_t)at[name.len / 2] << 8 |
	    (uint32_t)at[name.len - 1] << 16 | name.len << 24;

	return ((mixed + salt * 0x51ed27u) * 0x9e3779b1u) >> 22;
}
_Static_assert(SLOTS == 1u << (32 - 22), "first_slot makes ten bits");

static void
add_name(uint32_t salt, struct str name, unsigned number)
{
	uint32_t slot = first_slot(salt, name);

	while (slots[slot] != 0)
		slot = (slot + 1) % SLOTS;
	slots[slot] = (uint16_t)(number + 1);
}

__attribute__((constructor)) static void
add_names(void)
{
	for (unsigned i = 0; i < KEY_COUNT; i++)
		add_name(KEY_SALT, (struct str){keys[i].name, keys[i].len},
		    KEY_START + i);
	for (unsigned i = CODE_NONE + 1; i < CODE_COUNT; i++)
		add_name(CODE_SALT, codes[i].name, CODE_START + i);
	for (unsigned i = VERB_UNKNOWN + 1; i < VERB_COUNT; i++)
		add_name(VERB_SALT(infos[i].side), verb_word((enum verb)i),
		    VERB_START + i);
}

enum key
key_find(struct str name)
{
	uint32_t slot;

	if (name.len == 0)
		return KEY_COUNT;
	slot = first_slot(KEY_SALT, name);
	for (; slots[slot] != 0; slot = (slot + 1) % SLOTS) {
		unsigned key = slots[slot] - 1u - KEY_START;

		if (key < KEY_COUNT && keys[key].len == name.len &&
		    memcmp(keys[key].name, name.at, name.len) == 0)
			return (enum key)key;
	}
	return KEY_COUNT;
}

bool
code_parse(enum code *code, struct str name)
{
	uint32_t slot;

	if (name.len == 0)
		return false;
	slot = first_slot(CODE_SALT, name);
	for (; slots[slot] != 0; slot = (slot + 1) % SLOTS) {
		unsigned number = slots[slot] - 1u - CODE_START;

		if (number < CODE_COUNT && str_eq(codes[number].name, name)) {
			*code = (enum code)number;
			return true;
		}
	}
	return false;
}

enum verb
verb_find(enum side side, struct str word)
{
	uint32_t slot;

	if (word.len == 0)
		return VERB_UNKNOWN;
	slot = first_slot(VERB_SALT(side), word);
	for (; slots[slot] != 0; slot = (slot + 1) % SLOTS) {
		unsigned verb = slots[slot] - 1u - VERB_START;

		if (verb < VERB_COUNT && infos[verb].side == side &&
		    str_eq(verb_word((enum verb)verb), word))
			return (enum verb)verb;
	}
	return VERB_UNKNOWN;
}
