/*
 * Questions of the gateway's own to a bank: passed to the coordinator like a
 * client's, answered to a peer slot of this module's. The answer is kept until
 * the next turn, since it may come while the core is still stepping.
 */
#ifndef STRIFE_GATEWAYD_ASKS_H
#define STRIFE_GATEWAYD_ASKS_H

#include "gatewayd.h"

/* More are refused: nothing waits for a place. */
#define ASKS_MAX 1024

struct ask_answer {
	enum code code; /* CODE_NONE: OK, and what follows is set */
	char account[NAME_MAX_LEN + 1];
	char roles[LINE_MAX_LEN];
	uint32_t currency; /* 0: none */
};

struct ask;
typedef void ask_done(void *ctx, const struct ask_answer *);

/* NULL: out of memory. Slots count from first_slot. */
struct asks *asks_new(struct gatewayd *, uint32_t first_slot);
void asks_free(struct asks *);

/*
 * Asks a bank: a SIDE_DOWN request without its tag. done is called from
 * loop_turn, with BANK_TIMEOUT where no answer has come for
 * payments.prepare_timeout. NULL: ASKS_MAX are under way.
 */
struct ask *asks_bank(
    struct asks *, struct str bank, struct msg *, ask_done *done, void *ctx);
void asks_forget(struct asks *, struct ask *); /* done is not called */

void asks_deliver(struct asks *, struct peer, const char *line, size_t len);

#endif
