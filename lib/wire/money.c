#include "wire/money.h"

#include "base/check.h"
#include "wire/internal.h"

static const struct {
	char code[4];
	uint8_t exponent;
} currencies[] = {
#define ISO4217(code, exponent) {#code, exponent},
#include "wire/currency.def"
#undef ISO4217
};
#define CURRENCIES (sizeof(currencies) / sizeof(currencies[0]))

static uint32_t
pack(const char *code)
{
	return CURRENCY((unsigned char)code[0], (unsigned char)code[1],
	    (unsigned char)code[2]);
}

/* Its row in the sorted table, or CURRENCIES. */
static size_t
currency_row(uint32_t currency)
{
	size_t low = 0, count = CURRENCIES;

	while (count > 1) {
		size_t half = count / 2;

		if (pack(currencies[low + half].code) <= currency)
			low += half;
		count -= half;
	}
	return pack(currencies[low].code) == currency ? low : CURRENCIES;
}

bool
currency_parse(uint32_t *currency, struct str text)
{
	uint32_t packed;

	if (text.len != 3)
		return false;
	packed = pack(text.at);
	if (currency_row(packed) == CURRENCIES)
		return false;
	*currency = packed;
	return true;
}

void
currency_text(uint32_t currency, char into[4])
{
	into[0] = (char)(currency >> 16);
	into[1] = (char)(currency >> 8);
	into[2] = (char)currency;
	into[3] = '\0';
}

int
currency_exponent(uint32_t currency)
{
	size_t row = currency_row(currency);

	CHECK(row < CURRENCIES);
	return currencies[row].exponent;
}

static bool
in_range(int64_t sum)
{
	return sum >= -MONEY_BALANCE_MAX && sum <= MONEY_BALANCE_MAX;
}

bool
money_add(int64_t a, int64_t b, int64_t *sum)
{
	int64_t result;

	if (__builtin_add_overflow(a, b, &result) || !in_range(result))
		return false;
	*sum = result;
	return true;
}

bool
money_sub(int64_t a, int64_t b, int64_t *difference)
{
	int64_t result;

	if (__builtin_sub_overflow(a, b, &result) || !in_range(result))
		return false;
	*difference = result;
	return true;
}

/* The two halves of decimal text: digits before and after the point. */
static bool
split_decimal(struct str text, struct str *whole, struct str *decimals)
{
	const char *point;

	*whole = text;
	*decimals = STR_NONE;
	if (text.len == 0)
		return false;
	point = memchr(text.at, '.', text.len);
	if (point != NULL) {
		whole->len = (uint32_t)(point - text.at);
		*decimals = (struct str){point + 1, text.len - whole->len - 1};
		if (decimals->len == 0)
			return false;
	}
	for (uint32_t i = 0; i < whole->len; i++)
		if (whole->at[i] < '0' || whole->at[i] > '9')
			return false;
	for (uint32_t i = 0; i < decimals->len; i++)
		if (decimals->at[i] < '0' || decimals->at[i] > '9')
			return false;
	return whole->len == 1 || (whole->len > 1 && whole->at[0] != '0');
}

/* sum * 10 + digit; false where that is more than any balance. */
static bool
append_digit(int64_t *sum, char digit)
{
	if (*sum > MONEY_BALANCE_MAX / 10)
		return false;
	*sum = *sum * 10 + (digit - '0');
	return *sum <= MONEY_BALANCE_MAX;
}

enum money_parse
money_parse(int64_t *minor, struct str text, uint32_t currency)
{
	uint32_t exponent = (uint32_t)currency_exponent(currency);
	bool negative = text.len > 0 && text.at[0] == '-';
	struct str whole, decimals;
	int64_t sum = 0;

	if (negative)
		text = (struct str){text.at + 1, text.len - 1};
	if (!split_decimal(text, &whole, &decimals))
		return MONEY_MALFORMED;
	if (decimals.len > exponent)
		return MONEY_TOO_PRECISE;
	for (uint32_t i = 0; i < whole.len; i++)
		if (!append_digit(&sum, whole.at[i]))
			return MONEY_RANGE;
	for (uint32_t i = 0; i < exponent; i++)
		if (!append_digit(
			&sum, i < decimals.len ? decimals.at[i] : '0'))
			return MONEY_RANGE;
	/* "-0" would be a second way to write nothing. */
	if (negative && sum == 0)
		return MONEY_MALFORMED;
	*minor = negative ? -sum : sum;
	return MONEY_OK;
}

size_t
money_text(int64_t minor, uint32_t currency, char into[MONEY_TEXT_MAX])
{
	int exponent = currency_exponent(currency);
	uint64_t left = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
	char reversed[MONEY_TEXT_MAX];
	size_t len = 0, written = 0;

	for (int i = 0; i <= exponent || left > 0; i++) {
		if (i > 0 && i == exponent)
			reversed[len++] = '.';
		reversed[len++] = (char)('0' + left % 10);
		left /= 10;
	}
	if (minor < 0)
		into[written++] = '-';
	while (len > 0)
		into[written++] = reversed[--len];
	into[written] = '\0';
	return written;
}
