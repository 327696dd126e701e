/* lib/client/date: dates and times as people write them. */
#include "client/date.h"

#include "tap.h"
#include "wire/time.h"

#define DAY_US (24 * 3600 * INT64_C(1000000))

static void
test_read(void)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
	    {"1970-01-01", 0},
	    {"2026-01-31", INT64_C(1769817600000000)},
	    {"2026-01-31T12:00:00Z", INT64_C(1769860800000000)},
	    {"2026-01-31 12:00:00.5z", INT64_C(1769860800500000)},
	    {"2026-01-31T12:00:00.0000019Z", INT64_C(1769860800000001)},
	    {"2026-01-31T14:00:00+02:00", INT64_C(1769860800000000)},
	    {"2026-01-31t09:30:00-02:30", INT64_C(1769860800000000)},
	    {"1970-01-01T01:00:00+01:00", 0},
	    {"9999-12-31T23:59:59.999999Z", TIME_MAX_US},
	};
	int64_t us;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		us = -1;
		ok(date_parse(&us, str_from(cases[i].text)), "%s is read",
		    cases[i].text);
		is_i64(us, cases[i].us, "as microseconds since 1970");
	}
}

static void
test_refused(void)
{
	static const char *const cases[] = {
	    "",
	    "2026-1-31",
	    "2026-02-29",
	    "2026-01-31T",
	    "2026-01-31T12:00:00",
	    "2026-01-31T12:00Z",
	    "2026-01-31T12:00:00.Z",
	    "2026-01-31T24:00:00Z",
	    "2026-01-31T12:00:00+24:00",
	    "2026-01-31T12:00:00Zx",
	    "1969-12-31",
	    /* The zone leads to before 1970, or beyond 9999. */
	    "1970-01-01T00:59:59+01:00",
	    "9999-12-31T23:59:59-00:01",
	};
	int64_t us = -1;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(!date_parse(&us, str_from(cases[i])) &&
			!date_parse_until(&us, str_from(cases[i])) && us == -1,
		    "\"%s\" is refused", cases[i]);
}

static void
test_until(void)
{
	int64_t start = 0, us = 0;

	ok(date_parse(&start, STR("2024-02-29")) &&
		date_parse_until(&us, STR("2024-02-29")),
	    "a day as an end is read");
	is_i64(us - start, DAY_US - 1, "and ends with its last microsecond");
	ok(date_parse_until(&us, STR("2024-02-29T00:00:00Z")) && us == start,
	    "a moment as an end is that moment");
	ok(date_parse_until(&us, STR("9999-12-31")), "the last day is read");
	is_i64(us, TIME_MAX_US, "up to the end of time");
}

int
main(void)
{
	test_read();
	test_refused();
	test_until();
	return tap_done();
}
