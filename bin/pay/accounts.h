/* The accounts that the user of a session is linked to. */
#ifndef STRIFE_PAY_ACCOUNTS_H
#define STRIFE_PAY_ACCOUNTS_H

#include <stdint.h>

#include "pay.h"
#include "wire/account.h"

#define ACCOUNTS_MAX 4096

struct linked {
	char account[ACCOUNT_MAX_LEN + 1];
	uint32_t currency; /* 0: its bank is away */
};

struct linked_list {
	struct linked *at; /* owned: free(3) */
	uint32_t count;
};

/* Asks the gateway: EXIT_OK, or the exit code having said why. */
int accounts_ask(struct pay *, struct linked_list *);

/* The nearest of these, or NULL; borrows from the list. */
const char *accounts_near(const struct linked_list *, const char *text);
/* Says which of the user's accounts is the nearest, where one is near. */
void accounts_suggest(struct pay *, const char *text);
/* Prints the balances of all of them; returns the exit code. */
int balance_all(struct pay *);

#endif
