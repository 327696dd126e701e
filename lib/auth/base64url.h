/*
 * Base 64 for URLs without padding (RFC 4648 section 5, RFC 7515 section 2).
 * Reading is strict, so that octets have one text and one only. Pure.
 */
#ifndef STRIFE_AUTH_BASE64URL_H
#define STRIFE_AUTH_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* How long the text of so many octets is. */
#define BASE64URL_LEN(octets) (((octets)*4 + 2) / 3)
/* How many octets a text of this length may hold. */
#define BASE64URL_OCTETS(len) ((len) / 4 * 3 + (len) % 4 * 3 / 4)

/* Writes BASE64URL_LEN(len) characters, no NUL; returns how many. */
size_t base64url_write(char *into, const void *octets, size_t len);
/*
 * False where the text holds anything but the alphabet, padding included, is of
 * a length that no octets have, has bits left over that are not zero, or does
 * not fit. into may be the text's own memory.
 */
bool base64url_read(uint8_t *into, size_t size, size_t *len, struct str text);

#endif
