/*
 * Who pays whom: the rows of --pairs, from<TAB>to<TAB>currency. A first line
 * that starts with `from` is a heading. Blocks on the file.
 */
#ifndef STRIFE_BENCH_PAIRS_H
#define STRIFE_BENCH_PAIRS_H

#include <stdint.h>

#include "client/tsv.h"
#include "wire/account.h"

struct pair {
	struct account from, to; /* borrowed from the file's text */
	uint32_t currency;
};

struct pairs {
	struct pair *at; /* owned */
	uint32_t count, room;
	struct tsv tsv;
};

/*
 * EXIT_OK with at least one pair; or EXIT_DATA, having said what is wrong and
 * where. Whether the accounts exist and have that currency is the banks' to
 * say. pairs_free either way.
 */
int pairs_read(struct pairs *, const char *path);
void pairs_free(struct pairs *);

#endif
