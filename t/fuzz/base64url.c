/* Octets have one text, and a text that is taken is the one they have. */
#include "fuzz.h"

#include "auth/base64url.h"

#define OCTETS_MAX 4096

static void
check_octets(const uint8_t *octets, size_t len)
{
	static char text[BASE64URL_LEN(OCTETS_MAX)];
	static uint8_t back[OCTETS_MAX];
	size_t text_len = base64url_write(text, octets, len), back_len = 0;

	CHECK(text_len == BASE64URL_LEN(len));
	CHECK(base64url_read(back, sizeof(back), &back_len,
	    (struct str){text, (uint32_t)text_len}));
	CHECK(back_len == len && memcmp(back, octets, len) == 0);
	CHECK(len == 0 ||
	    !base64url_read(back, len - 1, &back_len,
		(struct str){text, (uint32_t)text_len}));
}

static void
check_text(struct str text)
{
	static char again[OCTETS_MAX], in_place[OCTETS_MAX];
	static uint8_t octets[OCTETS_MAX];
	size_t len = 0, same = 0;

	if (!base64url_read(octets, sizeof(octets), &len, text))
		return;
	CHECK(len == BASE64URL_OCTETS((size_t)text.len));
	CHECK(base64url_write(again, octets, len) == text.len);
	CHECK(memcmp(again, text.at, text.len) == 0);
	memcpy(in_place, text.at, text.len);
	CHECK(base64url_read((uint8_t *)in_place, sizeof(in_place), &same,
	    (struct str){in_place, text.len}));
	CHECK(same == len && memcmp(in_place, octets, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	if (len == 0 || len > OCTETS_MAX)
		return 0;
	check_octets(octets, len);
	check_text(fuzz_text(octets, len));
	return 0;
}
