/* Ids of payments on the command line: --id, --key, an operand, or a new one.
 */
#ifndef STRIFE_PAY_PAYID_H
#define STRIFE_PAY_PAYID_H

#include "pay.h"
#include "wire/id.h"

/*
 * The id of an existing payment: from key where it is not NULL, else from
 * operand. EXIT_OK, or EXIT_USAGE having said why. The client is started.
 */
int
payid_named(struct pay *, const char *operand, const char *key, struct id *);
/* Reserves count new ids: EXIT_OK, or the exit code having said why. */
struct ids;
int payid_reserve(const struct pay *, struct ids *, uint32_t count);

#endif
