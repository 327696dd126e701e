/* The examples of FIPS 180-4, and that a context is reused without residue. */
#include "base/digest.h"

#include "base/hex.h"
#include "tap.h"

#define LONGER "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

static const char *
sha256(const struct str *parts, size_t count)
{
	static char text[65];
	uint8_t out[32];

	digest_sha256(parts, count, out);
	hex_write(text, out, sizeof(out));
	return text;
}

static const char *
sha1(const struct str *parts, size_t count)
{
	static char text[41];
	uint8_t out[20];

	digest_sha1(parts, count, out);
	hex_write(text, out, sizeof(out));
	return text;
}

int
main(void)
{
	const struct str abc[] = {STR("abc")}, longer[] = {STR(LONGER)};
	const struct str parts[] = {STR("a"), STR(""), STR("bc")};
	const char *const abc256 =
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	const char *const abc1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
	uint8_t first[1000] = {0}, second[1000] = {0};
	size_t zeros = 0;

	is_text(sha256(abc, 1), abc256, "SHA-256 of abc");
	is_text(sha256(longer, 1),
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
	    "SHA-256 of two blocks");
	is_text(sha256(NULL, 0),
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "SHA-256 of nothing");
	is_text(sha256(parts, 3), abc256, "parts are digested as one");
	is_text(sha1(abc, 1), abc1, "SHA-1 of abc");
	is_text(sha1(longer, 1), "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
	    "SHA-1 of two blocks");
	is_text(sha256(abc, 1), abc256, "SHA-256 again, after others");
	is_text(sha1(parts, 3), abc1, "SHA-1 again, in parts");

	digest_random(first, sizeof(first));
	digest_random(second, sizeof(second));
	ok(memcmp(first, second, sizeof(first)) != 0,
	    "two random strings differ");
	for (size_t i = 0; i < sizeof(first); i++)
		zeros += first[i] == 0;
	ok(zeros < 100, "a long random string is filled to its end");
	digest_random(first, 0);
	ok(true, "no random octets are no trouble");
	return tap_done();
}
