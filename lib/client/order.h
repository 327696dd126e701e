/*
 * A payment as it was ordered: what PAY tells of it but for its id. Owns its
 * texts, so it may be kept and copied.
 */
#ifndef STRIFE_CLIENT_ORDER_H
#define STRIFE_CLIENT_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/options.h"
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

/* ---- One payment as a command line orders it ---- */

enum {
	ORDER_FROM = OPTIONS_FIRST,
	ORDER_TO,
	ORDER_MEMO,
	ORDER_ID,
	ORDER_KEY,
	ORDER_NO_HOLD,
	ORDER_OPTIONS_END, /* a command's own go on from here */
};
/* Its long options; OPTIONS_LONG are to follow. */
#define ORDER_OPTIONS \
	{"from", required_argument, NULL, ORDER_FROM}, \
	    {"to", required_argument, NULL, ORDER_TO}, \
	    {"memo", required_argument, NULL, ORDER_MEMO}, \
	    {"id", required_argument, NULL, ORDER_ID}, \
	    {"key", required_argument, NULL, ORDER_KEY}, \
	{ \
		"no-hold", no_argument, NULL, ORDER_NO_HOLD \
	}

/* Borrows from the command line. All 0: nothing was given yet. */
struct order_given {
	struct order_words words;
	const char *id, *key; /* --id, --key: NULL, or one of them */
	bool no_hold;
};

/* Takes what options_next returned; false where it is no option of these. */
bool order_option(struct order_given *, int option);
/*
 * Takes the operands, when there is no option left, and checks it all: EXIT_OK
 * and *order, or EXIT_USAGE, having said what is wrong.
 */
int order_operands(const struct options *, struct order_given *, int argc,
    char **argv, struct order *order);

#endif
