#include "base/hex.h"
#include "wire/internal.h"
#include "wire/money.h"
#include "wire/time.h"

#define TEXT_MAX_LEN 1024
#define SHORT_MAX_LEN 128
#define NS_DECIMALS 9

/* ---- Text ---- */

/*
 * The length of the UTF-8 sequence that starts here (RFC 3629: none overlong,
 * no surrogate, nothing beyond U+10FFFF), or 0 for anything else and for
 * control characters.
 */
static size_t
utf8_len(const unsigned char *at, size_t left)
{
	unsigned char first = at[0];
	unsigned char low = 0x80, high = 0xbf; /* of the second octet */
	size_t len;

	if (first < 0x80)
		return first >= 0x20 && first != 0x7f ? 1 : 0;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (first == 0xc2 || first == 0xe0)
		low = 0xa0; /* U+0080..9F are controls; E0 80..9F overlong */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90; /* overlong */
	else if (first == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
text_valid(struct str value)
{
	const unsigned char *at = (const unsigned char *)value.at;

	for (size_t i = 0, len; i < value.len; i += len) {
		len = utf8_len(at + i, value.len - i);
		if (len == 0)
			return false;
	}
	return true;
}

/* Escapes into at..end; the new end, or NULL: not legal, or no room. */
static char *
escape(char *at, const char *end, struct str value)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *from = (const unsigned char *)value.at;
	size_t i = 0;

	while (i < value.len) {
		size_t len;

		if (octet_is(value.at[i], OCTET_PLAIN)) {
			if (at == end)
				return NULL;
			*at++ = value.at[i++];
			continue;
		}
		len = utf8_len(from + i, value.len - i);
		if (len == 0 || (size_t)(end - at) < 3 * len)
			return NULL;
		for (; len > 0; len--, i++) {
			*at++ = '%';
			*at++ = digits[from[i] >> 4];
			*at++ = digits[from[i] & 15];
		}
	}
	return at;
}

size_t
value_escape(char *into, size_t size, struct str value, bool *bad)
{
	char *end = escape(into, into + size, value);

	*bad = end == NULL;
	return end == NULL ? 0 : (size_t)(end - into);
}

/* ---- What plain text a type allows ---- */

static bool
local_valid(struct str text)
{
	return name_valid(text) || system_name_valid(text);
}

static bool
account_valid(struct str text)
{
	struct account account;

	return account_parse(&account, text);
}

static bool
user_valid(struct str text)
{
	return name_valid(text) || account_valid(text);
}

static bool
peer_valid(struct str text)
{
	return user_valid(text) || system_name_valid(text);
}

/* A node's name is what a name is. */
_Static_assert(NODE_MAX_LEN == NAME_MAX_LEN, "nodes need a check of their own");

static bool
word_valid(struct str text)
{
	return text.len >= 1 && text.len <= WORD_MAX_LEN &&
	    octets_are(text, OCTET_WORD);
}

/* (NAME | PREFIX* | *)@BANK */
static bool
pattern_valid(struct str text)
{
	const char *sign = text.len > 0 ? memchr(text.at, '@', text.len) : NULL;
	struct str name, bank;

	if (sign == NULL)
		return false;
	name = (struct str){text.at, (uint32_t)(sign - text.at)};
	bank = (struct str){sign + 1, text.len - name.len - 1};
	if (str_eq(name, STR("*")))
		return bank_valid(bank);
	if (name.len > 1 && name.at[name.len - 1] == '*')
		name.len--;
	return name_valid(name) && bank_valid(bank);
}

/* Takes what stands before the first colon off *text; all if there is none. */
static struct str
before_colon(struct str *text)
{
	const char *colon =
	    text->len > 0 ? memchr(text->at, ':', text->len) : NULL;
	struct str head = *text;

	if (colon == NULL) {
		*text = STR_NONE;
		return head;
	}
	head.len = (uint32_t)(colon - text->at);
	text->at = colon + 1;
	text->len -= head.len + 1;
	return head;
}

static bool
bank_branch_valid(struct str text)
{
	struct branch branch;

	return bank_valid(before_colon(&text)) && branch_parse(&branch, text);
}

static bool
proof_valid(struct str text)
{
	struct check check;
	uint64_t seq;

	return bank_valid(before_colon(&text)) &&
	    number_read(&seq, before_colon(&text)) && seq >= 1 &&
	    seq <= INT64_MAX &&
	    hex_read(check.octets, sizeof(check.octets), text);
}

static bool
list_valid(struct str text, bool (*element)(struct str))
{
	while (text.len > 0) {
		const char *comma = memchr(text.at, ',', text.len);
		struct str head = text;

		if (comma == NULL)
			return element(text);
		head.len = (uint32_t)(comma - text.at);
		if (!element(head))
			return false;
		text.at = comma + 1;
		text.len -= head.len + 1;
	}
	return false;
}

static bool
words_valid(struct str text)
{
	return list_valid(text, word_valid);
}

static bool
accounts_valid(struct str text)
{
	return list_valid(text, account_valid) || list_valid(text, name_valid);
}

static bool
patterns_valid(struct str text)
{
	return list_valid(text, pattern_valid);
}

static bool
banks_valid(struct str text)
{
	return list_valid(text, bank_valid);
}

static bool
branches_valid(struct str text)
{
	return list_valid(text, bank_branch_valid);
}

static bool
proofs_valid(struct str text)
{
	return list_valid(text, proof_valid);
}

/* ---- Types ---- */

enum form {
	FORM_NUMBER, /* i64 or u64 */
	FORM_PLAIN,  /* str, of octets that need no escape: `plain` checks it */
	FORM_TEXT,   /* str, escaped; min and max of its length */
	FORM_ID,
	FORM_PAYID,
	FORM_CURRENCY,
	FORM_ACCOUNT,
	FORM_BRANCH,
	FORM_TIME,
	FORM_SECONDS,
	FORM_CHECK,
	FORM_JPOS,
	FORM_CODE,
	FORM_YESNO,
};

/* Each type's form; `empty` where no text at all is legal too. */
static const struct {
	enum form form;
	bool empty;
	int64_t min, max;
	bool (*plain)(struct str);
	const char *legal;
} types[] = {
#define NUMBER(min, max, legal) \
	{ \
		FORM_NUMBER, false, min, max, NULL, legal \
	}
#define PLAIN(plain, legal) \
	{ \
		FORM_PLAIN, false, 0, 0, plain, legal \
	}
#define PLAIN0(plain, legal) \
	{ \
		FORM_PLAIN, true, 0, 0, plain, legal \
	}
#define TEXT(min, max, legal) \
	{ \
		FORM_TEXT, false, min, max, NULL, legal \
	}
#define OTHER(form, legal) \
	{ \
		form, false, 0, 0, NULL, legal \
	}
#define OTHER0(form, legal) \
	{ \
		form, true, 0, 0, NULL, legal \
	}
    [TYPE_ID] = OTHER(FORM_ID, "a UUID in lower case"),
    [TYPE_ID0] = OTHER0(FORM_ID, "a UUID in lower case, or empty"),
    [TYPE_PAYID] = OTHER(FORM_PAYID, "a UUID in lower case, not the nil one"),
    [TYPE_AMOUNT] = NUMBER(
	1, MONEY_AMOUNT_MAX, "a number of minor units, 1 to 1000000000000000"),
    [TYPE_SIGNED] = NUMBER(-MONEY_BALANCE_MAX, MONEY_BALANCE_MAX,
	"a number, -1000000000000000000 to 1000000000000000000"),
    [TYPE_CURRENCY] = OTHER(FORM_CURRENCY, "a currency code of ISO 4217"),
    [TYPE_CURRENCY0] =
	OTHER0(FORM_CURRENCY, "a currency code of ISO 4217, or empty"),
    [TYPE_ACCOUNT] = OTHER(FORM_ACCOUNT, "an account, NAME@BANK"),
    [TYPE_ACCOUNT0] = OTHER0(FORM_ACCOUNT, "an account, NAME@BANK, or empty"),
    [TYPE_NAME] = PLAIN(name_valid, "a name: 1 to 64 of A-Z a-z 0-9 . _ -"),
    [TYPE_LOCAL] =
	PLAIN(local_valid, "an account within the bank, without @BANK"),
    [TYPE_LOCAL0] = PLAIN0(
	local_valid, "an account within the bank, without @BANK, or empty"),
    [TYPE_PEER] =
	PLAIN0(peer_valid, "an account, with or without @BANK, or empty"),
    [TYPE_USER] = PLAIN(user_valid, "a user, NAME or NAME@BANK"),
    [TYPE_BANK] = PLAIN(
	bank_valid, "a bank: 1 to 32 of A-Z a-z 0-9 -, starting with a letter"),
    [TYPE_NODE] = PLAIN(name_valid, "a node: 1 to 64 of A-Z a-z 0-9 . _ -"),
    [TYPE_BRANCH] = OTHER(FORM_BRANCH, "a branch, NODE.EPOCH.COUNTER"),
    [TYPE_MEMO] = TEXT(0, MEMO_MAX_LEN, "at most 140 octets"),
    [TYPE_TEXT] = TEXT(1, TEXT_MAX_LEN, "1 to 1024 octets"),
    [TYPE_TEXT0] = TEXT(0, TEXT_MAX_LEN, "at most 1024 octets"),
    [TYPE_SHORT] = TEXT(1, SHORT_MAX_LEN, "1 to 128 octets"),
    [TYPE_PASSWORD] = TEXT(1, PASSWORD_MAX_LEN, "1 to 256 octets"),
    [TYPE_TOKEN] = TEXT(1, LINE_MAX_LEN, "a token"),
    [TYPE_SEQ] = NUMBER(1, INT64_MAX, "a number, 1 to 9223372036854775807"),
    [TYPE_COUNT] = NUMBER(0, INT64_MAX, "a number, 0 to 9223372036854775807"),
    [TYPE_LIMIT] = NUMBER(1, 500, "a number, 1 to 500"),
    [TYPE_TIME] = OTHER(FORM_TIME, "a time like 2026-01-31T12:00:00.000000Z"),
    [TYPE_SECONDS] = OTHER(FORM_SECONDS,
	"seconds more than 0, with 9 decimals at most, like 0.25"),
    [TYPE_CHECK] = OTHER(FORM_CHECK, "32 lower-case hex digits"),
    [TYPE_UUID] = OTHER(FORM_ID, "a UUID in lower case"),
    [TYPE_JPOS] = OTHER(FORM_JPOS, "a position, SEGMENT:OFFSET"),
    [TYPE_JPOS0] = OTHER0(FORM_JPOS, "a position, SEGMENT:OFFSET, or empty"),
    [TYPE_CODE] = OTHER(FORM_CODE, "an error code of this protocol"),
    [TYPE_WORD] = PLAIN(word_valid, "a word: 1 to 24 of A-Z a-z 0-9 _ -"),
    [TYPE_WORDS] = PLAIN0(words_valid, "words with commas between, or empty"),
    [TYPE_ACCOUNTS] = PLAIN0(accounts_valid,
	"accounts with commas between, all with @BANK or none, or empty"),
    [TYPE_PATTERNS] = PLAIN0(patterns_valid,
	"NAME@BANK, PREFIX*@BANK or *@BANK with commas between, or empty"),
    [TYPE_YESNO] = OTHER(FORM_YESNO, "yes or no"),
    [TYPE_BANKS] = PLAIN(banks_valid, "banks with commas between"),
    [TYPE_BRANCHES] = PLAIN(branches_valid, "BANK:BRANCH with commas between"),
    [TYPE_PROOFS] =
	PLAIN0(proofs_valid, "BANK:SEQ:CHECK with commas between, or empty"),
#undef NUMBER
#undef PLAIN
#undef PLAIN0
#undef TEXT
#undef OTHER
#undef OTHER0
};

const char *
value_legal(enum type type)
{
	return types[type].legal;
}

/* ---- Branches ---- */

/* Takes what stands after the last dot off *text; false if there is none. */
static bool
number_after_dot(struct str *text, uint64_t *number)
{
	const char *dot =
	    text->len > 0 ? memrchr(text->at, '.', text->len) : NULL;
	struct str tail;

	if (dot == NULL)
		return false;
	tail =
	    (struct str){dot + 1, text->len - (uint32_t)(dot - text->at) - 1};
	text->len = (uint32_t)(dot - text->at);
	return number_read(number, tail);
}

bool
branch_parse(struct branch *branch, struct str text)
{
	struct branch parsed;

	if (text.len > BRANCH_TEXT_MAX ||
	    !number_after_dot(&text, &parsed.counter) ||
	    !number_after_dot(&text, &parsed.epoch) || !name_valid(text))
		return false;
	parsed.node = text;
	*branch = parsed;
	return true;
}

static char *
literal_write(char *at, const char *end, struct str text)
{
	if ((size_t)(end - at) < text.len)
		return NULL;
	if (text.len > 0)
		memcpy(at, text.at, text.len);
	return at + text.len;
}

static char *
branch_write(char *at, const char *end, const struct branch *branch)
{
	if (!name_valid(branch->node) ||
	    (at = literal_write(at, end, branch->node)) == NULL ||
	    (at = literal_write(at, end, STR("."))) == NULL ||
	    (at = number_write(at, end, branch->epoch)) == NULL ||
	    (at = literal_write(at, end, STR("."))) == NULL)
		return NULL;
	return number_write(at, end, branch->counter);
}

size_t
branch_text(const struct branch *branch, char into[BRANCH_TEXT_MAX + 1])
{
	char *end = branch_write(into, into + BRANCH_TEXT_MAX, branch);

	if (end == NULL)
		end = into;
	*end = '\0';
	return (size_t)(end - into);
}

bool
branch_eq(const struct branch *a, const struct branch *b)
{
	return a->counter == b->counter && a->epoch == b->epoch &&
	    str_eq(a->node, b->node);
}

bool
branch_older(const struct branch *a, const struct branch *b)
{
	return a->epoch < b->epoch ||
	    (a->epoch == b->epoch && a->counter < b->counter);
}

/* ---- Reading ---- */

static bool
read_signed(int64_t *number, int64_t min, int64_t max, struct str text)
{
	bool negative = min < 0 && text.len > 0 && text.at[0] == '-';
	uint64_t magnitude;
	int64_t read;

	if (negative)
		text = (struct str){text.at + 1, text.len - 1};
	if (!number_read(&magnitude, text) || magnitude > INT64_MAX)
		return false;
	if (negative && magnitude == 0)
		return false;
	read = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (read < min || read > max)
		return false;
	*number = read;
	return true;
}

static bool
read_seconds(int64_t *ns, struct str text)
{
	const char *point =
	    text.len > 0 ? memchr(text.at, '.', text.len) : NULL;
	struct str whole = text, decimals = STR_NONE;
	uint64_t seconds;
	int64_t fraction = 0;

	if (point != NULL) {
		whole.len = (uint32_t)(point - text.at);
		decimals = (struct str){point + 1, text.len - whole.len - 1};
		if (decimals.len == 0 || decimals.len > NS_DECIMALS)
			return false;
	}
	for (uint32_t i = 0; i < NS_DECIMALS; i++) {
		char digit = i < decimals.len ? decimals.at[i] : '0';

		if (digit < '0' || digit > '9')
			return false;
		fraction = fraction * 10 + (digit - '0');
	}
	/* One less than would do leaves room for any fraction. */
	if (!number_read(&seconds, whole) || seconds >= INT64_MAX / 1000000000)
		return false;
	*ns = (int64_t)seconds * 1000000000 + fraction;
	return *ns > 0;
}

static bool
read_jpos(struct jpos *pos, struct str text)
{
	uint64_t segment, offset;

	if (!number_read(&segment, before_colon(&text)) || segment == 0 ||
	    segment > UINT32_MAX || !number_read(&offset, text) ||
	    offset > UINT32_MAX)
		return false;
	*pos = (struct jpos){0, (uint32_t)segment, (uint32_t)offset};
	return true;
}

static bool
read_yesno(uint64_t *yes, struct str text)
{
	*yes = str_eq(text, STR("yes"));
	return *yes || str_eq(text, STR("no"));
}

static bool
read_code(uint64_t *number, struct str text)
{
	enum code code;

	if (!code_parse(&code, text))
		return false;
	*number = code;
	return true;
}

static bool
read_currency(uint64_t *number, struct str text)
{
	uint32_t currency;

	if (!currency_parse(&currency, text))
		return false;
	*number = currency;
	return true;
}

/* The empty value of the forms that have one. */
static bool
read_empty(struct value *value, enum form form)
{
	memset(value, 0, sizeof(*value));
	if (form == FORM_PLAIN)
		value->str = STR_NONE;
	if (form == FORM_ACCOUNT)
		value->account = (struct account){STR_NONE, STR_NONE};
	return true;
}

bool
value_read(struct value *value, enum type type, struct str text)
{
	if (text.len == 0 && types[type].empty)
		return read_empty(value, types[type].form);
	switch (types[type].form) {
	case FORM_NUMBER:
		return read_signed(
		    &value->i64, types[type].min, types[type].max, text);
	case FORM_PLAIN:
		value->str = text;
		return types[type].plain(text);
	case FORM_TEXT:
		value->str = text;
		return text.len >= types[type].min &&
		    text.len <= types[type].max;
	case FORM_ID:
		return id_parse(&value->id, text);
	case FORM_PAYID:
		return id_parse(&value->id, text) && !id_is_nil(&value->id);
	case FORM_CURRENCY:
		return read_currency(&value->u64, text);
	case FORM_ACCOUNT:
		return account_parse(&value->account, text);
	case FORM_BRANCH:
		return branch_parse(&value->branch, text);
	case FORM_TIME:
		return time_parse(&value->i64, text);
	case FORM_SECONDS:
		return read_seconds(&value->i64, text);
	case FORM_CHECK:
		return hex_read(
		    value->check.octets, sizeof(value->check.octets), text);
	case FORM_JPOS:
		return read_jpos(&value->jpos, text);
	case FORM_CODE:
		return read_code(&value->u64, text);
	case FORM_YESNO:
		return read_yesno(&value->u64, text);
	}
	return false;
}

/* ---- Writing ---- */

static char *
write_number(char *at, const char *end, enum type type, int64_t number)
{
	uint64_t magnitude = (uint64_t)number;

	if (number < types[type].min || number > types[type].max)
		return NULL;
	if (number < 0) {
		if (at == end)
			return NULL;
		*at++ = '-';
		magnitude = 0 - magnitude;
	}
	return number_write(at, end, magnitude);
}

static char *
write_id(char *at, const char *end, enum type type, const struct id *id)
{
	static const struct id none;
	char text[ID_TEXT_LEN + 1];

	if (types[type].empty && id_eq(id, &none))
		return at;
	id_text(id, text);
	return literal_write(at, end, (struct str){text, ID_TEXT_LEN});
}

static char *
write_currency(char *at, const char *end, enum type type, uint64_t number)
{
	char text[4];
	uint32_t known;

	if (number == 0 && types[type].empty)
		return at;
	if (number > UINT32_MAX)
		return NULL;
	currency_text((uint32_t)number, text);
	if (!currency_parse(&known, (struct str){text, 3}) || known != number)
		return NULL;
	return literal_write(at, end, (struct str){text, 3});
}

static char *
write_account(char *at, const char *end, enum type type, struct account account)
{
	if (types[type].empty && account.name.len == 0 && account.bank.len == 0)
		return at;
	if (!name_valid(account.name) || !bank_valid(account.bank) ||
	    (at = literal_write(at, end, account.name)) == NULL ||
	    (at = literal_write(at, end, STR("@"))) == NULL)
		return NULL;
	return literal_write(at, end, account.bank);
}

static char *
write_time(char *at, const char *end, int64_t us)
{
	char text[TIME_TEXT_LEN + 1];

	if (us < 0 || us > TIME_MAX_US)
		return NULL;
	time_text(us, text);
	return literal_write(at, end, (struct str){text, TIME_TEXT_LEN});
}

static char *
write_seconds(char *at, const char *end, int64_t ns)
{
	char text[1 + NS_DECIMALS] = ".";
	uint32_t len = sizeof(text);
	int64_t fraction = ns % 1000000000;

	if (ns <= 0)
		return NULL;
	at = number_write(at, end, (uint64_t)(ns / 1000000000));
	if (at == NULL || fraction == 0)
		return at;
	for (uint32_t i = NS_DECIMALS; i > 0; i--) {
		text[i] = (char)('0' + fraction % 10);
		fraction /= 10;
	}
	while (text[len - 1] == '0')
		len--;
	return literal_write(at, end, (struct str){text, len});
}

static char *
write_check(char *at, const char *end, const struct check *check)
{
	const size_t len = 2 * sizeof(check->octets);

	if ((size_t)(end - at) < len)
		return NULL;
	hex_write(at, check->octets, sizeof(check->octets));
	return at + len;
}

static char *
write_jpos(char *at, const char *end, enum type type, struct jpos pos)
{
	if (jpos_none(pos))
		return types[type].empty ? at : NULL;
	if ((at = number_write(at, end, pos.segment)) == NULL ||
	    (at = literal_write(at, end, STR(":"))) == NULL)
		return NULL;
	return number_write(at, end, pos.offset);
}

static char *
write_text(char *at, const char *end, enum type type, struct str text)
{
	if (text.len < types[type].min || text.len > types[type].max)
		return NULL;
	return escape(at, end, text);
}

static char *
write_plain(char *at, const char *end, enum type type, struct str text)
{
	if (text.len == 0 ? !types[type].empty : !types[type].plain(text))
		return NULL;
	return literal_write(at, end, text);
}

static char *
write_code(char *at, const char *end, uint64_t code)
{
	if (code == CODE_NONE || code >= CODE_COUNT)
		return NULL;
	return literal_write(at, end, str_from(code_text((enum code)code)));
}

char *
value_write(
    char *at, const char *end, enum type type, const struct value *value)
{
	switch (types[type].form) {
	case FORM_NUMBER:
		return write_number(at, end, type, value->i64);
	case FORM_PLAIN:
		return write_plain(at, end, type, value->str);
	case FORM_TEXT:
		return write_text(at, end, type, value->str);
	case FORM_ID:
		return write_id(at, end, type, &value->id);
	case FORM_PAYID:
		return id_is_nil(&value->id)
		    ? NULL
		    : write_id(at, end, type, &value->id);
	case FORM_CURRENCY:
		return write_currency(at, end, type, value->u64);
	case FORM_ACCOUNT:
		return write_account(at, end, type, value->account);
	case FORM_BRANCH:
		return branch_write(at, end, &value->branch);
	case FORM_TIME:
		return write_time(at, end, value->i64);
	case FORM_SECONDS:
		return write_seconds(at, end, value->i64);
	case FORM_CHECK:
		return write_check(at, end, &value->check);
	case FORM_JPOS:
		return write_jpos(at, end, type, value->jpos);
	case FORM_CODE:
		return write_code(at, end, value->u64);
	case FORM_YESNO:
		if (value->u64 > 1)
			return NULL;
		return literal_write(
		    at, end, value->u64 == 1 ? STR("yes") : STR("no"));
	}
	return NULL;
}
