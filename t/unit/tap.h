/*
 * TAP for unit tests in C. A test program calls ok() and friends, then returns
 * tap_done(). Each test says in words what holds.
 */
#ifndef STRIFE_T_TAP_H
#define STRIFE_T_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 3, 4))) static inline bool
tap_result(bool pass, int line, const char *format, ...)
{
	va_list ap;

	printf("%sok %d - ", pass ? "" : "not ", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	if (!pass) {
		printf("# failed at line %d\n", line);
		tap_failed++;
	}
	return pass;
}

#define ok(pass, ...) tap_result((pass), __LINE__, __VA_ARGS__)

static inline void
tap_is_text(int line, const char *got, const char *want, const char *what)
{
	if (!tap_result(strcmp(got, want) == 0, line, "%s", what))
		printf("#  got: %s\n# want: %s\n", got, want);
}
#define is_text(got, want, what) tap_is_text(__LINE__, (got), (want), (what))

static inline void
tap_is_i64(int line, int64_t got, int64_t want, const char *what)
{
	if (!tap_result(got == want, line, "%s", what))
		printf("#  got: %lld\n# want: %lld\n", (long long)got,
		    (long long)want);
}
#define is_i64(got, want, what) \
	tap_is_i64(__LINE__, (int64_t)(got), (int64_t)(want), (what))

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
