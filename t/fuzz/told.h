/*
 * What the programs would say on standard error is looked at instead. Stands in
 * the place of err.h's functions in the whole target.
 */
#ifndef STRIFE_T_FUZZ_TOLD_H
#define STRIFE_T_FUZZ_TOLD_H

#include <stdarg.h>

#include "fuzz.h"

static uint32_t told; /* messages so far */

void warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));

void
warnx(const char *format, ...)
{
	char text[1024];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len > 0 && (size_t)len < sizeof(text));
	fuzz_message(text);
	told++;
}

#endif
