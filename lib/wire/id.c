#include "wire/id.h"

/* The value of a lower-case hex digit, plus one; 0: none. */
static const uint8_t digit_value[256] = {
    ['0'] = 1,
    ['1'] = 2,
    ['2'] = 3,
    ['3'] = 4,
    ['4'] = 5,
    ['5'] = 6,
    ['6'] = 7,
    ['7'] = 8,
    ['8'] = 9,
    ['9'] = 10,
    ['a'] = 11,
    ['b'] = 12,
    ['c'] = 13,
    ['d'] = 14,
    ['e'] = 15,
    ['f'] = 16,
};

/* Where each octet's two digits stand; the hyphens are at 8, 13, 18, 23. */
static const uint8_t place[16] = {
    0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

bool
id_parse(struct id *id, struct str text)
{
	struct id parsed;

	if (text.len != ID_TEXT_LEN || text.at[8] != '-' ||
	    text.at[13] != '-' || text.at[18] != '-' || text.at[23] != '-')
		return false;
	for (size_t i = 0; i < 16; i++) {
		unsigned char const *digits =
		    (const unsigned char *)text.at + place[i];
		unsigned high = digit_value[digits[0]];
		unsigned low = digit_value[digits[1]];

		if (high == 0 || low == 0)
			return false;
		parsed.octets[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	*id = parsed;
	return true;
}

void
id_text(const struct id *id, char into[ID_TEXT_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i++) {
		into[place[i]] = digits[id->octets[i] >> 4];
		into[place[i] + 1] = digits[id->octets[i] & 15];
	}
	into[8] = into[13] = into[18] = into[23] = '-';
	into[ID_TEXT_LEN] = '\0';
}
