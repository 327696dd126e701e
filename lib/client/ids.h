/*
 * Payment ids for a client: as people and files write them, and new ones.
 *
 * New ones: a timestamp-free, Snowflake-like generator laid
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

#include <stdbool.h>
#include <stdint.h>

#include "base/tls.h"
#include "wire/id.h"

/* A UUID in either case, as people paste them; not the nil one. */
bool ids_parse(struct id *, struct str text);
/* Is this a legal TEXT of --key and key:TEXT? */
#define IDS_KEY_MAX 1024 /* octets */
bool ids_key_valid(struct str key);
/*
 * A row's id, a UUID or key:TEXT; scope is who a key belongs to. NULL, or what
 * is wrong, to follow the text itself.
 */
const char *ids_parse_field(struct id *, struct str text, struct str scope);

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
/* Says on standard error why ids_reserve failed, by errno. */
void ids_warn(void);
/* One of those reserved: CHECKs that there is one. */
struct id ids_next(struct ids *);

#endif
