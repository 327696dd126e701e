/* Numbers of sessions and tokens, EPOCH.COUNTER. */
#include "wire/jti.h"

#include "tap.h"

static bool
reads(const char *text)
{
	struct jti jti;

	return jti_parse(&jti, str_from(text));
}

int
main(void)
{
	char text[JTI_TEXT_MAX + 1];
	struct jti jti;

	ok(jti_parse(&jti, STR("3.17")) && jti.epoch == 3 && jti.counter == 17,
	    "epoch and counter");
	jti_text(jti, text);
	is_text(text, "3.17", "and back");
	jti_text((struct jti){UINT64_MAX, UINT64_MAX}, text);
	is_text(text, "18446744073709551615.18446744073709551615",
	    "the largest fits");
	ok(reads(text) && reads("0.0"), "and is read; so is the smallest");
	ok(!reads("") && !reads("1") && !reads("1.") && !reads(".1") &&
		!reads("."),
	    "both numbers must be there");
	ok(!reads("1.2.3") && !reads("01.2") && !reads("1.02") &&
		!reads("-1.2") && !reads("1.+2") && !reads(" 1.2") &&
		!reads("18446744073709551616.1"),
	    "in their one form");
	ok(jti_newer((struct jti){2, 1}, (struct jti){1, 9}) &&
		jti_newer((struct jti){1, 2}, (struct jti){1, 1}) &&
		!jti_newer((struct jti){1, 1}, (struct jti){1, 1}) &&
		!jti_newer((struct jti){1, 9}, (struct jti){2, 1}),
	    "the epoch counts before the counter");
	ok(jti_eq((struct jti){1, 2}, (struct jti){1, 2}) &&
		!jti_eq((struct jti){1, 2}, (struct jti){2, 1}),
	    "equal is equal in both");
	return tap_done();
}
