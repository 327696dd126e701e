/*
 * Amounts of money and times. The first three octets are the currency, if they
 * are one. What is read is what a simpler way to read it says, and printed it
 * reads the same.
 */
#include "fuzz.h"

#include "client/date.h"
#include "wire/money.h"
#include "wire/time.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digit by digit, with more room than any amount takes. */
static __int128
count_minor(struct str text, int exponent)
{
	__int128 sum = 0;
	int decimals = -1;

	for (uint32_t i = 0; i < text.len; i++) {
		if (is_digit(text.at[i]))
			sum = sum * 10 + (text.at[i] - '0');
		if (text.at[i] == '.')
			decimals = 0;
		else if (decimals >= 0)
			decimals++;
	}
	for (int i = decimals < 0 ? 0 : decimals; i < exponent; i++)
		sum *= 10;
	return text.at[0] == '-' ? -sum : sum;
}

static void
check_money(struct str text, uint32_t currency)
{
	char again[MONEY_TEXT_MAX];
	int64_t minor = 0, back = 0;
	size_t len;

	if (money_parse(&minor, text, currency) != MONEY_OK)
		return;
	CHECK(minor >= -MONEY_BALANCE_MAX && minor <= MONEY_BALANCE_MAX);
	CHECK(minor == count_minor(text, currency_exponent(currency)));
	len = money_text(minor, currency, again);
	CHECK(len == strlen(again) && len < sizeof(again) && len >= text.len);
	CHECK(money_parse(&back, str_from(again), currency) == MONEY_OK);
	CHECK(back == minor);
}

static void
check_sums(struct fuzz_input in)
{
	int64_t a = 0, b = 0, sum = 1, difference = 1;
	__int128 wide;

	for (int i = 0; i < 8; i++) {
		a = (int64_t)((uint64_t)a << 8 | fuzz_octet(&in));
		b = (int64_t)((uint64_t)b << 8 | fuzz_octet(&in));
	}
	wide = (__int128)a + b;
	if (money_add(a, b, &sum))
		CHECK(sum == wide);
	else
		CHECK(sum == 1 &&
		    (wide > MONEY_BALANCE_MAX || wide < -MONEY_BALANCE_MAX));
	wide = (__int128)a - b;
	if (money_sub(a, b, &difference))
		CHECK(difference == wide);
	else
		CHECK(difference == 1 &&
		    (wide > MONEY_BALANCE_MAX || wide < -MONEY_BALANCE_MAX));
}

static void
check_times(struct str text)
{
	char again[TIME_TEXT_LEN + 1];
	int64_t us = -1, back = -1, until = -1;

	if (time_parse(&us, text)) {
		CHECK(us >= 0 && us <= TIME_MAX_US);
		time_text(us, again);
		CHECK(str_is(text, again));
		CHECK(date_parse(&back, text) && back == us);
	}
	if (!date_parse(&us, text)) {
		CHECK(!date_parse_until(&until, text));
		return;
	}
	CHECK(us >= 0 && us <= TIME_MAX_US);
	time_text(us, again);
	CHECK(time_parse(&back, str_from(again)) && back == us);
	CHECK(date_parse_until(&until, text));
	CHECK(until >= us && until <= TIME_MAX_US);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	uint32_t currency;

	if (len < 3)
		return 0;
	if (currency_parse(&currency, fuzz_text(octets, 3))) {
		char code[4];

		currency_text(currency, code);
		CHECK(memcmp(code, octets, 3) == 0);
	} else {
		currency = CURRENCY('C', 'Z', 'K');
	}
	check_money(fuzz_text(octets + 3, len - 3), currency);
	check_sums((struct fuzz_input){octets + 3, len - 3});
	check_times(fuzz_text(octets + 3, len - 3));
	check_times(fuzz_text(octets, len));
	return 0;
}
