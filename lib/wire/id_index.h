/*
 * Every payment id ever seen, in 16 octets each: an open-addressed index from a
 * keyed 64-bit hash of the id (base/hash.h) to where its newest record lies and
 * a small state. It holds no id itself, so a hit must be confirmed by reading
 * that record; entries with equal hashes are told one after another. Nothing is
 * ever removed. Memory is taken once, lazily touched; pure but for that. After
 * fork(2) a child has no entries, and may not ask for any.
 */
#ifndef STRIFE_WIRE_ID_INDEX_H
#define STRIFE_WIRE_ID_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "wire/msg.h"

#define ID_INDEX_NONE UINT64_MAX

struct id_index;

/* Room for `remembered` ids; NULL with errno ENOMEM. */
struct id_index *id_index_new(uint64_t remembered, const struct hash_key *);
void id_index_free(struct id_index *);
uint64_t id_index_count(const struct id_index *);
bool id_index_full(const struct id_index *);

/*
 * The first entry that may be the id's, after `after` (ID_INDEX_NONE: from the
 * start); ID_INDEX_NONE when there is no more. An entry keeps its number.
 */
uint64_t
id_index_find(const struct id_index *, const struct id *, uint64_t after);
/*
 * The entry of this id that lies at pos, ID_INDEX_NONE if none: exact, for
 * replay, where a record names the position of the one before it.
 */
uint64_t
id_index_find_at(const struct id_index *, const struct id *, struct jpos pos);
/* The one entry that may be the id's; ID_INDEX_NONE: none, or several. */
uint64_t id_index_find_only(const struct id_index *, const struct id *);
/* Adds an entry though others may have its hash; CHECKs that it is not full. */
uint64_t id_index_add(
    struct id_index *, const struct id *, struct jpos pos, uint8_t state);
/* segment < 2^24; state < 16. pos.seq is not kept. */
void
id_index_set(struct id_index *, uint64_t entry, struct jpos pos, uint8_t state);
struct jpos id_index_pos(const struct id_index *, uint64_t entry);
uint8_t id_index_state(const struct id_index *, uint64_t entry);

#endif
