/*
 * accounts.yaml (strife-accounts.yaml(5)): a bank's opening balances. The whole
 * file is read and checked before anything of it is written.
 */
#ifndef STRIFE_BANKD_LOAD_H
#define STRIFE_BANKD_LOAD_H

#include <stdint.h>

#include "base/yaml.h"
#include "ledger/ledger.h"
#include "turn/turn.h"

struct openings; /* owns every name in it */

/* 0, or -1 with *error filled. path NULL: no opening accounts. */
int openings_read(struct openings **, const char *path, struct str bank,
    int64_t accounts_max, struct yaml_error *error);
void openings_free(struct openings *);
uint32_t openings_count(const struct openings *);

/*
 * Gives them to the ledger and ends with LOADED, all durable on return. 0, or
 * -1 with *error filled where the journal already has something else: an
 * account of that name in another currency, or another opening balance.
 */
int openings_load(const struct openings *, struct ledger *, struct turn *,
    struct journal *, struct yaml_error *error);

#endif
