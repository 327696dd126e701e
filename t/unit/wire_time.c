/* lib/wire/time: RFC 3339 in UTC with six decimals. */
#include "wire/time.h"

#include <time.h>

#include "tap.h"

static void
test_known(void)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
	    {"1970-01-01T00:00:00.000000Z", 0},
	    {"1970-01-01T00:00:00.000001Z", 1},
	    {"1999-12-31T23:59:59.999999Z", INT64_C(946684799999999)},
	    {"2000-02-29T00:00:00.000000Z", INT64_C(951782400000000)},
	    {"2026-01-31T12:00:00.000000Z", INT64_C(1769860800000000)},
	    {"2038-01-19T03:14:08.000000Z", INT64_C(2147483648000000)},
	    {"2100-03-01T00:00:00.000000Z", INT64_C(4107542400000000)},
	    {"9999-12-31T23:59:59.999999Z", TIME_MAX_US},
	};
	char text[TIME_TEXT_LEN + 1];
	int64_t us;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ok(time_parse(&us, str_from(cases[i].text)), "%s is read",
		    cases[i].text);
		is_i64(us, cases[i].us, "as microseconds since 1970");
		time_text(us, text);
		is_text(text, cases[i].text, "and written as it was");
	}
}

static void
test_refused(void)
{
	static const char *const bad[] = {
	    "",
	    "1969-12-31T23:59:59.999999Z",
	    "10000-01-01T00:00:00.000000Z",
	    "2026-00-10T00:00:00.000000Z",
	    "2026-13-10T00:00:00.000000Z",
	    "2026-01-00T00:00:00.000000Z",
	    "2026-01-32T00:00:00.000000Z",
	    "2026-04-31T00:00:00.000000Z",
	    "2026-02-29T00:00:00.000000Z",
	    "2100-02-29T00:00:00.000000Z",
	    "2024-02-30T00:00:00.000000Z",
	    "2026-01-31T24:00:00.000000Z",
	    "2026-01-31T12:60:00.000000Z",
	    "2026-01-31T12:00:60.000000Z",
	    "2016-12-31T23:59:60.000000Z",
	    "2026-01-31T12:00:00Z",
	    "2026-01-31T12:00:00.000Z",
	    "2026-01-31T12:00:00.0000000Z",
	    "2026-01-31T12:00:00,000000Z",
	    "2026-01-31t12:00:00.000000Z",
	    "2026-01-31T12:00:00.000000z",
	    "2026-01-31 12:00:00.000000Z",
	    "2026-01-31T12:00:00.000000+",
	    "2026-01-31T12:00:00.00000+00:00",
	    "2026-1-31T12:00:00.000000Z0",
	    "+026-01-31T12:00:00.000000Z",
	    "2026-01-31T12:00:00.00000xZ",
	    " 026-01-31T12:00:00.000000Z",
	};
	int64_t us = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!time_parse(&us, str_from(bad[i])), "\"%s\" is refused",
		    bad[i]);
	is_i64(us, 7, "a refused time changes nothing");
}

/* Every day from 1970 to 9999 against the C library's calendar. */
static void
test_every_day(void)
{
	char text[TIME_TEXT_LEN + 1], want[64];
	unsigned wrong = 0;

	for (int64_t s = 86399; s * 1000000 <= TIME_MAX_US; s += 86400 - 1) {
		time_t seconds = (time_t)s;
		struct tm tm;
		int64_t back;

		gmtime_r(&seconds, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000042Z", &tm);
		time_text(s * 1000000 + 42, text);
		wrong += strcmp(text, want) != 0;
		wrong += !time_parse(&back, str_from(text)) ||
		    back != s * 1000000 + 42;
	}
	is_i64(wrong, 0, "every day up to 9999 is the C library's");
}

int
main(void)
{
	test_known();
	test_refused();
	test_every_day();
	return tap_done();
}
