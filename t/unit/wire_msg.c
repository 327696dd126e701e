/*
 * lib/wire/msg and verbs: typed requests, replies and records; every schema
 * there and back with the smallest and the largest values; hostile lines.
 */
#include "tap.h"
#include "wire/internal.h"
#include "wire/money.h"
#include "wire/time.h"

#define ID1 "2ed6657d-e927-568b-95e1-2665a8aea6a2"
#define PAY1 \
	"1 PAY id=" ID1 " from=alice@BankA to=bob@BankB amount=12550 " \
	"currency=CZK"
/* What a journal adds to a record: " check=" and 32 digits. */
#define CHECK_LEN (7 + 32)

static struct line line;
static struct msg msg, back;
static struct msg_problem problem;
static char out[LINE_MAX_LEN], again[LINE_MAX_LEN];

static enum line_status
request(enum side side, struct str text)
{
	memset(&problem, 0, sizeof(problem));
	/* Nothing may be read that was not written for this line. */
	memset(&line, 'A', sizeof(line));
	memset(&msg, 'A', sizeof(msg));
	if (line_split(&line, text) != LINE_OK)
		return LINE_SHAPE;
	return msg_request(&msg, &line, side, &problem);
}

static enum line_status
reply(enum verb verb, const char *text)
{
	memset(&problem, 0, sizeof(problem));
	/* Nothing may be read that was not written for this line. */
	memset(&line, 'A', sizeof(line));
	memset(&msg, 'A', sizeof(msg));
	if (line_split(&line, str_from(text)) != LINE_OK)
		return LINE_SHAPE;
	return msg_reply(&msg, &line, verb, &problem);
}

/* ---- Tables ---- */

static void
test_names(void)
{
	unsigned wrong = 0;

	for (unsigned k = 0; k < KEY_COUNT; k++) {
		struct str name = str_from(key_text((enum key)k));

		wrong += key_find(name) != k || name.len > KEY_MAX_LEN ||
		    !octets_are(name, OCTET_KEY);
	}
	is_i64(wrong, 0, "every key is legal and found by its name");
	ok(key_find(STR("")) == KEY_COUNT, "no name is no key");
	ok(key_find(STR("amounts")) == KEY_COUNT, "a longer one is none");
	ok(key_find(STR("amoun")) == KEY_COUNT, "a shorter one is none");
	ok(key_find(STR("Amount")) == KEY_COUNT, "case matters");
	for (unsigned v = VERB_UNKNOWN + 1; v < VERB_COUNT; v++) {
		const struct verb_info *info = verb_info((enum verb)v);
		struct str word = str_from(info->word);

		wrong += word.len == 0 || word.len > WORD_MAX_LEN ||
		    !octets_are(word, OCTET_UPPER) || str_is(word, "OK") ||
		    str_is(word, "ERR") || str_is(word, "ROW") ||
		    str_is(word, "EVENT");
		for (unsigned s = 0; s < SIDE_COUNT; s++)
			wrong += (verb_find((enum side)s, word) == v) !=
			    (info->side == s);
	}
	is_i64(wrong, 0, "every verb is legal and found on its side only");
	ok(verb_find(SIDE_CLIENT, STR("PREPARE")) == VERB_UNKNOWN,
	    "a bank's verb is none of a client's");
	ok(verb_find(SIDE_CLIENT, STR("OK")) == VERB_UNKNOWN, "OK is no verb");
	ok(verb_find(SIDE_CLIENT, STR("")) == VERB_UNKNOWN, "nor is nothing");
	ok(verb_info(VERB_CLIENT_PAY)->role == ROLE_PAY, "roles are told");
	is_text(verb_info(VERB_UNKNOWN)->word, "", "no verb has no word");
}

static void
test_codes(void)
{
	static const struct {
		enum retry retry;
		const char *text, *codes;
	} groups[] = {
	    {RETRY_NEVER, "never",
		"BAD_REQUEST UNKNOWN_VERB LINE_TOO_LONG UNSUPPORTED_PROTO "
		"FORBIDDEN NOT_FOUND NO_SUCH_BANK ID_REUSED ALREADY_EXISTS "
		"FENCED HEURISTIC"},
	    {RETRY_LOGIN, "login",
		"UNAUTHENTICATED TOKEN_INVALID TOKEN_EXPIRED TOKEN_REVOKED "
		"BAD_CREDENTIALS LOCKED_OUT"},
	    {RETRY_NEW_ID, "new-id",
		"INSUFFICIENT_FUNDS NO_SUCH_ACCOUNT ACCOUNT_CLOSED "
		"ACCOUNT_FROZEN CURRENCY_MISMATCH SAME_ACCOUNT "
		"LIMIT_EXCEEDED HOLD_EXPIRED CANCELLED"},
	    {RETRY_SAME_ID, "same-id",
		"BANK_UNAVAILABLE BANK_TIMEOUT GATEWAY_RESTART IN_PROGRESS "
		"OVERLOADED DRAINING READ_ONLY INTERNAL"},
	};
	unsigned count = 0;
	enum code code;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		char codes[512], *rest = codes, *word;

		is_text(retry_text(groups[i].retry), groups[i].text, "retry");
		snprintf(codes, sizeof(codes), "%s", groups[i].codes);
		while ((word = strsep(&rest, " ")) != NULL) {
			ok(code_parse(&code, str_from(word)) &&
				strcmp(code_text(code), word) == 0 &&
				code_retry(code) == groups[i].retry &&
				code_final(code) ==
				    (groups[i].retry == RETRY_NEW_ID),
			    "%s: %s", word, groups[i].text);
			count++;
		}
	}
	is_i64(count, CODE_COUNT - 1, "those are all codes");
	ok(!code_parse(&code, STR("")) && !code_parse(&code, STR("OK")),
	    "nothing else is a code");
}

/* ---- Requests ---- */

static void
test_request(void)
{
	ok(request(SIDE_CLIENT, STR(PAY1 " memo=rent%20for%20May hold=no")) ==
		LINE_OK,
	    "a whole PAY");
	ok(msg.word == MSG_REQUEST && msg.verb == VERB_CLIENT_PAY,
	    "is that request");
	is_text(msg.tag, "1", "with its tag");
	ok(str_is(msg.v[KEY_from].account.name, "alice") &&
		str_is(msg.v[KEY_from].account.bank, "BankA"),
	    "an account is typed");
	is_i64(msg.v[KEY_amount].i64, 12550, "so is an amount");
	ok(msg.v[KEY_currency].u64 == CURRENCY('C', 'Z', 'K'), "a currency");
	ok(str_is(msg.v[KEY_memo].str, "rent for May"), "a memo");
	ok(msg_has(&msg, hold) && msg.v[KEY_hold].u64 == 0, "and yes or no");
	ok(request(SIDE_CLIENT, STR(PAY1)) == LINE_OK && !msg_has(&msg, memo) &&
		!msg_has(&msg, hold),
	    "fields that may be left out may");
	ok(request(SIDE_CLIENT, STR(PAY1 " memo=")) == LINE_OK &&
		msg_has(&msg, memo) && msg.v[KEY_memo].str.len == 0,
	    "an empty memo is one");
	ok(request(SIDE_CLIENT,
	       STR("1 PAY currency=CZK amount=1 to=b@B from=a@A id=" ID1)) ==
		LINE_OK,
	    "fields come in any order");
	ok(request(SIDE_CLIENT,
	       STR("1 PAY amount=%31 id=" ID1
		   " from=a%40A to=b@B currency=%43ZK")) == LINE_OK &&
		msg.v[KEY_amount].i64 == 1,
	    "what needs no escape may be escaped");
}

static void
bad(enum side side, const char *text, const char *field, const char *what)
{
	char got[KEY_MAX_LEN + 2];

	ok(request(side, str_from(text)) == LINE_BAD_FIELD, "refused: %s",
	    what);
	if (!str_copy(got, sizeof(got), problem.field))
		got[0] = '\0';
	is_text(got, field, "the field to blame is named");
	ok(problem.text[0] != '\0' && text_valid(str_from(problem.text)),
	    "with text: %s", problem.text);
	is_text(msg.tag, "1", "and the tag is known for the answer");
}

static void
test_bad_requests(void)
{
	ok(request(SIDE_CLIENT, STR("1 NO_SUCH a=b")) == LINE_UNKNOWN_VERB &&
		problem.field.len == 0 && problem.text[0] != '\0' &&
		msg.verb == VERB_UNKNOWN,
	    "an unknown verb: %s", problem.text);
	ok(request(SIDE_CLIENT, STR("1 ABCDEFGHIJKLMNOPQRSTUVWX")) ==
		LINE_UNKNOWN_VERB,
	    "also the longest");
	ok(request(SIDE_CLIENT, STR("1 OPEN name=a currency=CZK")) ==
		LINE_UNKNOWN_VERB,
	    "a verb of another side is unknown");
	ok(request(SIDE_CLIENT, STR("1 OK")) == LINE_UNKNOWN_VERB,
	    "a reply is no request");
	bad(SIDE_CLIENT, PAY1 " colour=red", "colour", "an unknown field");
	bad(SIDE_CLIENT,
	    PAY1 " abcdefghijklmnopqrst0_9z=", "abcdefghijklmnopqrst0_9z",
	    "the longest unknown field");
	bad(SIDE_CLIENT, PAY1 " seq=1", "seq", "a field of other verbs");
	bad(SIDE_CLIENT, "1 QUIT id=x", "id", "any field where none is");
	bad(SIDE_CLIENT, PAY1 " id=" ID1, "id", "a repeated field");
	bad(SIDE_CLIENT, PAY1 " memo= memo=", "memo", "a repeated empty one");
	bad(SIDE_CLIENT, "1 PAY", "id", "no field at all");
	bad(SIDE_CLIENT, "1 PAY id=" ID1 " from=a@A to=b@B amount=1",
	    "currency", "a missing field");
	bad(SIDE_CLIENT,
	    "1 PAY id=" ID1 " from=a@A to=b@B amount=0 "
	    "currency=CZK",
	    "amount", "an amount of 0");
	bad(SIDE_CLIENT, "1 PAY id=x from=a@A to=b@B amount=1 currency=CZK",
	    "id", "an id that is none");
	bad(SIDE_CLIENT, "1 PAY id=" ID1 " from=a to=b@B amount=1 currency=CZK",
	    "from", "an account without bank");
	bad(SIDE_CLIENT, PAY1 " hold=maybe", "hold", "neither yes nor no");
	bad(SIDE_CLIENT, "1 HISTORY account=a@A limit=501", "limit",
	    "a limit too large");
	bad(SIDE_CLIENT, "1 HISTORY account=a@A before=", "before",
	    "an empty cursor");
	bad(SIDE_CLIENT, "1 LOGIN user=a password=", "password",
	    "an empty password");
	bad(SIDE_CLIENT, "1 HELLO proto=1", "agent", "HELLO without agent");
	bad(SIDE_UP, "1 HELLO proto=1 agent=x", "window",
	    "a bank's HELLO without window");
	bad(SIDE_DOWN, "1 BALANCE account=a@A", "account",
	    "a bank is asked for its own accounts only");
	ok(request(SIDE_CLIENT,
	       STR("1 LOGIN user=a password=hush%20%20%20"
		   " password=hush")) == LINE_BAD_FIELD &&
		strstr(problem.text, "hush") == NULL,
	    "no problem tells the value");
}

/* A repeat of 141 octets: one more than a memo holds. */
static void
test_memo_length(void)
{
	char text[1024];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s memo=", PAY1);

	for (unsigned i = 0; i < 140; i++, len += 3)
		memcpy(text + len, "%20", 3);
	ok(request(SIDE_CLIENT, (struct str){text, (uint32_t)len}) == LINE_OK,
	    "a memo counts in decoded octets, and 140 are legal");
	memcpy(text + len, "x", 2);
	bad(SIDE_CLIENT, text, "memo", "a memo of 141 octets");
}

/* ---- Replies ---- */

static void
test_replies(void)
{
	ok(reply(VERB_CLIENT_PING, "7 OK time=2026-01-31T12:00:00.000000Z") ==
		    LINE_OK &&
		msg.word == MSG_OK && msg.verb == VERB_CLIENT_PING,
	    "an OK by its verb");
	is_i64(msg.v[KEY_time].i64, INT64_C(1769860800000000), "typed");
	ok(reply(VERB_CLIENT_PING,
	       "7 OK time=2026-01-31T12:00:00.000000Z "
	       "new=x new=y") == LINE_OK,
	    "unknown fields of replies are ignored");
	ok(reply(VERB_CLIENT_PING,
	       "7 OK time=2026-01-31T12:00:00.000000Z "
	       "seq=what") == LINE_OK &&
		!msg_has(&msg, seq),
	    "so are those of other verbs, whatever they hold");
	ok(reply(VERB_CLIENT_PING, "7 OK time=now") == LINE_BAD_FIELD &&
		str_is(problem.field, "time"),
	    "a bad value is refused");
	ok(reply(VERB_CLIENT_PING, "7 OK") == LINE_BAD_FIELD &&
		str_is(problem.field, "time"),
	    "a missing one too");
	ok(reply(VERB_CLIENT_PAY,
	       "7 ERR code=BANK_TIMEOUT retry=same-id "
	       "text=slow state=aborted") == LINE_OK &&
		msg.word == MSG_ERR && msg.v[KEY_code].u64 == CODE_BANK_TIMEOUT,
	    "an ERR has the same fields for every verb");
	ok(str_is(msg.v[KEY_state].str, "aborted"), "and more than code");
	ok(reply(VERB_CLIENT_PAY, "7 ERR retry=same-id text=x") ==
		LINE_BAD_FIELD,
	    "an ERR without code is refused");
	ok(reply(VERB_UNKNOWN, "7 ERR code=UNKNOWN_VERB retry=never text=x") ==
		LINE_OK,
	    "also for a verb that was not known");
	ok(reply(VERB_CLIENT_ACCOUNTS, "7 ROW account=a@A currency=") ==
		    LINE_OK &&
		msg.word == MSG_ROW && msg.v[KEY_currency].u64 == 0,
	    "a row, its bank away");
	ok(reply(VERB_CLIENT_PAY, "* EVENT what=ever") == LINE_OK &&
		msg.word == MSG_EVENT,
	    "an event");
	is_text(msg.tag, "*", "with its tag");
	ok(reply(VERB_CLIENT_PAY, "7 PAY") == LINE_SHAPE, "no request is one");
	ok(reply(VERB_CLIENT_HISTORY,
	       "7 ROW seq=1 time=2026-01-31T12:00:00.000000Z id= kind=open "
	       "amount=-5 currency=CZK balance=-5 peer= memo=") == LINE_OK &&
		msg.v[KEY_amount].i64 == -5 && msg.v[KEY_peer].str.len == 0,
	    "id, peer and memo of the bank's own entries are empty");
}

/* A later version may have added codes: a reply that has one is still read. */
static void
test_other_codes(void)
{
	static const struct {
		const char *retry;
		enum retry is;
		enum code code;
	} rows[] = {
	    {"never", RETRY_NEVER, CODE_OTHER_NEVER},
	    {"login", RETRY_LOGIN, CODE_OTHER_LOGIN},
	    {"new-id", RETRY_NEW_ID, CODE_OTHER_NEW_ID},
	    {"same-id", RETRY_SAME_ID, CODE_OTHER_SAME_ID},
	};
	char text[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "7 ERR code=NEWER retry=%s text=x",
		    rows[i].retry);
		ok(reply(VERB_CLIENT_PAY, text) == LINE_OK &&
			msg.v[KEY_code].u64 == rows[i].code,
		    "an unknown code, retry=%s", rows[i].retry);
		ok(code_retry(rows[i].code) == rows[i].is &&
			code_is_other(rows[i].code),
		    "is known by that");
		is_i64((int64_t)msg_encode(&msg, out), 0, "and not written");
	}
	ok(!code_is_other(CODE_COUNT - 1), "a known one is none of those");
	ok(reply(VERB_CLIENT_PAY, "7 ERR code=NEWER retry=perhaps text=x") ==
		LINE_BAD_FIELD,
	    "an unknown code with an unknown retry");
	ok(reply(VERB_CLIENT_PAY, "7 ERR code=newer retry=never text=x") ==
		LINE_BAD_FIELD,
	    "what cannot be a code");
	ok(reply(VERB_CLIENT_PAY,
	       "7 ERR code=ALREADY_EXISTS retry=never text=x state=aborted "
	       "reason=NEWER") == LINE_OK &&
		msg.v[KEY_reason].u64 == CODE_OTHER_SAME_ID,
	    "an unknown reason: asking again is always safe");
	ok(request(SIDE_GATEWAY_JOURNAL,
	       STR("7 HELD time=2026-01-31T12:00:00.000000Z flushed=1 "
		   "id=" ID1 " reason=NEWER attempts=1 "
		   "first=2026-01-31T12:00:00.000000Z")) == LINE_BAD_FIELD,
	    "no record has one");
}

/* ---- Writing ---- */

static void
is_line(const struct msg *m, const char *want, const char *what)
{
	size_t len = msg_encode(m, out);

	ok(len > 0 && out[len - 1] == '\n', "a line that ends in LF");
	if (len == 0)
		len = 1;
	out[len - 1] = '\0';
	is_text(out, want, what);
}

static void
set_pay(void)
{
	struct id id;
	struct account from = {STR_NONE, STR_NONE}, to = from;

	ok(id_parse(&id, STR(ID1)) &&
		account_parse(&from, STR("alice@BankA")) &&
		account_parse(&to, STR("bob@BankB")),
	    "values of a payment");
	msg_init(&msg, MSG_REQUEST, VERB_CLIENT_PAY, "1");
	msg_set_u64(&msg, KEY_currency, CURRENCY('C', 'Z', 'K'));
	msg_set_i64(&msg, KEY_amount, 12550);
	msg_set_account(&msg, KEY_to, to);
	msg_set_account(&msg, KEY_from, from);
	msg_set_id(&msg, KEY_id, &id);
}

static void
test_encode(void)
{
	size_t len;

	set_pay();
	is_line(&msg, PAY1, "fields are in the order of the schema");
	msg_set_str(&msg, KEY_memo, STR("50% off, \xc3\xa9"));
	msg_set_u64(&msg, KEY_hold, 1);
	is_line(&msg, PAY1 " memo=50%25%20off,%20%C3%A9 hold=yes",
	    "escapes are the shortest");
	len = msg_encode_bare(&msg, out, sizeof(out));
	ok(len > 0 && out[len - 1] == 's', "a bare line has no LF");
	ok(msg_encode_bare(&msg, out, len) == len, "it may just fit");
	ok(msg_encode_bare(&msg, out, len - 1) == 0, "or not");
	ok(msg_encode_bare(&msg, out, 0) == 0, "nowhere nothing fits");
	msg_set_str(&msg, KEY_memo, STR("x\ny"));
	ok(msg_encode(&msg, out) == 0, "no value can bring in a line");
	msg_set_str(&msg, KEY_memo, STR("\xc2\x85"));
	ok(msg_encode(&msg, out) == 0, "nor another control character");
	set_pay();
	msg_set_u64(&msg, KEY_seq, 1);
	ok(msg_encode(&msg, out) == 0, "a field not in the schema is refused");
	set_pay();
	msg.have &= ~MSG_BIT(KEY_amount);
	ok(msg_encode(&msg, out) == 0, "so is a missing one");
	set_pay();
	msg_set_i64(&msg, KEY_amount, 0);
	ok(msg_encode(&msg, out) == 0, "and a value out of range");
	set_pay();
	memcpy(msg.tag, "a b", 4);
	ok(msg_encode(&msg, out) == 0, "and a tag that is none");
	memcpy(msg.tag, "*", 2);
	ok(msg_encode(&msg, out) == 0, "* on a request too");
	msg.tag[0] = '\0';
	ok(msg_encode(&msg, out) == 0, "and no tag");
	msg_init(&msg, MSG_EVENT, VERB_UNKNOWN, "*");
	is_line(&msg, "* EVENT", "an event has the tag *");
	msg_init(&msg, MSG_REQUEST, VERB_UNKNOWN, "1");
	ok(msg_encode(&msg, out) == 0, "an unknown verb cannot be written");
	msg_init(&msg, MSG_OK, VERB_CLIENT_QUIT, "1234567890123456");
	is_line(&msg, "1234567890123456 OK", "a reply without fields");
}

static void
test_error(void)
{
	static char text[2000];

	msg_error(&msg, VERB_UNKNOWN, "0", CODE_BAD_REQUEST, "what is this?");
	is_line(&msg,
	    "0 ERR code=BAD_REQUEST retry=never text=what%20is%20this?",
	    "an error says code, retry and text");
	msg_set_str(&msg, KEY_field, STR("amount"));
	msg_set_u64(&msg, KEY_after, 900);
	is_line(&msg,
	    "0 ERR code=BAD_REQUEST retry=never text=what%20is%20this? "
	    "field=amount after=900",
	    "and what else an error may");
	msg_error(&msg, VERB_CLIENT_PAY, "1", CODE_CANCELLED, "");
	is_line(&msg,
	    "1 ERR code=CANCELLED retry=new-id text=it%20was%20cancelled",
	    "without text the code's words are the text");
	msg_error(&msg, VERB_CLIENT_PAY, "1", CODE_INTERNAL, "a\nb");
	is_line(&msg,
	    "1 ERR code=INTERNAL retry=same-id "
	    "text=it%20could%20not%20be%20carried%20out",
	    "as where the text is not legal");
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	msg_error(&msg, VERB_CLIENT_PAY, "1", CODE_INTERNAL, text);
	is_i64(msg.v[KEY_text].str.len, 1023,
	    "a long text is cut between characters");
	ok(msg_encode(&msg, out) > 3 * 1023, "and then fits");
}

/* ---- Every schema there and back ---- */

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A24 "aaaaaaaaaaaaaaaaaaaaaaaa"
#define B32 "Bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MAX64 "9223372036854775807"
#define BRANCH_MAX A64 ".18446744073709551615.18446744073709551615"
#define HEX32 "ffffffffffffffffffffffffffffffff"
#define UUID_MAX "ffffffff-ffff-ffff-ffff-ffffffffffff"

/*
 * The smallest and the longest text of each type. Lists of banks have two, one
 * for each end of a payment; roles are three; a text of octets that all need
 * escapes is marked by its length instead.
 */
static const struct {
	const char *small, *large;
	uint32_t spaces;
} extremes[] = {
    [TYPE_ID] = {"00000000-0000-0000-0000-000000000000", UUID_MAX, 0},
    [TYPE_ID0] = {"", UUID_MAX, 0},
    [TYPE_PAYID] = {"00000000-0000-0000-0000-000000000001", UUID_MAX, 0},
    [TYPE_AMOUNT] = {"1", "1000000000000000", 0},
    [TYPE_SIGNED] = {"0", "-1000000000000000000", 0},
    [TYPE_CURRENCY] = {"AED", "ZWG", 0},
    [TYPE_CURRENCY0] = {"", "ZWG", 0},
    [TYPE_ACCOUNT] = {"a@B", A64 "@" B32, 0},
    [TYPE_ACCOUNT0] = {"", A64 "@" B32, 0},
    [TYPE_NAME] = {"a", A64, 0},
    [TYPE_LOCAL] = {"a", A64, 0},
    [TYPE_LOCAL0] = {"", A64, 0},
    [TYPE_PEER] = {"", A64 "@" B32, 0},
    [TYPE_USER] = {"a", A64 "@" B32, 0},
    [TYPE_BANK] = {"B", B32, 0},
    [TYPE_NODE] = {"n", A64, 0},
    [TYPE_BRANCH] = {"n.0.0", BRANCH_MAX, 0},
    [TYPE_MEMO] = {"", NULL, 140},
    [TYPE_TEXT] = {"t", NULL, 1024},
    [TYPE_TEXT0] = {"", NULL, 1024},
    [TYPE_SHORT] = {"s", NULL, 128},
    [TYPE_PASSWORD] = {"p", NULL, 256},
    [TYPE_TOKEN] = {"t", NULL, 0},
    [TYPE_SEQ] = {"1", MAX64, 0},
    [TYPE_COUNT] = {"0", MAX64, 0},
    [TYPE_LIMIT] = {"1", "500", 0},
    [TYPE_TIME] = {"1970-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z",
	0},
    [TYPE_SECONDS] = {"0.000000001", "9223372035.999999999", 0},
    [TYPE_CHECK] = {"00000000000000000000000000000000", HEX32, 0},
    [TYPE_UUID] = {"00000000-0000-0000-0000-000000000000", UUID_MAX, 0},
    [TYPE_JPOS] = {"1:0", "4294967295:4294967295", 0},
    [TYPE_JPOS0] = {"", "4294967295:4294967295", 0},
    [TYPE_CODE] = {"FENCED", "INSUFFICIENT_FUNDS", 0},
    [TYPE_WORD] = {"w", A24, 0},
    [TYPE_WORDS] = {"", A24 "," A24 "," A24, 0},
    [TYPE_ACCOUNTS] = {"", A64 "@" B32 "," A64 "@" B32, 0},
    [TYPE_PATTERNS] = {"", A64 "*@" B32 "," A64 "*@" B32, 0},
    [TYPE_YESNO] = {"no", "yes", 0},
    [TYPE_BANKS] = {"B", B32 "," B32, 0},
    [TYPE_BRANCHES] = {"B:n.0.0", B32 ":" BRANCH_MAX "," B32 ":" BRANCH_MAX, 0},
    [TYPE_PROOFS] = {"", B32 ":" MAX64 ":" HEX32 "," B32 ":" MAX64 ":" HEX32,
	0},
};

static struct str
extreme(enum type type, bool large)
{
	static char spaces[1024], token[TOKEN_MAX_LEN];

	memset(spaces, ' ', sizeof(spaces));
	memset(token, 'x', sizeof(token));
	if (!large)
		return str_from(extremes[type].small);
	if (type == TYPE_TOKEN)
		return (struct str){token, sizeof(token)};
	if (extremes[type].large == NULL)
		return (struct str){spaces, extremes[type].spaces};
	return str_from(extremes[type].large);
}

/* Sets the fields of the schema: the required ones, or all. */
static bool
fill(enum verb verb, enum msg_word word, bool all, bool large)
{
	const struct schema *schema = verb_schema(verb, word);
	bool legal = true;

	msg_init(&msg, word, verb, large ? "9999999999999999" : "1");
	for (uint32_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if (!field->required && !all)
			continue;
		legal &= extremes[field->type].small != NULL &&
		    value_read(&msg.v[field->key], field->type,
			extreme(field->type, large));
		/* A key that is twice in a schema would be found here. */
		legal &= (msg.have & MSG_BIT(field->key)) == 0;
		msg.have |= MSG_BIT(field->key);
	}
	return legal;
}

/* msg as a line, read, and as a line again. */
static bool
comes_back(size_t *len)
{
	enum line_status status;
	size_t len_again;

	*len = msg_encode(&msg, out);
	if (*len == 0 || *len > LINE_MAX_LEN || out[*len - 1] != '\n')
		return false;
	if (line_split(&line, (struct str){out, (uint32_t)*len - 1}) != LINE_OK)
		return false;
	status = msg.word == MSG_REQUEST
	    ? msg_request(&back, &line, verb_info(msg.verb)->side, &problem)
	    : msg_reply(&back, &line, msg.verb, &problem);
	if (status != LINE_OK || back.have != msg.have ||
	    back.verb != msg.verb || back.word != msg.word ||
	    strcmp(back.tag, msg.tag) != 0)
		return false;
	len_again = msg_encode(&back, again);
	return len_again == *len && memcmp(out, again, *len) == 0;
}

static void
test_schema(enum verb verb, enum msg_word word, const char *word_text)
{
	static const char *const sides[] = {"client", "up", "down", "control",
	    "teller", "auth", "gateway journal", "bank journal", "spool",
	    "snapshot"};
	const struct verb_info *info = verb_info(verb);
	bool record = info->side >= SIDE_GATEWAY_JOURNAL;
	size_t max = record ? LINE_MAX_LEN - CHECK_LEN : LINE_MAX_LEN;
	bool good = true;
	size_t len = 0;

	for (int all = 0; all <= 1; all++)
		for (int large = 0; large <= 1; large++)
			good &= fill(verb, word, all == 1, large == 1) &&
			    comes_back(&len);
	ok(good, "%s %s%s comes back as it went", sides[info->side], info->word,
	    word_text);
	ok(len > 0 && len <= max, "and its longest line fits: %zu of %zu", len,
	    max);
}

static void
test_schemas(void)
{
	for (unsigned v = VERB_UNKNOWN + 1; v < VERB_COUNT; v++) {
		enum verb verb = (enum verb)v;
		const struct verb_info *info = verb_info(verb);

		test_schema(verb, MSG_REQUEST, "");
		if (info->side >= SIDE_GATEWAY_JOURNAL)
			continue;
		test_schema(verb, MSG_OK, " OK");
		if (info->row.count > 0)
			test_schema(verb, MSG_ROW, " ROW");
	}
	test_schema(VERB_CLIENT_PAY, MSG_ERR, " ERR");
}

/* ---- Hostile lines ---- */

static uint64_t seed = 20260131;

static uint32_t
chance(uint32_t below)
{
	/* splitmix64 (Steele, Lea and Flood, 2014) */
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}

/* Octets at random, or a legal line with some of its octets changed. */
static uint32_t
hostile_line(char *into)
{
	static const char likely[] = " =%*0123456789ABCDEFabcdef@.:,-_\r\n";
	enum verb verb = (enum verb)(1 + chance(VERB_COUNT - 1));
	bool large = chance(2) == 0;
	uint32_t len = chance(200), changes;

	for (uint32_t i = 0; i < len; i++)
		into[i] = (char)chance(256);
	if (chance(8) == 0)
		return len;
	if (!fill(verb, (enum msg_word)chance(4), chance(2) == 0, large))
		return len;
	/* Long lines are slow to make, so there are fewer. */
	len = (uint32_t)msg_encode(&msg, into);
	if (len > 0)
		len--;
	for (changes = chance(4); changes > 0 && len > 1; changes--) {
		uint32_t at = chance(len), kind = chance(4);

		if (kind == 0) {
			into[at] = (char)chance(256);
		} else if (kind == 1) {
			into[at] = likely[chance(sizeof(likely) - 1)];
		} else if (kind == 2) {
			memmove(into + at, into + at + 1, len - at - 1);
			len--;
		} else if (len < LINE_MAX_LEN - 1) {
			memmove(into + at + 1, into + at, len - at);
			into[at] = likely[chance(sizeof(likely) - 1)];
			len++;
		}
	}
	return len;
}

/* Types line as what it says it is, for this verb or a verb of its side. */
static enum line_status
type_line(enum verb verb)
{
	enum side side = verb_info(verb)->side;

	if (line_is_reply(&line))
		return msg_reply(&msg, &line, verb, &problem);
	return msg_request(
	    &msg, &line, side < SIDE_COUNT ? side : SIDE_CLIENT, &problem);
}

/* An answer that names the problem can be given. */
static bool
answerable(void)
{
	bool named =
	    problem.text[0] != '\0' && text_valid(str_from(problem.text));
	struct str field = problem.field;

	msg_error(&msg, msg.verb, line.tag[0] == '*' ? "0" : line.tag,
	    CODE_BAD_REQUEST, problem.text);
	if (field.len > 0)
		msg_set_str(&msg, KEY_field, field);
	return named && msg_encode(&msg, out) > 0;
}

/* A code of a later version: the only thing that is read and not written. */
static bool
has_other_code(enum key key)
{
	const struct schema *schema = verb_schema(msg.verb, msg.word);

	if ((msg.have & MSG_BIT(key)) == 0)
		return false;
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->fields[i].key == key)
			return schema->fields[i].type == TYPE_CODE &&
			    code_is_other((enum code)msg.v[key].u64);
	return false;
}

/* What was typed can be written, and that can be read as the same. */
static bool
writable(void)
{
	enum verb verb = msg.verb;
	size_t len = msg_encode(&msg, out);

	return len > 0 && len <= LINE_MAX_LEN &&
	    line_split(&line, (struct str){out, (uint32_t)len - 1}) ==
	    LINE_OK &&
	    type_line(verb) == LINE_OK && msg_encode(&msg, again) == len &&
	    memcmp(out, again, len) == 0;
}

static void
test_hostile(void)
{
	static char text[LINE_MAX_LEN];
	unsigned split = 0, typed = 0, wrong = 0;

	for (unsigned i = 0; i < 100000; i++) {
		struct str given = {text, hostile_line(text)};
		enum verb verb =
		    chance(8) == 0 ? (enum verb)chance(VERB_COUNT) : msg.verb;

		memset(&line, chance(2) == 0 ? 'A' : '0', sizeof(line));
		if (line_split(&line, given) != LINE_OK) {
			wrong += line.problem == NULL || line.tag[0] == '\0';
			continue;
		}
		split++;
		if (type_line(verb) == LINE_OK) {
			typed++;
			wrong += !has_other_code(KEY_code) &&
			    !has_other_code(KEY_reason) && !writable();
		} else {
			wrong += !answerable();
		}
	}
	is_i64(wrong, 0,
	    "what is accepted can be written and read again, "
	    "what is refused can be answered");
	ok(split > 10000 && typed > 10000,
	    "enough were legal: %u split, %u typed", split, typed);
}

int
main(void)
{
	test_names();
	test_codes();
	test_request();
	test_bad_requests();
	test_memo_length();
	test_replies();
	test_other_codes();
	test_encode();
	test_error();
	test_schemas();
	test_hostile();
	return tap_done();
}
