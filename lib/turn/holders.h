/*
 * How many connections the holder of each certificate has: by role and name,
 * so that a renewed certificate counts with the one that it replaces. Sized
 * once; nothing is allocated after holders_init.
 */
#ifndef STRIFE_TURN_HOLDERS_H
#define STRIFE_TURN_HOLDERS_H

#include <stdint.h>

#include "base/table.h"
#include "base/tls.h"

#define HOLDER_NONE TABLE_NONE

struct holder {
	char key[1 + TLS_NAME_MAX + 1]; /* role, name, NUL */
	uint32_t connections;
	uint32_t next_free;
};

struct holders {
	struct table table;
	struct holder *at;
	uint32_t first_free;
};

/* For so many connections at most. 0, or -1: out of memory. */
int holders_init(struct holders *, uint32_t connections_max);
void holders_free(struct holders *); /* legal if zeroed */
/* One connection more, or HOLDER_NONE where it has each_max of them. */
uint32_t
holders_join(struct holders *, const struct tls_identity *, uint32_t each_max);
void holders_leave(struct holders *, uint32_t holder);

#endif
