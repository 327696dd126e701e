/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose
 * keys a peer may choose. Pure.
 */
#ifndef STRIFE_BASE_HASH_H
#define STRIFE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k[2]; /* secret, random at start; never on the wire */
};

uint64_t hash_octets(const struct hash_key *, const void *octets, size_t len);

#endif
