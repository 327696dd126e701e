/* lib/wire/id: UUIDs as text, from a key and from a counter (RFC 9562). */
#include "wire/id.h"

#include "tap.h"
#include "wire/internal.h"

static void
test_text(void)
{
	static const char *const good[] = {
	    "2ed6657d-e927-568b-95e1-2665a8aea6a2",
	    "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0", /* RFC 9562, B.1 */
	    "5c146b14-3c52-8afd-938a-375d0df1fbf6", /* RFC 9562, B.2 */
	    "c232ab00-9414-11ec-b3c8-9f6bdeced846", /* A.1, version 1 */
	    "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", /* A.6, version 7 */
	    "00000000-0000-0000-0000-000000000000",
	    "ffffffff-ffff-ffff-ffff-ffffffffffff",
	};
	static const char *const bad[] = {
	    "",
	    "2ED6657D-E927-568B-95E1-2665A8AEA6A2",
	    "2ed6657d-e927-568b-95e1-2665a8aea6a",
	    "2ed6657d-e927-568b-95e1-2665a8aea6a20",
	    "2ed6657de927-568b-95e1-2665a8aea6a2-",
	    "2ed6657d-e927-568b-95e1_2665a8aea6a2",
	    "2ed6657de-927-568b-95e1-2665a8aea6a2",
	    "2ed6657g-e927-568b-95e1-2665a8aea6a2",
	    "{ed6657d-e927-568b-95e1-2665a8aea6a}",
	    "2ed6657de927568b95e12665a8aea6a2",
	    "2ed6657d-e927-568b-95e1-2665a8aea6\xc3\xa9",
	};
	char text[ID_TEXT_LEN + 1];
	struct id id, before;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ok(id_parse(&id, str_from(good[i])), "%s is read", good[i]);
		id_text(&id, text);
		is_text(text, good[i], "and written as it was");
	}
	before = id;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!id_parse(&id, str_from(bad[i])), "\"%s\" is refused",
		    bad[i]);
	ok(id_eq(&id, &before), "a refused id changes nothing");
	ok(id_parse(&id, str_from(good[0])) &&
		id_parse(&before, str_from(good[1])) && !id_eq(&id, &before),
	    "different ids differ");
}

static void
is_id(struct id id, const char *want, const char *what)
{
	char text[ID_TEXT_LEN + 1];

	id_text(&id, text);
	is_text(text, want, what);
}

static void
test_from_key(void)
{
	struct id dns;
	const struct str name[] = {STR("www."), STR("example.com")};

	ok(id_parse(&dns, STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
	    "the namespace for DNS");
	is_id(id_named(&dns, name, 2), "2ed6657d-e927-568b-95e1-2665a8aea6a2",
	    "UUIDv5 of RFC 9562, A.4");
	is_id(id_from_key(STR("alice"), STR("invoice-1")),
	    "e2c7a1de-5e0b-54e6-be3c-6dd189e63a25",
	    "a key gives the same id for ever");
	is_id(id_from_key(STR("al"), STR("iceinvoice-1")),
	    "3bf4ae45-a9f3-5098-be03-e7d3301fd500",
	    "where user and key meet matters");
	is_id(id_from_key(STR_NONE, STR_NONE),
	    "b37f5946-0066-549d-b784-f551c949ba49",
	    "an empty key of nobody is an id too");
}

static void
test_generate(void)
{
	const uint8_t node[6] = {0x24, 0x89, 0xe9, 0xad, 0x2e, 0xe2};

	is_id(id_generate(node, 0, 0), "2489e9ad-2ee2-8000-8000-000000000000",
	    "version 8, variant 2, node first");
	is_id(id_generate(node, ID_COUNTER_MAX, 0),
	    "2489e9ad-2ee2-8fff-bfff-ffff00000000", "42 bits of counter");
	is_id(id_generate(node, 0, UINT32_MAX),
	    "2489e9ad-2ee2-8000-8000-0000ffffffff", "32 bits of chance");
	is_id(id_generate(node, UINT64_C(0x20000000001), 0x01020304),
	    "2489e9ad-2ee2-8800-8000-000101020304",
	    "the counter is big-endian around the variant");
	is_id(id_generate(node, UINT64_C(1) << 30, 0),
	    "2489e9ad-2ee2-8001-8000-000000000000",
	    "its bit 30 is the last before the variant");
	is_id(id_generate(node, UINT64_C(1) << 29, 0),
	    "2489e9ad-2ee2-8000-a000-000000000000",
	    "and bit 29 the first after");
}

int
main(void)
{
	test_text();
	test_from_key();
	test_generate();
	return tap_done();
}
