/* What became of a payment, as the gateway's answers tell (PROTOCOL.md 5). */
#ifndef STRIFE_CLIENT_ANSWER_H
#define STRIFE_CLIENT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "wire/msg.h"

enum payment_state {
	PAYMENT_RECEIVED,
	PAYMENT_PREPARING,
	PAYMENT_HELD,
	PAYMENT_COMMITTED,
	PAYMENT_ABORTED,
	/* Words of our own: */
	PAYMENT_REFUSED, /* the gateway did nothing with it */
	PAYMENT_UNKNOWN, /* it was sent; what became of it is not known */
	PAYMENT_UNSENT,
};

struct answer {
	enum payment_state state;
	enum code reason;
	bool again;   /* the same request may soon be answered otherwise */
	uint64_t seq; /* 0: none */
};

const char *answer_state_text(enum payment_state);
bool answer_state_parse(enum payment_state *, struct str);
/* The final answer to a PAY or CANCEL. */
struct answer answer_read(const struct msg *reply);
enum exitcode answer_exit(const struct answer *);

/*
 * Answers that say "not just now" are asked again after a delay that doubles,
 * this often.
 */
#define AGAIN_MAX 6
int64_t again_delay_ns(uint32_t times);

#endif
