/*
 * UTF-8 (RFC 3629), one character after another.
 */
#ifndef STRIFE_BASE_UTF8_H
#define STRIFE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length of the sequence at the start of at[0..len), len > 0, with its number
 * in *character; or 0 where it is none: no overlong form, no surrogate, nothing
 * beyond U+10FFFF.
 */
size_t utf8_next(const char *at, size_t len, uint32_t *character);
/* C0, DEL or C1? */
bool utf8_is_control(uint32_t character);

#endif
