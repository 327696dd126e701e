/*
 * The payment that a command line means: by its id, by the --key that its id is
 * made of, or a new one. Each says what is wrong on standard error.
 */
#ifndef STRIFE_CLIENT_NAMING_H
#define STRIFE_CLIENT_NAMING_H

#include <stdint.h>

#include "client/client.h"
#include "client/ids.h"
#include "client/options.h"

/* Of the two at most one is given: the other is NULL. */
struct naming {
	const char *operand; /* or of --id */
	const char *key;     /* of --key */
};

/* One that is named; user: whose key it is. EXIT_OK or EXIT_USAGE. */
int naming_id(const struct options *, const struct naming *, const char *user,
    struct id *);
/* Reserves new ids (ids_reserve): EXIT_OK or EXIT_CONFIG. */
int naming_reserve(const struct client *, struct ids *, uint32_t count);
/* As naming_id, or a new one where it has no name. */
int naming_id_or_new(const struct options *, const struct naming *,
    const char *user, const struct client *, struct id *);

#endif
