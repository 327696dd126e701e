#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"

/* Slots are counted in 32 bits, and at most two in three are taken. */
#define TABLE_MAX (UINT32_C(1) << 30)

int
table_init(struct table *t, uint32_t max, const struct hash_key *key,
    table_same *same, const void *pool)
{
	uint32_t slots = 2;

	if (max > TABLE_MAX) {
		errno = ENOMEM;
		return -1;
	}
	while (slots - slots / 3 <= max)
		slots *= 2;
	*t = (struct table){.key = *key, .same = same, .pool = pool};
	t->slots = calloc(slots, sizeof(*t->slots));
	if (t->slots == NULL)
		return -1;
	t->mask = slots - 1;
	t->max = max;
	return 0;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	*t = (struct table){.slots = NULL};
}

static uint32_t
key_hash(const struct table *t, const void *key, size_t len)
{
	return (uint32_t)hash_octets(&t->key, key, len);
}

/* The slot that holds the key, or the free slot where it would go. */
static uint32_t
find_slot(const struct table *t, uint32_t hash, const void *key, size_t len)
{
	uint32_t at = hash & t->mask;

	for (;; at = (at + 1) & t->mask) {
		const struct table_slot *slot = &t->slots[at];

		if (slot->index_plus_1 == 0)
			return at;
		if (slot->hash == hash &&
		    t->same(t->pool, slot->index_plus_1 - 1, key, len))
			return at;
	}
}

uint32_t
table_find(const struct table *t, const void *key, size_t len)
{
	uint32_t at = find_slot(t, key_hash(t, key, len), key, len);

	/* Where the slot is free, 0 - 1 is TABLE_NONE. */
	return t->slots[at].index_plus_1 - 1;
}

void
table_insert(struct table *t, const void *key, size_t len, uint32_t index)
{
	uint32_t hash = key_hash(t, key, len);
	uint32_t at;

	CHECK(t->count < t->max);
	CHECK(index != TABLE_NONE);
	at = find_slot(t, hash, key, len);
	CHECK(t->slots[at].index_plus_1 == 0);
	t->slots[at] =
	    (struct table_slot){.hash = hash, .index_plus_1 = index + 1};
	t->count++;
}

void
table_remove(struct table *t, const void *key, size_t len)
{
	uint32_t hole = find_slot(t, key_hash(t, key, len), key, len);
	uint32_t at = hole;

	CHECK(t->slots[hole].index_plus_1 != 0);
	/*
	 * Each entry further on in the run moves into the hole if that does not
	 * take it before its own first slot; the hole is then where it was. So
	 * no probe ever has to pass a free slot, and none is marked as deleted.
	 */
	for (;;) {
		const struct table_slot *slot;
		uint32_t distance;

		at = (at + 1) & t->mask;
		slot = &t->slots[at];
		if (slot->index_plus_1 == 0)
			break;
		distance = (at - (slot->hash & t->mask)) & t->mask;
		if (distance >= ((at - hole) & t->mask)) {
			t->slots[hole] = *slot;
			hole = at;
		}
	}
	t->slots[hole] = (struct table_slot){.index_plus_1 = 0};
	t->count--;
}
