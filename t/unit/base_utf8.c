/* utf8.h: each number's own form is read, and nothing else is (RFC 3629). */
#include "base/utf8.h"

#include "tap.h"

/* The one legal form of a number, written down a second time. */
static size_t
encode(uint32_t c, char at[4])
{
	if (c < 0x80) {
		at[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		at[0] = (char)(0xc0 | c >> 6);
		at[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		at[0] = (char)(0xe0 | c >> 12);
		at[1] = (char)(0x80 | (c >> 6 & 0x3f));
		at[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	at[0] = (char)(0xf0 | c >> 18);
	at[1] = (char)(0x80 | (c >> 12 & 0x3f));
	at[2] = (char)(0x80 | (c >> 6 & 0x3f));
	at[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static bool
is_surrogate(uint32_t c)
{
	return c >= 0xd800 && c <= 0xdfff;
}

/* How many numbers up to `last` are not read as they should be. */
static uint32_t
misread(uint32_t last)
{
	uint32_t count = 0;

	for (uint32_t c = 0; c <= last; c++) {
		bool legal = c <= 0x10ffff && !is_surrogate(c);
		uint32_t read = 0;
		char at[4];
		size_t len = encode(c, at);
		size_t size = utf8_next(at, len, &read);

		if (legal ? size != len || read != c : size != 0)
			count++;
		/* Cut in half it is nothing. */
		if (len > 1 && utf8_next(at, len - 1, &read) != 0)
			count++;
	}
	return count;
}

/* How many sequences of two, three and four octets are longer than need be. */
static uint32_t
overlong_read(void)
{
	uint32_t count = 0, read;
	char at[4];

	for (uint32_t c = 0; c < 0x10000; c++) {
		at[0] = (char)0xf0;
		at[1] = (char)(0x80 | c >> 12);
		at[2] = (char)(0x80 | (c >> 6 & 0x3f));
		at[3] = (char)(0x80 | (c & 0x3f));
		count += utf8_next(at, 4, &read) != 0;
		at[1] = (char)(0xe0 | c >> 12);
		count += c < 0x800 && utf8_next(at + 1, 3, &read) != 0;
		at[2] = (char)(0xc0 | (c >> 6 & 0x3f));
		count += c < 0x80 && utf8_next(at + 2, 2, &read) != 0;
	}
	return count;
}

/* How many octets may follow a first one, or stand first, that may not. */
static uint32_t
strays_read(void)
{
	uint32_t count = 0, read;

	for (unsigned octet = 0; octet < 256; octet++) {
		char follow[2] = {(char)0xc3, (char)octet};
		char first[4] = {
		    (char)octet, (char)0x80, (char)0x80, (char)0x80};
		bool may_follow = octet >= 0x80 && octet < 0xc0;
		bool never_first =
		    (octet >= 0x80 && octet < 0xc2) || octet >= 0xf5;

		count += (utf8_next(follow, 2, &read) == 2) != may_follow;
		count += never_first && utf8_next(first, 4, &read) != 0;
	}
	return count;
}

int
main(void)
{
	uint32_t controls = 0;

	ok(misread(0x1fffff) == 0, "every number's form, and no surrogate's");
	ok(overlong_read() == 0, "no overlong form");
	ok(strays_read() == 0, "no octet out of place");
	for (uint32_t c = 0; c < 0x110000; c++)
		controls += utf8_is_control(c);
	ok(controls == 65, "C0, DEL and C1 are 65");
	ok(utf8_is_control(0) && utf8_is_control(0x1f) &&
		utf8_is_control(0x7f) && utf8_is_control(0x9f) &&
		!utf8_is_control(' ') && !utf8_is_control(0xa0),
	    "and no others");
	return tap_done();
}
