#include "base/hex.h"

void
hex_write(char *into, const uint8_t *octets, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		into[2 * i] = digits[octets[i] >> 4];
		into[2 * i + 1] = digits[octets[i] & 15];
	}
}

/* A digit's value, and DIGIT to tell it from what is none. */
#define DIGIT 0x10
static const uint8_t values[256] = {
    ['0'] = DIGIT | 0,
    ['1'] = DIGIT | 1,
    ['2'] = DIGIT | 2,
    ['3'] = DIGIT | 3,
    ['4'] = DIGIT | 4,
    ['5'] = DIGIT | 5,
    ['6'] = DIGIT | 6,
    ['7'] = DIGIT | 7,
    ['8'] = DIGIT | 8,
    ['9'] = DIGIT | 9,
    ['a'] = DIGIT | 10,
    ['b'] = DIGIT | 11,
    ['c'] = DIGIT | 12,
    ['d'] = DIGIT | 13,
    ['e'] = DIGIT | 14,
    ['f'] = DIGIT | 15,
};

/*
 * Every record and every vote carries digests in hex, and random digits defeat
 * the prediction of branches: so the loop has none but its own.
 */
bool
hex_read(uint8_t *octets, size_t len, struct str text)
{
	uint8_t all = DIGIT;

	if (text.len % 2 != 0 || text.len / 2 != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t high = values[(uint8_t)text.at[2 * i]];
		uint8_t low = values[(uint8_t)text.at[2 * i + 1]];

		all &= high & low;
		octets[i] = (uint8_t)(high << 4 | (low & 0x0f));
	}
	return (all & DIGIT) != 0;
}
