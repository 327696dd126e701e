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

#endif
