/*
 * Account names: NAME@BANK between banks, NAME within one. NAME is 1-64 of
 * A-Za-z0-9._-, BANK 1-32 of A-Za-z0-9- starting with a letter. System accounts
 * (":equity.CUR", ":clearing.BANK.CUR", ":suspense.CUR") only within a bank.
 */
#ifndef STRIFE_WIRE_ACCOUNT_H
#define STRIFE_WIRE_ACCOUNT_H

#include <stdbool.h>

#include "base/str.h"

#define NAME_MAX_LEN 64
#define BANK_MAX_LEN 32
#define ACCOUNT_MAX_LEN (NAME_MAX_LEN + 1 + BANK_MAX_LEN)
#define SYSTEM_NAME_MAX_LEN 48 /* ":clearing." + BANK + ".CUR" */

struct account {
	struct str name;
	struct str bank; /* empty within a bank */
};

bool name_valid(struct str text);
bool bank_valid(struct str text);
bool system_name_valid(struct str text);
bool account_parse(struct account *, struct str text); /* NAME@BANK only */
bool account_eq(struct account a, struct account b);

#endif
