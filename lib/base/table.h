/*
 * Open-addressing table from a key to the index of an entry in a pool that the
 * caller owns. Keys stay in the caller's entries; the table keeps a 32-bit
 * piece of their keyed hash (base/hash.h) and asks `same` to confirm. Linear
 * probing, backward-shift deletion, sized once for `max` entries: never grows,
 * never allocates after table_init. Pure but for calloc and free.
 */
#ifndef STRIFE_BASE_TABLE_H
#define STRIFE_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define TABLE_NONE UINT32_MAX

/* Is entry `index` of the pool behind `pool` the one with this key? */
typedef bool
table_same(const void *pool, uint32_t index, const void *key, size_t len);

struct table_slot {
	uint32_t hash;
	uint32_t index_plus_1; /* 0: free */
};

struct table {
	struct hash_key key;
	table_same *same;
	const void *pool;
	struct table_slot *slots; /* owned */
	uint32_t mask;            /* slots - 1, slots a power of two */
	uint32_t count, max;
};

/* 0, or -1 with errno ENOMEM. */
int table_init(struct table *, uint32_t max, const struct hash_key *,
    table_same *same, const void *pool);
void table_free(struct table *);
/* The pool index, or TABLE_NONE. */
uint32_t table_find(const struct table *, const void *key, size_t len);
/* The key must not be there; CHECKs that count < max. */
void table_insert(struct table *, const void *key, size_t len, uint32_t index);
/* The entry must be there. */
void table_remove(struct table *, const void *key, size_t len);
static inline bool
table_full(const struct table *t)
{
	return t->count >= t->max;
}

#endif
