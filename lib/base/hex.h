/* Lower-case hexadecimal, fixed lengths. */
#ifndef STRIFE_BASE_HEX_H
#define STRIFE_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Writes 2*len characters, no NUL. */
void hex_write(char *into, const uint8_t *octets, size_t len);
/* Exactly 2*len lower-case digits. */
bool hex_read(uint8_t *octets, size_t len, struct str text);

#endif
