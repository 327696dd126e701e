/*
 * Payment ids: UUIDs (RFC 9562) in lower-case text form, any version.
 */
#ifndef STRIFE_WIRE_ID_H
#define STRIFE_WIRE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define ID_TEXT_LEN 36

struct id {
	uint8_t octets[16];
};

static inline bool
id_eq(const struct id *a, const struct id *b)
{
	return memcmp(a->octets, b->octets, 16) == 0;
}

/* The nil UUID (RFC 9562, 5.9) stands for no id: no payment has it. */
static inline bool
id_is_nil(const struct id *id)
{
	return id_eq(id, &(const struct id){{0}});
}

bool id_parse(struct id *, struct str text);
/* Writes ID_TEXT_LEN characters and a NUL. */
void id_text(const struct id *, char into[ID_TEXT_LEN + 1]);

/*
 * UUIDv5 (SHA-1) of user and key under Strife's own namespace UUID: the same
 * user and key give the same id for ever (`strife-pay --key`). The octets
 * hashed are namespace, user, a NUL, key.
 */
struct id id_from_key(struct str user, struct str key);

/*
 * UUIDv8, timestamp-free, Snowflake-like: 48 bits node, then a 42-bit counter,
 * the remaining 32 bits random (128 - 6 bits of version and variant). The
 * caller keeps the counter durable and reserves it in blocks.
 */
#define ID_COUNTER_MAX ((UINT64_C(1) << 42) - 1)
struct id id_generate(const uint8_t node[6], uint64_t counter, uint32_t random);

#endif
