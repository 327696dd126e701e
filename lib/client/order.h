/*
 * A payment as it was ordered: what PAY tells of it but for its id. Owns its
 * texts, so it may be kept and copied.
 */
#ifndef STRIFE_CLIENT_ORDER_H
#define STRIFE_CLIENT_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/account.h"
#include "wire/msg.h"

struct order {
	char from[ACCOUNT_MAX_LEN + 1]; /* NAME@BANK, checked */
	char to[ACCOUNT_MAX_LEN + 1];
	int64_t amount; /* minor units, 1 to MONEY_AMOUNT_MAX */
	uint32_t currency;
	char memo[MEMO_MAX_LEN + 1];
	bool no_hold;
};

/* As people write it on a command line. memo may be "". */
struct order_words {
	const char *from, *to, *amount, *currency, *memo;
};

#define ORDER_PROBLEM_SIZE 512
/* False, with a sentence in problem where a word is wrong. */
bool order_read(struct order *, const struct order_words *,
    char problem[ORDER_PROBLEM_SIZE]);
/* The same payment, whatever no_hold is? */
bool order_eq(const struct order *, const struct order *);
/* Sets a request's fields, borrowing from the order. */
void order_request(const struct order *, struct msg *);

#endif
