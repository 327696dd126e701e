#include "wire/internal.h"

bool
number_read(uint64_t *number, struct str text)
{
	uint64_t sum = 0;

	if (text.len == 0 || text.len > NUMBER_TEXT_MAX)
		return false;
	if (text.at[0] == '0' && text.len > 1)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned char)text.at[i] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) ||
		    __builtin_add_overflow(sum, digit, &sum))
			return false;
	}
	*number = sum;
	return true;
}

char *
number_write(char *at, const char *end, uint64_t number)
{
	char digits[NUMBER_TEXT_MAX];
	size_t start = sizeof(digits), len;

	do {
		digits[--start] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	len = sizeof(digits) - start;
	if ((size_t)(end - at) < len)
		return NULL;
	memcpy(at, digits + start, len);
	return at + len;
}
