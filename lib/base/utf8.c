#include "base/utf8.h"

size_t
utf8_next(const char *at, size_t len, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = (uint8_t)at[0];
	uint32_t c;
	size_t size;

	if (first < 0x80) {
		*character = first;
		return 1;
	}
	size = first < 0xc0 ? 0
	    : first < 0xe0  ? 2
	    : first < 0xf0  ? 3
	    : first < 0xf8  ? 4
			    : 0;
	if (size == 0 || size > len)
		return 0;
	c = first & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		uint8_t next = (uint8_t)at[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*character = c;
	return size;
}

bool
utf8_is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}
