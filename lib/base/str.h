/*
 * Borrowed text: a pointer and a length, never NUL-terminated by promise.
 * Whoever hands out a struct str says how long the octets stay valid.
 */
#ifndef STRIFE_BASE_STR_H
#define STRIFE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *at;
	uint32_t len;
};

/* A literal, or any array whose last octet is the NUL that is left out. */
#define STR(literal) ((struct str){(literal), (uint32_t)sizeof(literal) - 1})
#define STR_NONE ((struct str){"", 0})

/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).at

static inline struct str
str_from(const char *text)
{
	return (struct str){text, (uint32_t)strlen(text)};
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool
str_is(struct str a, const char *text)
{
	return str_eq(a, str_from(text));
}

/* Copies into a NUL-terminated array; false (and "") where it does not fit. */
static inline bool
str_copy(char *into, size_t size, struct str s)
{
	if (s.len >= size) {
		into[0] = '\0';
		return false;
	}
	if (s.len > 0)
		memcpy(into, s.at, s.len);
	into[s.len] = '\0';
	return true;
}

#endif
