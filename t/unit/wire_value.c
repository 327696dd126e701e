/*
 * lib/wire/value: what each type of PROTOCOL.md section 2 and of the journals
 * takes and refuses, read and written; escapes; UTF-8.
 */
#include "tap.h"
#include "wire/internal.h"
#include "wire/money.h"
#include "wire/time.h"

#define NAME64 \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"
#define BANK32 "BankWithAName-of-32-octets-long0"
#define ID1 "2ed6657d-e927-568b-95e1-2665a8aea6a2"
#define HEX32 "00112233445566778899aabbccddeeff"
#define TIME1 "2026-01-31T12:00:00.000000Z"

struct one {
	enum type type;
	const char *text;
};

static const struct one good[] = {
    {TYPE_ID, ID1},
    {TYPE_PAYID, ID1},
    {TYPE_PAYID, "00000000-0000-0000-0000-000000000001"},
    {TYPE_ID, "00000000-0000-0000-0000-000000000000"},
    {TYPE_ID0, ID1},
    {TYPE_ID0, ""},
    {TYPE_UUID, ID1},
    {TYPE_AMOUNT, "1"},
    {TYPE_AMOUNT, "1000000000000000"},
    {TYPE_SIGNED, "0"},
    {TYPE_SIGNED, "-1"},
    {TYPE_SIGNED, "1000000000000000000"},
    {TYPE_SIGNED, "-1000000000000000000"},
    {TYPE_CURRENCY, "CZK"},
    {TYPE_CURRENCY0, "JPY"},
    {TYPE_CURRENCY0, ""},
    {TYPE_ACCOUNT, "a@B"},
    {TYPE_ACCOUNT, NAME64 "@" BANK32},
    {TYPE_ACCOUNT0, "a@B"},
    {TYPE_ACCOUNT0, ""},
    {TYPE_NAME, NAME64},
    {TYPE_LOCAL, NAME64},
    {TYPE_LOCAL, ":clearing." BANK32 ".CZK"},
    {TYPE_LOCAL0, ":equity.CZK"},
    {TYPE_LOCAL0, ""},
    {TYPE_PEER, "a@B"},
    {TYPE_PEER, "a"},
    {TYPE_PEER, ":suspense.CZK"},
    {TYPE_PEER, ""},
    {TYPE_USER, "alice"},
    {TYPE_USER, "alice@BankA"},
    {TYPE_BANK, BANK32},
    {TYPE_NODE, NAME64},
    {TYPE_BRANCH, "gw1.1.2"},
    {TYPE_BRANCH, "a.b.c.0.0"},
    {TYPE_BRANCH, NAME64 ".18446744073709551615.18446744073709551615"},
    {TYPE_MEMO, ""},
    {TYPE_MEMO, "rent"},
    {TYPE_TEXT, "x"},
    {TYPE_TEXT0, ""},
    {TYPE_SHORT, "x"},
    {TYPE_PASSWORD, "x"},
    {TYPE_TOKEN, "a.b.c"},
    {TYPE_SEQ, "1"},
    {TYPE_SEQ, "9223372036854775807"},
    {TYPE_COUNT, "0"},
    {TYPE_COUNT, "9223372036854775807"},
    {TYPE_LIMIT, "1"},
    {TYPE_LIMIT, "500"},
    {TYPE_TIME, TIME1},
    {TYPE_SECONDS, "5"},
    {TYPE_SECONDS, "0.25"},
    {TYPE_SECONDS, "0.000000001"},
    {TYPE_SECONDS, "9223372035.999999999"},
    {TYPE_CHECK, HEX32},
    {TYPE_JPOS, "1:0"},
    {TYPE_JPOS, "4294967295:4294967295"},
    {TYPE_JPOS0, "1:0"},
    {TYPE_JPOS0, ""},
    {TYPE_CODE, "INSUFFICIENT_FUNDS"},
    {TYPE_CODE, "BAD_REQUEST"},
    {TYPE_CODE, "INTERNAL"},
    {TYPE_WORD, "a"},
    {TYPE_WORD, "azAZ09_-azAZ09_-azAZ09_-"},
    {TYPE_WORDS, "pay"},
    {TYPE_WORDS, "balance,pay,history"},
    {TYPE_WORDS, ""},
    {TYPE_ACCOUNTS, "a@B"},
    {TYPE_ACCOUNTS, "a@B,b@C"},
    {TYPE_ACCOUNTS, "a,b"},
    {TYPE_ACCOUNTS, ""},
    {TYPE_PATTERNS, "*@B"},
    {TYPE_PATTERNS, "a@B,shop-*@B,*@C"},
    {TYPE_PATTERNS, NAME64 "*@B"},
    {TYPE_PATTERNS, ""},
    {TYPE_YESNO, "yes"},
    {TYPE_YESNO, "no"},
    {TYPE_BANKS, "A"},
    {TYPE_BANKS, "A,B"},
    {TYPE_BRANCHES, "A:gw1.1.2"},
    {TYPE_BRANCHES, "A:gw1.1.2,B:gw1.1.3"},
    {TYPE_PROOFS, "A:1:" HEX32},
    {TYPE_PROOFS, "A:1:" HEX32 ",B:9223372036854775807:" HEX32},
    {TYPE_PROOFS, ""},
};

static const struct one bad[] = {
    {TYPE_ID, ""},
    {TYPE_PAYID, "00000000-0000-0000-0000-000000000000"},
    {TYPE_PAYID, ""},
    {TYPE_ID, "2ED6657D-e927-568b-95e1-2665a8aea6a2"},
    {TYPE_ID0, "x"},
    {TYPE_UUID, ""},
    {TYPE_AMOUNT, ""},
    {TYPE_AMOUNT, "0"},
    {TYPE_AMOUNT, "-1"},
    {TYPE_AMOUNT, "+1"},
    {TYPE_AMOUNT, "01"},
    {TYPE_AMOUNT, "1.0"},
    {TYPE_AMOUNT, "1e3"},
    {TYPE_AMOUNT, " 1"},
    {TYPE_AMOUNT, "1 "},
    {TYPE_AMOUNT, "0x1"},
    {TYPE_AMOUNT, "1000000000000001"},
    {TYPE_AMOUNT, "18446744073709551617"},
    {TYPE_AMOUNT, "100000000000000000001"},
    {TYPE_SIGNED, ""},
    {TYPE_SIGNED, "-"},
    {TYPE_SIGNED, "-0"},
    {TYPE_SIGNED, "+1"},
    {TYPE_SIGNED, "--1"},
    {TYPE_SIGNED, "-01"},
    {TYPE_SIGNED, "1000000000000000001"},
    {TYPE_SIGNED, "-1000000000000000001"},
    {TYPE_SIGNED, "-9223372036854775808"},
    {TYPE_SIGNED, "-18446744073709551615"},
    {TYPE_CURRENCY, ""},
    {TYPE_CURRENCY, "czk"},
    {TYPE_CURRENCY, "XTS"},
    {TYPE_CURRENCY, "CZKX"},
    {TYPE_CURRENCY0, "XXX"},
    {TYPE_ACCOUNT, ""},
    {TYPE_ACCOUNT, "a"},
    {TYPE_ACCOUNT, ":equity.CZK"},
    {TYPE_ACCOUNT, "a@1B"},
    {TYPE_ACCOUNT0, "@"},
    {TYPE_NAME, ""},
    {TYPE_NAME, NAME64 "x"},
    {TYPE_NAME, "a@B"},
    {TYPE_NAME, ":equity.CZK"},
    {TYPE_LOCAL, ""},
    {TYPE_LOCAL, "a@B"},
    {TYPE_LOCAL, ":equity"},
    {TYPE_LOCAL0, ":"},
    {TYPE_PEER, "@"},
    {TYPE_PEER, ":equity.CZK@B"},
    {TYPE_USER, ""},
    {TYPE_USER, ":equity.CZK"},
    {TYPE_USER, "a@B@C"},
    {TYPE_BANK, ""},
    {TYPE_BANK, "1B"},
    {TYPE_BANK, BANK32 "x"},
    {TYPE_NODE, ""},
    {TYPE_NODE, NAME64 "x"},
    {TYPE_NODE, "gw 1"},
    {TYPE_BRANCH, ""},
    {TYPE_BRANCH, "gw1"},
    {TYPE_BRANCH, "gw1.1"},
    {TYPE_BRANCH, ".1.2"},
    {TYPE_BRANCH, "1.2"},
    {TYPE_BRANCH, "gw1..2"},
    {TYPE_BRANCH, "gw1.1."},
    {TYPE_BRANCH, "gw1.01.2"},
    {TYPE_BRANCH, "gw1.1.02"},
    {TYPE_BRANCH, "gw1.-1.2"},
    {TYPE_BRANCH, "gw1.1.18446744073709551616"},
    {TYPE_BRANCH, NAME64 "x.1.2"},
    {TYPE_TEXT, ""},
    {TYPE_SHORT, ""},
    {TYPE_PASSWORD, ""},
    {TYPE_TOKEN, ""},
    {TYPE_SEQ, "0"},
    {TYPE_SEQ, "9223372036854775808"},
    {TYPE_SEQ, "-1"},
    {TYPE_COUNT, ""},
    {TYPE_COUNT, "00"},
    {TYPE_COUNT, "-0"},
    {TYPE_COUNT, "9223372036854775808"},
    {TYPE_LIMIT, "0"},
    {TYPE_LIMIT, "501"},
    {TYPE_TIME, ""},
    {TYPE_TIME, "2026-01-31T12:00:00Z"},
    {TYPE_SECONDS, ""},
    {TYPE_SECONDS, "0"},
    {TYPE_SECONDS, "0.0"},
    {TYPE_SECONDS, "05"},
    {TYPE_SECONDS, ".5"},
    {TYPE_SECONDS, "5."},
    {TYPE_SECONDS, "-5"},
    {TYPE_SECONDS, "5s"},
    {TYPE_SECONDS, "1.2.3"},
    {TYPE_SECONDS, "0.0000000001"},
    {TYPE_SECONDS, "9223372036"},
    {TYPE_SECONDS, "18446744073709551616"},
    {TYPE_CHECK, ""},
    {TYPE_CHECK, "0011223344556677"},
    {TYPE_CHECK, HEX32 "0"},
    {TYPE_CHECK, "00112233445566778899AABBCCDDEEFF"},
    {TYPE_CHECK, "0011223344556677 899aabbccddeeff"},
    {TYPE_JPOS, ""},
    {TYPE_JPOS, "1"},
    {TYPE_JPOS, "1:"},
    {TYPE_JPOS, ":1"},
    {TYPE_JPOS, "0:1"},
    {TYPE_JPOS, "01:1"},
    {TYPE_JPOS, "1:01"},
    {TYPE_JPOS, "1:2:3"},
    {TYPE_JPOS, "4294967296:1"},
    {TYPE_JPOS, "1:4294967296"},
    {TYPE_JPOS0, "0:0"},
    {TYPE_CODE, ""},
    {TYPE_CODE, "NONE"},
    {TYPE_CODE, "bad_request"},
    {TYPE_CODE, "BAD_REQUESTS"},
    {TYPE_WORD, ""},
    {TYPE_WORD, "azAZ09_-azAZ09_-azAZ09_-x"},
    {TYPE_WORD, "a.b"},
    {TYPE_WORD, "a b"},
    {TYPE_WORDS, ","},
    {TYPE_WORDS, "a,"},
    {TYPE_WORDS, ",a"},
    {TYPE_WORDS, "a,,b"},
    {TYPE_WORDS, "a, b"},
    {TYPE_ACCOUNTS, "a@B,"},
    {TYPE_ACCOUNTS, "a@B,b"},
    {TYPE_ACCOUNTS, ":equity.CZK"},
    {TYPE_PATTERNS, "*"},
    {TYPE_PATTERNS, "@B"},
    {TYPE_PATTERNS, "a"},
    {TYPE_PATTERNS, "**@B"},
    {TYPE_PATTERNS, "a*b@B"},
    {TYPE_PATTERNS, "*a@B"},
    {TYPE_PATTERNS, "a@*"},
    {TYPE_PATTERNS, "*@B,"},
    {TYPE_YESNO, ""},
    {TYPE_YESNO, "YES"},
    {TYPE_YESNO, "1"},
    {TYPE_BANKS, ""},
    {TYPE_BANKS, "A,"},
    {TYPE_BANKS, "A,1"},
    {TYPE_BRANCHES, ""},
    {TYPE_BRANCHES, "A"},
    {TYPE_BRANCHES, "gw1.1.2"},
    {TYPE_BRANCHES, "A:gw1.1"},
    {TYPE_BRANCHES, "A:gw1.1.2,"},
    {TYPE_PROOFS, "A:1"},
    {TYPE_PROOFS, "A:0:" HEX32},
    {TYPE_PROOFS, "A:1:" HEX32 "0"},
    {TYPE_PROOFS, "A:1:" HEX32 ","},
    {TYPE_PROOFS, "A:9223372036854775808:" HEX32},
    {TYPE_PROOFS, "1:1:" HEX32},
};

static void
test_types(void)
{
	struct value value;
	char into[256];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct str text = str_from(good[i].text);
		char *end;

		ok(value_read(&value, good[i].type, text),
		    "type %d takes \"%s\"", good[i].type, good[i].text);
		end = value_write(
		    into, into + sizeof(into) - 1, good[i].type, &value);
		ok(end != NULL, "and can be written");
		if (end == NULL)
			continue;
		*end = '\0';
		is_text(into, good[i].text, "as it was");
		ok(value_write(into, into + text.len, good[i].type, &value) ==
			into + text.len,
		    "also where it just fits");
		ok(text.len == 0 ||
			value_write(into, into + text.len - 1, good[i].type,
			    &value) == NULL,
		    "but not in one octet less");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!value_read(&value, bad[i].type, str_from(bad[i].text)),
		    "type %d refuses \"%s\": %s", bad[i].type, bad[i].text,
		    value_legal(bad[i].type));
	ok(!value_read(&value, TYPE_YESNO, STR("y")), "yes is a whole word");
	ok(value_read(&value, TYPE_SECONDS, STR("0.250")) &&
		value.i64 == 250000000,
	    "seconds are kept as nanoseconds");
}

static void
test_lengths(void)
{
	static const struct {
		enum type type;
		uint32_t min, max;
	} lengths[] = {
	    {TYPE_MEMO, 0, 140},
	    {TYPE_TEXT, 1, 1024},
	    {TYPE_TEXT0, 0, 1024},
	    {TYPE_SHORT, 1, 128},
	    {TYPE_PASSWORD, 1, 256},
	};
	static char text[1026], into[4096];
	struct value value;

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		enum type type = lengths[i].type;
		uint32_t max = lengths[i].max;

		ok(value_read(&value, type, (struct str){text, max}),
		    "type %d takes %u octets", type, max);
		ok(!value_read(&value, type, (struct str){text, max + 1}),
		    "but not one more");
		ok(value_read(&value, type, (struct str){text, 0}) ==
			(lengths[i].min == 0),
		    "and none only where it may be empty");
		value.str = (struct str){text, max + 1};
		ok(value_write(into, into + sizeof(into), type, &value) == NULL,
		    "too long a text is not written either");
	}
	ok(value_read(&value, TYPE_TOKEN, (struct str){into, 3073}),
	    "a token too long is for the token's check, not BAD_REQUEST");
}

/* What no reader would take is not written. */
static void
test_unwritable(void)
{
	static char into[256];
	struct value v;
#define REFUSED(type, member, what) \
	v.member; \
	ok(value_write(into, into + sizeof(into), type, &v) == NULL, what)

	REFUSED(TYPE_AMOUNT, i64 = 0, "an amount of 0");
	REFUSED(TYPE_AMOUNT, i64 = MONEY_AMOUNT_MAX + 1, "an amount too large");
	REFUSED(TYPE_SIGNED, i64 = INT64_MIN, "a balance too small");
	REFUSED(TYPE_SIGNED, i64 = MONEY_BALANCE_MAX + 1, "one too large");
	REFUSED(TYPE_COUNT, u64 = UINT64_MAX, "a count beyond 2^63-1");
	REFUSED(TYPE_SEQ, u64 = 0, "a seq of 0");
	REFUSED(TYPE_CURRENCY, u64 = 0, "no currency");
	REFUSED(TYPE_CURRENCY, u64 = CURRENCY('X', 'T', 'S'), "an unknown one");
	REFUSED(TYPE_CURRENCY, u64 = UINT64_C(1) << 40, "a currency too large");
	REFUSED(TYPE_TIME, i64 = -1, "a time before 1970");
	REFUSED(TYPE_TIME, i64 = TIME_MAX_US + 1, "a time after 9999");
	REFUSED(TYPE_SECONDS, i64 = 0, "no seconds");
	REFUSED(TYPE_SECONDS, i64 = -1, "negative seconds");
	REFUSED(TYPE_CODE, u64 = CODE_NONE, "no code");
	REFUSED(TYPE_CODE, u64 = CODE_COUNT, "an unknown code");
	REFUSED(TYPE_YESNO, u64 = 2, "neither yes nor no");
	REFUSED(TYPE_JPOS, jpos = JPOS_NONE, "no position");
	REFUSED(TYPE_NAME, str = STR("a b"), "a name with a space");
	REFUSED(TYPE_NAME, str = STR_NONE, "an empty name");
	REFUSED(TYPE_MEMO, str = STR("a\nb"), "a line feed");
	REFUSED(TYPE_MEMO, str = STR("\xff"), "what is not UTF-8");
	REFUSED(TYPE_PASSWORD, str = STR("a\0b"), "a NUL");
	v.account = (struct account){STR("a"), STR_NONE};
	ok(value_write(into, into + sizeof(into), TYPE_ACCOUNT, &v) == NULL,
	    "an account without bank");
	ok(value_write(into, into + sizeof(into), TYPE_ACCOUNT0, &v) == NULL,
	    "also where none at all is legal");
	v.branch = (struct branch){STR(""), 1, 1};
	ok(value_write(into, into + sizeof(into), TYPE_BRANCH, &v) == NULL,
	    "a branch without node");
#undef REFUSED
}

static void
test_branches(void)
{
	struct branch a, b;
	char text[BRANCH_TEXT_MAX + 1];

	ok(branch_parse(&a, STR("gw.x.7.9")) && str_is(a.node, "gw.x") &&
		a.epoch == 7 && a.counter == 9,
	    "a node may hold dots");
	is_i64((int64_t)branch_text(&a, text), 8, "a branch's length");
	is_text(text, "gw.x.7.9", "a branch's text");
	ok(branch_parse(&b, STR("gw.x.7.9")) && branch_eq(&a, &b), "equal");
	ok(!branch_older(&a, &b) && !branch_older(&b, &a), "neither is older");
	ok(branch_parse(&b, STR("gw.x.7.10")) && !branch_eq(&a, &b), "differ");
	ok(branch_older(&a, &b) && !branch_older(&b, &a), "older by counter");
	ok(branch_parse(&b, STR("gw.x.8.1")) && !branch_eq(&a, &b), "differ");
	ok(branch_older(&a, &b) && !branch_older(&b, &a),
	    "the epoch counts before the counter");
	ok(branch_parse(&b, STR("gw.y.7.9")) && !branch_eq(&a, &b),
	    "another node's is another branch");
}

static void
test_utf8(void)
{
	static const char *const valid[] = {"", "plain", " ", "~", "\xc3\xa9",
	    "\xc2\xa0" /* U+00A0 */, "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x82\xac",
	    "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xef\xbf\xbf",
	    "\xf0\x90\x80\x80", "\xf0\x9f\x92\xb6", "\xf4\x8f\xbf\xbf"};
	static const char *const invalid[] = {"\x01", "\t", "\n", "\r", "\x1b",
	    "\x1f", "\x7f", "\xc2\x80" /* U+0080 */, "\xc2\x85" /* U+0085 */,
	    "\xc2\x9f" /* U+009F */, "\x80", "\xbf", "\xc0\x80", "\xc1\xbf",
	    "\xc3", "\xc3(", "\xc3\xc3", "\xe0\x80\x80", "\xe0\x9f\xbf",
	    "\xe2\x82", "\xe2\x82(", "\xed\xa0\x80" /* a surrogate */,
	    "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
	    "\xf0\x9f\x92", "\xf0\x9f\x92(", "\xf4\x90\x80\x80" /* too far */,
	    "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff"};
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		ok(text_valid(str_from(valid[i])), "legal text %zu", i);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		ok(!text_valid(str_from(invalid[i])), "illegal text %zu", i);
	ok(!text_valid(STR("a\0b")), "a NUL is no text");
	/* Every code point in its shortest form. */
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char s[4];
		uint32_t n = 0;
		bool want = c >= 0x20 && !(c >= 0x7f && c <= 0x9f) &&
		    !(c >= 0xd800 && c <= 0xdfff);

		if (c < 0x80) {
			s[n++] = (char)c;
		} else if (c < 0x800) {
			s[n++] = (char)(0xc0 | c >> 6);
			s[n++] = (char)(0x80 | (c & 63));
		} else if (c < 0x10000) {
			s[n++] = (char)(0xe0 | c >> 12);
			s[n++] = (char)(0x80 | (c >> 6 & 63));
			s[n++] = (char)(0x80 | (c & 63));
		} else {
			s[n++] = (char)(0xf0 | c >> 18);
			s[n++] = (char)(0x80 | (c >> 12 & 63));
			s[n++] = (char)(0x80 | (c >> 6 & 63));
			s[n++] = (char)(0x80 | (c & 63));
		}
		wrong += text_valid((struct str){s, n}) != want;
	}
	is_i64(wrong, 0, "every code point is judged as it should be");
}

static void
is_escaped(struct str value, const char *want, const char *what)
{
	char into[64];
	bool is_bad = true;
	size_t len = value_escape(into, sizeof(into) - 1, value, &is_bad);

	into[len] = '\0';
	ok(!is_bad, "can be written: %s", what);
	is_text(into, want, what);
}

static void
test_escapes(void)
{
	char into[64], all[3 * 128 + 1], want[3 * 128 + 1];
	bool is_bad = false;
	size_t used = 0;

	is_escaped(STR_NONE, "", "nothing");
	is_escaped(STR("a b"), "a%20b", "a space");
	is_escaped(STR("100%"), "100%25", "a percent sign");
	is_escaped(STR("\xc3\xa9"), "%C3%A9", "what is not ASCII");
	is_escaped(STR("a=b,c:d"), "a=b,c:d", "no more than must be");
	for (unsigned c = 0x20; c < 0x7f; c++) {
		char one = (char)c;

		used += value_escape(all + used, sizeof(all) - used,
		    (struct str){&one, 1}, &is_bad);
	}
	all[used] = '\0';
	used = 0;
	for (unsigned c = 0x20; c < 0x7f; c++)
		used += (size_t)snprintf(want + used, sizeof(want) - used,
		    c == ' ' || c == '%' ? "%%%02X" : "%c", c);
	is_text(all, want, "only space and % of ASCII are escaped");
	ok(value_escape(into, sizeof(into), STR("a\nb"), &is_bad) == 0 &&
		is_bad,
	    "a control character is bad");
	ok(value_escape(into, sizeof(into), STR("\xc3"), &is_bad) == 0 &&
		is_bad,
	    "half a character is bad");
	ok(value_escape(into, 3, STR("a b"), &is_bad) == 0 && is_bad,
	    "so is what does not fit");
	ok(value_escape(into, 5, STR("a b"), &is_bad) == 5 && !is_bad,
	    "what just fits is fine");
	ok(value_escape(into, 0, STR_NONE, &is_bad) == 0 && !is_bad,
	    "and nothing is not bad");
}

int
main(void)
{
	test_types();
	test_lengths();
	test_unwritable();
	test_branches();
	test_utf8();
	test_escapes();
	return tap_done();
}
