/* lib/wire/money: checked sums, ISO 4217 currencies, decimal text. */
#include "wire/money.h"

#include "tap.h"

#define CZK CURRENCY('C', 'Z', 'K')
#define JPY CURRENCY('J', 'P', 'Y')
#define KWD CURRENCY('K', 'W', 'D')
#define CLF CURRENCY('C', 'L', 'F')

static void
test_sums(void)
{
	int64_t sum = 7;

	ok(money_add(2, 3, &sum) && sum == 5, "2 + 3 is 5");
	ok(money_sub(2, 3, &sum) && sum == -1, "2 - 3 is -1");
	ok(money_add(MONEY_BALANCE_MAX - 1, 1, &sum) &&
		sum == MONEY_BALANCE_MAX,
	    "a sum may reach 10^18");
	ok(money_sub(-MONEY_BALANCE_MAX + 1, 1, &sum) &&
		sum == -MONEY_BALANCE_MAX,
	    "and -10^18");
	sum = 7;
	ok(!money_add(MONEY_BALANCE_MAX, 1, &sum), "but not pass 10^18");
	ok(!money_add(-MONEY_BALANCE_MAX, -1, &sum), "nor -10^18");
	ok(!money_sub(-MONEY_BALANCE_MAX, 1, &sum), "by subtraction neither");
	ok(!money_sub(MONEY_BALANCE_MAX, -1, &sum), "on either side");
	ok(!money_add(INT64_MAX, 1, &sum), "an overflow is told");
	ok(!money_add(INT64_MIN, -1, &sum), "an underflow too");
	ok(!money_sub(INT64_MIN, 1, &sum), "also of a difference");
	ok(!money_sub(0, INT64_MIN, &sum), "also of a negation");
	is_i64(sum, 7, "a failed sum changes nothing");
}

static void
test_currencies(void)
{
	static const struct {
		const char *codes;
		int exponent;
	} groups[] = {
	    {"BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF "
	     "XPF",
		0},
	    {"AUD CHF CZK EUR GBP MGA MRU PLN USD ZWG", 2},
	    {"BHD IQD JOD KWD LYD OMR TND", 3},
	    {"CLF UYW", 4},
	};
	static const char *const bad[] = {"", "CZ", "CZKK", "czk", "XXX", "XTS",
	    "XAU", "AAA", "ZZZ", "DEM", "C K", "\0\0\0", "\xff\xff\xff"};
	char text[4], back[4];
	uint32_t currency;
	unsigned known = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const char *at = groups[i].codes;; at += 4) {
			memcpy(text, at, 3);
			text[3] = '\0';
			ok(currency_parse(&currency, str_from(text)) &&
				currency_exponent(currency) ==
				    groups[i].exponent,
			    "%s has %d decimals", text, groups[i].exponent);
			currency_text(currency, back);
			is_text(back, text, "and its name back");
			if (at[3] == '\0')
				break;
		}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!currency_parse(&currency, str_from(bad[i])),
		    "\"%s\" is no currency", bad[i]);
	ok(!currency_parse(&currency, STR("\0\0\0")), "nor are three NULs");
	ok(currency_parse(&currency, STR("CZK")) && currency == CZK,
	    "a currency is its letters");
	text[3] = '\0';
	for (char a = 'A'; a <= 'Z'; a++)
		for (char b = 'A'; b <= 'Z'; b++)
			for (char c = 'A'; c <= 'Z'; c++) {
				text[0] = a;
				text[1] = b;
				text[2] = c;
				known += currency_parse(
				    &currency, (struct str){text, 3});
			}
	is_i64(known, 165, "every row of the table is found, and no more");
}

static void
test_parse(void)
{
	static const struct {
		const char *text;
		uint32_t currency;
		enum money_parse result;
		int64_t minor;
	} cases[] = {
	    {"12.50", CZK, MONEY_OK, 1250},
	    {"12.5", CZK, MONEY_OK, 1250},
	    {"12", CZK, MONEY_OK, 1200},
	    {"-3.10", CZK, MONEY_OK, -310},
	    {"0", CZK, MONEY_OK, 0},
	    {"0.01", CZK, MONEY_OK, 1},
	    {"-0.01", CZK, MONEY_OK, -1},
	    {"0.00", CZK, MONEY_OK, 0},
	    {"1", JPY, MONEY_OK, 1},
	    {"1.0", JPY, MONEY_TOO_PRECISE, 0},
	    {"1.", JPY, MONEY_MALFORMED, 0},
	    {"1.234", KWD, MONEY_OK, 1234},
	    {"1.2", KWD, MONEY_OK, 1200},
	    {"1.2340", KWD, MONEY_TOO_PRECISE, 0},
	    {"1.2345", CLF, MONEY_OK, 12345},
	    {"1.000", CZK, MONEY_TOO_PRECISE, 0},
	    {"", CZK, MONEY_MALFORMED, 0},
	    {"-", CZK, MONEY_MALFORMED, 0},
	    {"--1", CZK, MONEY_MALFORMED, 0},
	    {"+1", CZK, MONEY_MALFORMED, 0},
	    {".", CZK, MONEY_MALFORMED, 0},
	    {".5", CZK, MONEY_MALFORMED, 0},
	    {"5.", CZK, MONEY_MALFORMED, 0},
	    {"1.2.3", CZK, MONEY_MALFORMED, 0},
	    {"01", CZK, MONEY_MALFORMED, 0},
	    {"00", CZK, MONEY_MALFORMED, 0},
	    {"00.5", CZK, MONEY_MALFORMED, 0},
	    {"-0", CZK, MONEY_MALFORMED, 0},
	    {"-0.00", CZK, MONEY_MALFORMED, 0},
	    {"1,50", CZK, MONEY_MALFORMED, 0},
	    {"1 000", CZK, MONEY_MALFORMED, 0},
	    {" 1", CZK, MONEY_MALFORMED, 0},
	    {"1 ", CZK, MONEY_MALFORMED, 0},
	    {"1e3", CZK, MONEY_MALFORMED, 0},
	    {"0x10", CZK, MONEY_MALFORMED, 0},
	    {"1.5x", CZK, MONEY_MALFORMED, 0},
	    {"10000000000000000.00", CZK, MONEY_OK, MONEY_BALANCE_MAX},
	    {"-10000000000000000", CZK, MONEY_OK, -MONEY_BALANCE_MAX},
	    {"10000000000000000.01", CZK, MONEY_RANGE, 0},
	    {"-10000000000000000.01", CZK, MONEY_RANGE, 0},
	    {"1000000000000000000", JPY, MONEY_OK, MONEY_BALANCE_MAX},
	    {"1000000000000000001", JPY, MONEY_RANGE, 0},
	    {"9223372036854775808", JPY, MONEY_RANGE, 0},
	    {"18446744073709551616", JPY, MONEY_RANGE, 0},
	    {"99999999999999999999999999999999999999", CZK, MONEY_RANGE, 0},
	};
	int64_t minor;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char code[4];

		currency_text(cases[i].currency, code);
		minor = 77;
		ok(money_parse(&minor, str_from(cases[i].text),
		       cases[i].currency) == cases[i].result,
		    "\"%s\" %s: result %d", cases[i].text, code,
		    cases[i].result);
		is_i64(minor, cases[i].result == MONEY_OK ? cases[i].minor : 77,
		    "and its value");
	}
}

static void
test_text(void)
{
	static const struct {
		int64_t minor;
		uint32_t currency;
		const char *text;
	} cases[] = {
	    {0, CZK, "0.00"},
	    {0, JPY, "0"},
	    {1, CZK, "0.01"},
	    {-1, CZK, "-0.01"},
	    {-310, CZK, "-3.10"},
	    {1250, CZK, "12.50"},
	    {1250, JPY, "1250"},
	    {1250, KWD, "1.250"},
	    {5, KWD, "0.005"},
	    {12345, CLF, "1.2345"},
	    {MONEY_BALANCE_MAX, CZK, "10000000000000000.00"},
	    {-MONEY_BALANCE_MAX, CLF, "-100000000000000.0000"},
	    {INT64_MAX, JPY, "9223372036854775807"},
	    {INT64_MIN, CZK, "-92233720368547758.08"},
	};
	char text[MONEY_TEXT_MAX];
	int64_t back;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len =
		    money_text(cases[i].minor, cases[i].currency, text);

		is_text(text, cases[i].text, "money as text");
		is_i64((int64_t)len, (int64_t)strlen(text), "its length");
		if (cases[i].minor > MONEY_BALANCE_MAX ||
		    cases[i].minor < -MONEY_BALANCE_MAX)
			continue;
		ok(money_parse(&back, str_from(text), cases[i].currency) ==
			    MONEY_OK &&
			back == cases[i].minor,
		    "and back again");
	}
}

int
main(void)
{
	test_sums();
	test_currencies();
	test_parse();
	test_text();
	return tap_done();
}
