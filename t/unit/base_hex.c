#include "base/hex.h"

#include "tap.h"

int
main(void)
{
	const uint8_t octets[] = {0x00, 0x09, 0x0a, 0x7f, 0x80, 0xff};
	uint8_t back[6] = {0};
	char text[14] = "............x";

	hex_write(text, octets, sizeof(octets));
	is_text(text, "00090a7f80ffx", "written in lower case, without a NUL");
	text[12] = '\0';
	ok(hex_read(back, sizeof(back), str_from(text)) &&
		memcmp(back, octets, sizeof(back)) == 0,
	    "what was written is read back");
	for (unsigned i = 0; i < 256; i++) {
		char pair[2] = {'0', (char)i};
		bool digit = (i >= '0' && i <= '9') || (i >= 'a' && i <= 'f');

		if (hex_read(back, 1, (struct str){pair, 2}) != digit)
			ok(false, "octet %u as a digit", i);
		pair[0] = (char)i;
		pair[1] = '0';
		if (hex_read(back, 1, (struct str){pair, 2}) != digit)
			ok(false, "octet %u as a first digit", i);
	}
	ok(hex_read(back, 1, STR("e9")) && back[0] == 0xe9,
	    "all 16 digits are read, and nothing else is one");
	ok(!hex_read(back, 2, STR("g000")) && !hex_read(back, 2, STR("000g")),
	    "no digit is made good by those after or before it");
	ok(!hex_read(back, 1, STR("0")), "one digit is too short");
	ok(!hex_read(back, 1, STR("000")), "three digits are too long");
	ok(!hex_read(back, 1, STR("")), "nothing is too short for one octet");
	ok(!hex_read(back, 1, STR("Aa")), "capitals are refused");
	ok(!hex_read(back, 1, STR("xa")), "the first digit is checked too");
	ok(hex_read(back, 0, STR("")), "no octets are no digits");
	return tap_done();
}
