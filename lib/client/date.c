#include "client/date.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire/time.h"

struct cursor {
	const char *at;
	uint32_t left;
};

static bool
take(struct cursor *c, char wanted)
{
	if (c->left == 0 || c->at[0] != wanted)
		return false;
	c->at++;
	c->left--;
	return true;
}

static bool
take_digits(struct cursor *c, uint32_t count, int *number)
{
	int sum = 0;

	if (c->left < count)
		return false;
	for (; count > 0; count--, c->at++, c->left--) {
		if (c->at[0] < '0' || c->at[0] > '9')
			return false;
		sum = sum * 10 + (c->at[0] - '0');
	}
	*number = sum;
	return true;
}

/* ".5" and so on, any number of digits: as microseconds, cut. */
static bool
take_fraction(struct cursor *c, int *us)
{
	int unit = 100000, digit, count = 0;

	*us = 0;
	if (!take(c, '.'))
		return true;
	for (; take_digits(c, 1, &digit); count++, unit /= 10)
		*us += digit * unit;
	return count > 0;
}

/* "Z" or "+02:00": seconds to the east. */
static bool
take_zone(struct cursor *c, int64_t *east_s)
{
	int hours, minutes, sign;

	*east_s = 0;
	if (take(c, 'Z') || take(c, 'z'))
		return true;
	if (take(c, '+'))
		sign = 1;
	else if (take(c, '-'))
		sign = -1;
	else
		return false;
	if (!take_digits(c, 2, &hours) || !take(c, ':') ||
	    !take_digits(c, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*east_s = (int64_t)sign * (hours * 3600 + minutes * 60);
	return true;
}

/* The calendar's own rules are the wire's: one place decides. */
static bool
wire_time(int64_t *us, struct str day, const int clock[3], int fraction_us)
{
	char text[64];
	int len;

	len = snprintf(text, sizeof(text), "%.*sT%02d:%02d:%02d.%06dZ",
	    STR_ARG(day), clock[0], clock[1], clock[2], fraction_us);
	CHECK(len > 0 && (size_t)len < sizeof(text));
	return time_parse(us, str_from(text));
}

bool
date_parse(int64_t *us, struct str text)
{
	struct cursor c = {text.at, text.len};
	struct str day = {text.at, 10};
	int clock[3] = {0, 0, 0}, number, fraction_us = 0;
	int64_t east_s = 0, result;

	if (!take_digits(&c, 4, &number) || !take(&c, '-') ||
	    !take_digits(&c, 2, &number) || !take(&c, '-') ||
	    !take_digits(&c, 2, &number))
		return false;
	if (c.left > 0) {
		if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' '))
			return false;
		if (!take_digits(&c, 2, &clock[0]) || !take(&c, ':') ||
		    !take_digits(&c, 2, &clock[1]) || !take(&c, ':') ||
		    !take_digits(&c, 2, &clock[2]) ||
		    !take_fraction(&c, &fraction_us) ||
		    !take_zone(&c, &east_s) || c.left > 0)
			return false;
	}
	if (!wire_time(&result, day, clock, fraction_us))
		return false;
	/* A zone may lead out of the years that there are, at both ends. */
	result -= east_s * US_PER_S;
	if (result < 0 || result > TIME_MAX_US)
		return false;
	*us = result;
	return true;
}

bool
date_parse_until(int64_t *us, struct str text)
{
	int64_t start_us;

	if (!date_parse(&start_us, text))
		return false;
	*us = start_us;
	if (text.len == sizeof("2026-01-31") - 1)
		*us += 24 * 3600 * US_PER_S - 1;
	return true;
}
