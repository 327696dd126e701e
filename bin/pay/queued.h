/*
 * A payment's place in the spool (client/spool.h, strife-queue(1)): it is there
 * before anything is sent, and until it is known what became of it. So neither
 * a crash nor a gateway that is away loses it: strife-queue goes on with it.
 */
#ifndef STRIFE_PAY_QUEUED_H
#define STRIFE_PAY_QUEUED_H

#include <stdbool.h>

#include "client/spool.h"
#include "pay.h"

struct queued {
	struct pay *pay;
	struct spool *spool; /* NULL: --no-queue */
	struct spool_entry entry;
	bool added; /* by us, in this run */
	bool known; /* it has ended before: entry.answer is the end */
	bool found; /* by queued_look */
};

/*
 * Puts it into the spool, durably, or finds it there. EXIT_OK: it may be sent,
 * or is `known`; else it has said why it must not be sent. The client is
 * started, and keeps to the gateway that the entry was sent to before.
 * queued_close follows in either case.
 */
int queued_open(struct queued *, struct pay *, const struct spool_entry *);
/*
 * When connected, before each PAY: notes on disk which gateway gets it.
 * EXIT_OK: send it, or it is `known` now; else as queued_open.
 */
int queued_claim(struct queued *);
/* A final answer about it. */
void queued_answered(struct queued *, const struct msg *reply);
/*
 * No more is sent in this run: how it ended, and whether a gateway may have
 * seen it. Whether it waits in the queue now.
 */
bool queued_end(struct queued *, enum session_end, bool sent);

/*
 * For cancel: looks whether a payment of this id waits in the spool, or is on
 * hold there. EXIT_OK: ask, and the client keeps to the gateway that it was
 * sent to; else it has said why not. queued_close follows.
 */
int queued_look(struct queued *, struct pay *, const struct id *);
/*
 * CANCEL was answered: where the payment can never be made any more, it goes to
 * failed with that. client_login has the user.
 */
void queued_cancelled(struct queued *, const struct msg *reply);

/* Harmless when not open. */
void queued_close(struct queued *);

#endif
