/*
 * New payment ids for a client: a timestamp-free, Snowflake-like generator laid
 * out as a UUIDv8 (wire/id.h). The node is the first 48 bits of the SHA-256 of
 * the client's certificate; the counter lies in the file `ids` of the state
 * directory and is raised, flushed, before a number from it is used, under a
 * lock, so that programs that run side by side never share one. A crash loses
 * what was reserved, never repeats it. A new file starts at a random count, so
 * that a lost state directory does not begin again where it once began.
 * Blocks on the disk and on the lock.
 */
#ifndef STRIFE_CLIENT_IDS_H
#define STRIFE_CLIENT_IDS_H

#include <stdint.h>

#include "base/tls.h"
#include "wire/id.h"

struct ids {
	uint8_t node[6];
	uint64_t next, end; /* reserved and not used yet */
};

void ids_init(struct ids *, const struct tls_identity *self);
/*
 * Reserves count ids (1..ID_BLOCK_MAX) once those in hand are used up. 0, or -1
 * with errno: EBADMSG where the file is not a counter, ENOSPC at the counter's
 * end.
 */
#define ID_BLOCK_MAX (UINT32_C(1) << 24)
int ids_reserve(struct ids *, uint32_t count);
/* One of those reserved: CHECKs that there is one. */
struct id ids_next(struct ids *);

#endif
