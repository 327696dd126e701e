#include "auth/base64url.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz"
			      "0123456789-_";

size_t
base64url_write(char *into, const void *octets, size_t len)
{
	const uint8_t *at = octets;
	uint32_t bits = 0;
	unsigned held = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | at[i]) & 0xffff;
		for (held += 8; held >= 6; held -= 6)
			into[n++] = letters[bits >> (held - 6) & 0x3f];
	}
	if (held > 0)
		into[n++] = letters[bits << (6 - held) & 0x3f];
	return n;
}

/* A character's six bits, or 64. */
static uint32_t
bits_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : 64;
}

bool
base64url_read(uint8_t *into, size_t size, size_t *len, struct str text)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t n = 0;

	/* One character alone would hold no whole octet. */
	if (text.len % 4 == 1 || BASE64URL_OCTETS((size_t)text.len) > size)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		uint32_t six = bits_of(text.at[i]);

		if (six > 63)
			return false;
		bits = (bits << 6 | six) & 0xffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			into[n++] = (uint8_t)(bits >> held);
		}
	}
	*len = n;
	return (bits & ((1u << held) - 1)) == 0;
}
