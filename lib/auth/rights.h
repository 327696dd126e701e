/*
 * What a session may do: roles, linked accounts, and acts_for patterns
 * (NAME, PREFIX* or * before @BANK). Pure.
 */
#ifndef STRIFE_AUTH_RIGHTS_H
#define STRIFE_AUTH_RIGHTS_H

#include <stdbool.h>

#include "base/str.h"
#include "wire/account.h"
#include "wire/msg.h"

#define RIGHTS_TEXT_MAX 3072

struct rights {
	char user[NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1]; /* NAME, NAME@BANK */
	char roles[128];                /* comma-separated, as on the wire */
	char accounts[RIGHTS_TEXT_MAX]; /* NAME@BANK list */
	char acts_for[RIGHTS_TEXT_MAX]; /* pattern list */
};

/* Is this the name of a role? */
bool rights_role_valid(struct str name);
/* Are all of a comma-separated list? */
bool rights_roles_valid(const char *list);
/* Of a comma-separated list, those that there are. */
void rights_set_roles(struct rights *, const char *list);
bool rights_has_role(const struct rights *, enum role);
/* Linked, or covered by a pattern of acts_for. */
bool rights_cover(const struct rights *, struct account);
/* Walks the linked accounts: sets *account, returns false after the last.
 * *at starts as 0. */
bool
rights_next_account(const struct rights *, size_t *at, struct account *account);
/* Is this a legal acts_for pattern? */
bool rights_pattern_valid(struct str pattern);

#endif
