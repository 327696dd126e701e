#include "wire/id_index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mapping.h"

#define SEGMENT_BITS 24
#define STATE_BITS 4

struct slot {
	uint64_t hash;
	uint64_t offset : 32;
	uint64_t segment : SEGMENT_BITS;
	uint64_t state : STATE_BITS;
	uint64_t used : 1;
	uint64_t : 3;
};
_Static_assert(sizeof(struct slot) == 16, "what remembering an id costs");

struct id_index {
	struct hash_key key;
	uint64_t count, count_max;
	uint64_t slot_count;
	struct slot *slots; /* owned; zero pages until they are used; and not
			     * there in a child that takes a snapshot */
};

struct id_index *
id_index_new(uint64_t remembered, const struct hash_key *key)
{
	struct id_index *index;

	/* Four slots of five at most are used, so that probes stay short. */
	if (remembered > SIZE_MAX / sizeof(struct slot) / 2) {
		errno = ENOMEM;
		return NULL;
	}
	index = calloc(1, sizeof(*index));
	if (index == NULL)
		return NULL;
	index->key = *key;
	index->count_max = remembered;
	index->slot_count = remembered + remembered / 4 + 1;
	index->slots = mapping_new(index->slot_count * sizeof(*index->slots));
	if (index->slots == NULL) {
		free(index);
		errno = ENOMEM;
		return NULL;
	}
	return index;
}

void
id_index_free(struct id_index *index)
{
	if (index == NULL)
		return;
	mapping_free(index->slots, index->slot_count * sizeof(*index->slots));
	free(index);
}

uint64_t
id_index_count(const struct id_index *index)
{
	return index->count;
}

bool
id_index_full(const struct id_index *index)
{
	return index->count >= index->count_max;
}

static uint64_t
hash_of(const struct id_index *index, const struct id *id)
{
	return hash_octets(&index->key, id->octets, sizeof(id->octets));
}

/* The hash's share of the slots: its place if it were a fraction of 1. */
static uint64_t
first_slot(const struct id_index *index, uint64_t hash)
{
	return (uint64_t)(((unsigned __int128)hash * index->slot_count) >> 64);
}

static uint64_t
slot_after(const struct id_index *index, uint64_t slot)
{
	return slot + 1 == index->slot_count ? 0 : slot + 1;
}

/* From `slot` on; there is always a free slot to stop at. */
static uint64_t
probe(const struct id_index *index, uint64_t hash, uint64_t slot)
{
	for (; index->slots[slot].used; slot = slot_after(index, slot))
		if (index->slots[slot].hash == hash)
			return slot;
	return ID_INDEX_NONE;
}

uint64_t
id_index_find(const struct id_index *index, const struct id *id, uint64_t after)
{
	uint64_t hash = hash_of(index, id);

	if (after == ID_INDEX_NONE)
		return probe(index, hash, first_slot(index, hash));
	CHECK(after < index->slot_count);
	return probe(index, hash, slot_after(index, after));
}

uint64_t
id_index_find_at(
    const struct id_index *index, const struct id *id, struct jpos pos)
{
	uint64_t entry = id_index_find(index, id, ID_INDEX_NONE);

	while (entry != ID_INDEX_NONE &&
	    (index->slots[entry].segment != pos.segment ||
		index->slots[entry].offset != pos.offset))
		entry = id_index_find(index, id, entry);
	return entry;
}

uint64_t
id_index_find_only(const struct id_index *index, const struct id *id)
{
	uint64_t entry = id_index_find(index, id, ID_INDEX_NONE);

	if (entry != ID_INDEX_NONE &&
	    id_index_find(index, id, entry) != ID_INDEX_NONE)
		return ID_INDEX_NONE;
	return entry;
}

uint64_t
id_index_add(
    struct id_index *index, const struct id *id, struct jpos pos, uint8_t state)
{
	uint64_t hash = hash_of(index, id);
	uint64_t slot = first_slot(index, hash);

	CHECK(!id_index_full(index));
	while (index->slots[slot].used)
		slot = slot_after(index, slot);
	index->slots[slot].hash = hash;
	index->slots[slot].used = 1;
	index->count++;
	id_index_set(index, slot, pos, state);
	return slot;
}

void
id_index_set(
    struct id_index *index, uint64_t entry, struct jpos pos, uint8_t state)
{
	CHECK(entry < index->slot_count);
	CHECK(index->slots[entry].used);
	CHECK(pos.segment < 1u << SEGMENT_BITS);
	CHECK(state < 1u << STATE_BITS);
	index->slots[entry].segment = pos.segment & ((1u << SEGMENT_BITS) - 1);
	index->slots[entry].offset = pos.offset;
	index->slots[entry].state = state & ((1u << STATE_BITS) - 1);
}

static const struct slot *
slot_of(const struct id_index *index, uint64_t entry)
{
	CHECK(entry < index->slot_count);
	CHECK(index->slots[entry].used);
	return &index->slots[entry];
}

struct jpos
id_index_pos(const struct id_index *index, uint64_t entry)
{
	const struct slot *slot = slot_of(index, entry);

	return (struct jpos){
	    0, (uint32_t)slot->segment, (uint32_t)slot->offset};
}

uint8_t
id_index_state(const struct id_index *index, uint64_t entry)
{
	return (uint8_t)slot_of(index, entry)->state;
}
