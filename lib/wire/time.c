#include "wire/time.h"

#include <string.h>

#include "base/check.h"

#define US_PER_DAY (INT64_C(86400) * 1000000)

/* What stands where: digits are '0', everything else stands for itself. */
static const char pattern[] = "0000-00-00T00:00:00.000000Z";

/*
 * The Gregorian calendar reckoned in years that start on 1 March, so that the
 * leap day is a year's last, in eras of 400 years (146,097 days).
 */
static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t from_march = (month + 9) % 12;
	int64_t era, year_of_era, day_of_year;

	if (month <= 2)
		year--;
	era = year / 400;
	year_of_era = year % 400;
	day_of_year = (153 * from_march + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
	    year_of_era / 100 + day_of_year - 719468;
}

static void
date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t day_of_era = (days + 719468) % 146097;
	int64_t era = (days + 719468) / 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 +
				  day_of_era / 36524 - day_of_era / 146096) /
	    365;
	int64_t day_of_year = day_of_era -
	    (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * day_of_year + 2) / 153;

	*day = day_of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = era * 400 + year_of_era + (*month <= 2 ? 1 : 0);
}

static int64_t
days_in_month(int64_t year, int64_t month)
{
	static const uint8_t days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static int64_t
digits_at(struct str text, uint32_t start, uint32_t count)
{
	int64_t sum = 0;

	for (uint32_t i = start; i < start + count; i++)
		sum = sum * 10 + (text.at[i] - '0');
	return sum;
}

bool
time_parse(int64_t *us, struct str text)
{
	int64_t year, month, day, hour, minute, second;

	if (text.len != TIME_TEXT_LEN)
		return false;
	for (uint32_t i = 0; i < TIME_TEXT_LEN; i++)
		if (pattern[i] == '0' ? text.at[i] < '0' || text.at[i] > '9'
				      : text.at[i] != pattern[i])
			return false;
	year = digits_at(text, 0, 4);
	month = digits_at(text, 5, 2);
	day = digits_at(text, 8, 2);
	hour = digits_at(text, 11, 2);
	minute = digits_at(text, 14, 2);
	second = digits_at(text, 17, 2);
	/* A leap second has no place in a count of seconds since 1970. */
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month) || hour > 23 || minute > 59 ||
	    second > 59)
		return false;
	*us = days_from_date(year, month, day) * US_PER_DAY +
	    ((hour * 60 + minute) * 60 + second) * 1000000 +
	    digits_at(text, 20, 6);
	return true;
}

static void
digits_write(char *at, uint32_t count, int64_t number)
{
	while (count > 0) {
		at[--count] = (char)('0' + number % 10);
		number /= 10;
	}
}

void
time_text(int64_t us, char into[TIME_TEXT_LEN + 1])
{
	int64_t days = us / US_PER_DAY, left = us % US_PER_DAY;
	int64_t year, month, day;

	CHECK(us >= 0 && us <= TIME_MAX_US);
	memcpy(into, pattern, sizeof(pattern));
	date_from_days(days, &year, &month, &day);
	digits_write(into, 4, year);
	digits_write(into + 5, 2, month);
	digits_write(into + 8, 2, day);
	digits_write(into + 20, 6, left % 1000000);
	left /= 1000000;
	digits_write(into + 17, 2, left % 60);
	digits_write(into + 14, 2, left / 60 % 60);
	digits_write(into + 11, 2, left / 3600);
}
