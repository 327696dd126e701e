/* Base 64 for URLs: RFC 4648's vectors, and all that is refused. */
#include "auth/base64url.h"

#include "tap.h"

static const char *
written(const void *octets, size_t len)
{
	static char text[64];

	text[base64url_write(text, octets, len)] = '\0';
	return text;
}

static bool
reads(const char *text)
{
	uint8_t octets[64];
	size_t len;

	return base64url_read(octets, sizeof(octets), &len, str_from(text));
}

static void
test_vectors(void)
{
	static const char *const pairs[][2] = {
	    {"", ""},
	    {"f", "Zg"},
	    {"fo", "Zm8"},
	    {"foo", "Zm9v"},
	    {"foob", "Zm9vYg"},
	    {"fooba", "Zm9vYmE"},
	    {"foobar", "Zm9vYmFy"},
	};
	uint8_t octets[64];
	size_t len;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *plain = pairs[i][0], *text = pairs[i][1];

		is_text(written(plain, strlen(plain)), text, text);
		ok(base64url_read(
		       octets, sizeof(octets), &len, str_from(text)) &&
			len == strlen(plain) && memcmp(octets, plain, len) == 0,
		    "and back");
		is_i64(
		    BASE64URL_LEN(strlen(plain)), strlen(text), "its length");
	}
	is_text(written("\xfb\xff\xbf", 3), "-_-_", "- and _ of URLs");
}

/* Every octet, at every place of a group of three. */
static void
test_all_octets(void)
{
	uint8_t in[3 * 256], out[3 * 256];
	char text[4 * 256];
	size_t bad = 0, len;

	for (uint32_t cut = 0; cut < 3; cut++) {
		for (uint32_t i = 0; i < sizeof(in); i++)
			in[i] = (uint8_t)(i * 7 + cut);
		len = base64url_write(text, in, sizeof(in) - cut);
		if (!base64url_read(out, sizeof(out), &len,
			(struct str){text, (uint32_t)len}) ||
		    len != sizeof(in) - cut || memcmp(in, out, len) != 0)
			bad++;
	}
	is_i64(bad, 0, "any octets come back as they were");
}

static void
test_refused(void)
{
	uint8_t octets[2];
	size_t len;

	ok(reads("Zm8") && !reads("Zm8="), "padding");
	ok(!reads("Zg=="), "more padding");
	ok(!reads("Z") && !reads("Zm9vY"), "a length that no octets have");
	ok(reads("-_-_") && !reads("+/+/"), "the alphabet of plain base 64");
	ok(!reads("Zm 9v") && !reads("Zm9v\n") && !reads("Zm.v") &&
		!reads("Zm\xc3\xa9v"),
	    "what is of no alphabet");
	ok(!reads("Zh") && !reads("Zk") && !reads("Zo") && !reads("Zi"),
	    "bits left over that are not zero, of four");
	ok(!reads("Zm9") && !reads("Zm-"), "or of two");
	ok(!base64url_read(octets, sizeof(octets), &len, STR("Zm9v")),
	    "what does not fit");
	ok(base64url_read(octets, sizeof(octets), &len, STR("Zm8")),
	    "while what just fits does");
}

int
main(void)
{
	test_vectors();
	test_all_octets();
	test_refused();
	return tap_done();
}
