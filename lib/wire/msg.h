/*
 * One line of the grammar (PROTOCOL.md section 2, strife-protocol(7)), as typed
 * fields: requests, replies and journal records alike. Text is checked and
 * typed here, once; nothing behind this module sees raw text.
 */
#ifndef STRIFE_WIRE_MSG_H
#define STRIFE_WIRE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "wire/account.h"
#include "wire/id.h"

#define LINE_MAX_LEN 4096 /* octets, LF included */
#define TAG_MAX_LEN 16
#define WORD_MAX_LEN 24
#define KEY_MAX_LEN 24
#define MEMO_MAX_LEN 140 /* octets, decoded */
#define PASSWORD_MAX_LEN 256
#define TOKEN_MAX_LEN 3072
#define NODE_MAX_LEN 64
#define PROTO_VERSION 1

enum key {
#define KEY(name) KEY_##name,
#include "wire/keys.def"
#undef KEY
	KEY_COUNT
};

enum retry { RETRY_NEVER, RETRY_LOGIN, RETRY_NEW_ID, RETRY_SAME_ID };

/* CODE_NONE: no error. Also the reasons of aborted and held payments. */
enum code {
	CODE_NONE,
#define ERROR(code, retry, words) CODE_##code,
#include "wire/errors.def"
#undef ERROR
	CODE_COUNT,
	/*
	 * In replies that were read, a code of a later version: what its retry=
	 * says is all that is known of it. Never written.
	 */
	CODE_OTHER_NEVER = CODE_COUNT,
	CODE_OTHER_LOGIN,
	CODE_OTHER_NEW_ID,
	CODE_OTHER_SAME_ID,
};
static inline bool
code_is_other(enum code code)
{
	return code >= CODE_OTHER_NEVER;
}

const char *code_text(enum code);  /* "INSUFFICIENT_FUNDS"; "OTHER" */
const char *code_words(enum code); /* for people */
bool code_parse(enum code *, struct str);
enum retry code_retry(enum code);
const char *retry_text(enum retry); /* "new-id" */
/* Final reasons: the same id never succeeds. */
static inline bool
code_final(enum code code)
{
	return code_retry(code) == RETRY_NEW_ID;
}

/*
 * What an ABORT says for good: those, and HEURISTIC, after which neither this
 * id nor another one is right before people have looked at it.
 */
static inline bool
code_ends(enum code code)
{
	return code_final(code) || code == CODE_HEURISTIC;
}

const char *key_text(enum key);

/* NODE.EPOCH.COUNTER: one transfer inside one bank, never used twice. */
struct branch {
	struct str node;
	uint64_t epoch, counter;
};
bool branch_parse(struct branch *, struct str text);
#define BRANCH_TEXT_MAX (NODE_MAX_LEN + 2 + 20 + 20)
/* Writes text and a NUL, returns its length. */
size_t branch_text(const struct branch *, char into[BRANCH_TEXT_MAX + 1]);
bool branch_eq(const struct branch *, const struct branch *);
/* Of the same node: is a older than b? By epoch, then counter. */
bool branch_older(const struct branch *a, const struct branch *b);

/* Where a record lies: SEGMENT:OFFSET on the wire, seq 0 when only that. */
struct jpos {
	uint64_t seq;
	uint32_t segment, offset;
};
#define JPOS_NONE ((struct jpos){0, 0, 0})
static inline bool
jpos_none(struct jpos p)
{
	return p.segment == 0; /* segments count from 1 */
}

/* A record's check: the first 16 octets of the chained SHA-256. */
struct check {
	uint8_t octets[16];
};

/*
 * Types of values; which member of struct value holds each, and what text is
 * legal, is said beside it. Lists are checked element by element and kept as
 * one text.
 */
enum type {
	TYPE_ID,        /* id */
	TYPE_ID0,       /* as ID, or empty (all octets 0) */
	TYPE_PAYID,     /* as ID, but for the nil UUID: of what is paid */
	TYPE_AMOUNT,    /* i64: 1..10^15 */
	TYPE_SIGNED,    /* i64: -10^18..10^18: balances, HISTORY's amounts */
	TYPE_CURRENCY,  /* u64: wire/money.h; ISO 4217 */
	TYPE_CURRENCY0, /* as CURRENCY, or empty (0) */
	TYPE_ACCOUNT,   /* account: NAME@BANK */
	TYPE_ACCOUNT0,  /* as ACCOUNT, or empty */
	TYPE_NAME,      /* str: an account name within a bank, a user */
	TYPE_LOCAL,     /* str: NAME, or a system account (":...") */
	TYPE_LOCAL0,    /* as LOCAL, or empty */
	TYPE_PEER,      /* str: NAME@BANK, LOCAL or empty */
	TYPE_USER,      /* str: NAME or NAME@BANK */
	TYPE_BANK,      /* str */
	TYPE_NODE,      /* str */
	TYPE_BRANCH,    /* branch */
	TYPE_MEMO,      /* str: 0..140 octets */
	TYPE_TEXT,      /* str: 1..1024 octets */
	TYPE_TEXT0,     /* str: 0..1024 octets */
	TYPE_SHORT,     /* str: 1..128 octets */
	TYPE_PASSWORD,  /* str: 1..256 octets; never logged */
	TYPE_TOKEN,     /* str: 1 octet at least; never logged. One beyond
			 * TOKEN_MAX_LEN is TOKEN_INVALID, not BAD_REQUEST */
	TYPE_SEQ,       /* u64: 1..2^63-1 */
	TYPE_COUNT,     /* u64: 0..2^63-1 */
	TYPE_LIMIT,     /* u64: 1..500 */
	TYPE_TIME,      /* i64: microseconds since 1970 */
	TYPE_SECONDS,   /* i64 ns: decimal seconds, up to 9 decimals, > 0 */
	TYPE_CHECK,     /* check: 32 lower-case hex digits */
	TYPE_UUID,      /* id: a journal's UUID */
	TYPE_JPOS,      /* jpos: SEGMENT:OFFSET */
	TYPE_JPOS0,     /* as JPOS, or empty (JPOS_NONE) */
	TYPE_CODE,      /* u64: enum code */
	TYPE_WORD,      /* str: 1..24 of a-z A-Z 0-9 _ - */
	TYPE_WORDS,     /* str: list of WORD, may be empty */
	TYPE_ACCOUNTS,  /* str: list of NAME@BANK or of NAME, may be empty */
	TYPE_PATTERNS,  /* str: list of (NAME | PREFIX* | *)@BANK; may be empty
			 */
	TYPE_YESNO,     /* u64: 1 yes, 0 no */
	TYPE_BANKS,     /* str: list of BANK */
	TYPE_BRANCHES,  /* str: list of BANK:BRANCH */
	TYPE_PROOFS,    /* str: list of BANK:SEQ:CHECK, may be empty */
};

struct value {
	union {
		struct id id;
		int64_t i64;
		uint64_t u64;
		struct account account;
		struct str str;
		struct branch branch;
		struct jpos jpos;
		struct check check;
	};
};

/* Who speaks to whom: each side has verbs of its own (verbs.def). */
enum side {
	SIDE_CLIENT,  /* client to gateway */
	SIDE_UP,      /* bank to gateway */
	SIDE_DOWN,    /* gateway to bank, over the bank's connection */
	SIDE_CONTROL, /* strife-ctl to gatewayd */
	SIDE_TELLER,  /* strife-teller to bankd */
	SIDE_AUTH,    /* a daemon to its strife-authd */
	SIDE_GATEWAY_JOURNAL,
	SIDE_BANK_JOURNAL,
	SIDE_SPOOL,    /* a client's payments that wait for a gateway */
	SIDE_SNAPSHOT, /* snapshots and indexes beside a journal */
	SIDE_COUNT
};

/* What a client verb needs: a session, and the right of that name. */
enum role { ROLE_NONE, ROLE_ANY, ROLE_BALANCE, ROLE_PAY, ROLE_HISTORY };

enum verb {
	VERB_UNKNOWN,
#define VERB(side, verb, role, request, ok, row) VERB_##side##_##verb,
#define RECORD(side, verb, fields) VERB_##side##_##verb,
#include "wire/verbs.def"
#undef VERB
#undef RECORD
	VERB_COUNT
};

struct field {
	enum key key;
	enum type type;
	bool required;
};

struct schema {
	const struct field *fields;
	uint32_t count;
};

struct verb_info {
	const char *word;
	enum side side;
	enum role role;
	struct schema request, ok, row;
};

const struct verb_info *verb_info(enum verb);
enum verb verb_find(enum side, struct str word); /* VERB_UNKNOWN if none */
/* Fields that any ERR may carry: code retry text, field, id state seq ... */
extern const struct schema msg_error_schema;

enum msg_word {
	MSG_REQUEST, /* a verb: verb tells which */
	MSG_OK,
	MSG_ERR,
	MSG_ROW,
	MSG_EVENT,
};

struct msg {
	char tag[TAG_MAX_LEN + 1]; /* a record: its seq in decimal */
	enum msg_word word;
	enum verb verb;            /* a reply: the verb that it answers */
	unsigned __int128 have;    /* bit per key */
	struct value v[KEY_COUNT]; /* undefined where not had */
};
_Static_assert(KEY_COUNT <= 128, "struct msg.have is too narrow");

#define MSG_BIT(key) ((unsigned __int128)1 << (key))
#define msg_has(m, name) (((m)->have & MSG_BIT(KEY_##name)) != 0)

/* ---- Reading ---- */

enum line_status {
	LINE_OK,
	LINE_SHAPE,        /* grammar broken: counts towards the 16 */
	LINE_LONG,         /* no LF within LINE_MAX_LEN: counts too */
	LINE_UNKNOWN_VERB, /* a request whose verb this side does not have */
	LINE_BAD_FIELD,    /* unknown, repeated, missing, or out of range */
};

/*
 * A line split by the grammar alone; text is decoded in place in `scratch`.
 */
struct line_field {
	enum key key; /* KEY_COUNT: not a key we know */
	struct str name;
	struct str value; /* decoded */
};
/* As many as fit: behind a tag and a word of one octet each, " k=" is one. */
#define LINE_FIELDS_MAX ((LINE_MAX_LEN - 1 - 3) / 3)
struct line {
	char tag[TAG_MAX_LEN + 1]; /* "0" where none could be read */
	struct str word;
	uint32_t count;
	struct line_field fields[LINE_FIELDS_MAX];
	char scratch[LINE_MAX_LEN];
	const char *problem; /* on LINE_SHAPE: what is wrong, for text= */
};

/*
 * Splits text (one line without its LF) and decodes values. LINE_OK or
 * LINE_SHAPE. A shape error is any of: no tag, no word, two spaces, CR, a field
 * without "=", bad escape, octets outside the printable ones, not UTF-8 or a
 * control character after decoding.
 */
enum line_status line_split(struct line *, struct str text);

/* What was wrong, for an ERR reply: field "" where none is to blame. */
struct msg_problem {
	struct str field; /* points into the line, or a constant */
	char text[160];
};

/*
 * Types a request: looks its word up on `side` and reads the verb's request
 * fields. LINE_OK, LINE_UNKNOWN_VERB or LINE_BAD_FIELD. msg borrows from line.
 */
enum line_status
msg_request(struct msg *, const struct line *, enum side, struct msg_problem *);
/*
 * Types a reply to `verb` by its ok, row or error schema; fields not in it are
 * ignored, bad values are LINE_BAD_FIELD. The word must be OK, ERR, ROW or
 * EVENT, else LINE_SHAPE. A code that this version does not know is read as one
 * of CODE_OTHER_*: an ERR's by its retry=, any reason= as SAME_ID, since asking
 * again under the same id is always safe.
 */
enum line_status
msg_reply(struct msg *, const struct line *, enum verb, struct msg_problem *);
bool line_is_reply(const struct line *);

/* ---- Writing ---- */

void msg_init(struct msg *, enum msg_word, enum verb, const char *tag);
void msg_set_str(struct msg *, enum key, struct str);
void msg_set_i64(struct msg *, enum key, int64_t);
void msg_set_u64(struct msg *, enum key, uint64_t);
void msg_set_id(struct msg *, enum key, const struct id *);
void msg_set_account(struct msg *, enum key, struct account);
void msg_set_branch(struct msg *, enum key, struct branch);
void msg_set_jpos(struct msg *, enum key, struct jpos);
void msg_set_check(struct msg *, enum key, const struct check *);
/* An ERR reply: code, retry, text (NULL: the code's own words). */
void msg_error(
    struct msg *, enum verb, const char *tag, enum code, const char *text);

/*
 * Encodes with LF into `into`, shortest escapes, fields in the order of the
 * schema that fits word and verb. Returns the length, or 0 where a set key is
 * not in the schema, a required one is missing, a value is not legal for its
 * type, or it does not fit in LINE_MAX_LEN: CHECK that it is not 0 unless text
 * came from a peer.
 */
size_t msg_encode(const struct msg *, char into[LINE_MAX_LEN]);
/* As msg_encode, without LF and at most `size` octets: for journal records. */
size_t msg_encode_bare(const struct msg *, char *into, size_t size);

/* Somebody who takes messages as texts, without LF. */
struct msg_reader {
	void (*take)(void *ctx, const char *text);
	void *ctx;
};
/* A snapshot_line whose ctx is a struct msg_reader; always true. */
bool msg_read_out(void *msg_reader, const struct msg *);

/* ---- Escapes, for writers of single values ---- */
/* Encoded length, or 0 with *bad where the value is not legal UTF-8 text or
 * does not fit. */
size_t value_escape(char *into, size_t size, struct str value, bool *bad);
bool text_valid(struct str value); /* UTF-8, no control characters */

#endif
