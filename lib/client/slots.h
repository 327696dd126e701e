/*
 * Requests that wait for their final answers, by tag: a session's own. As many
 * as the window has room for, in sending order. Allocates only in slots_init.
 */
#ifndef STRIFE_CLIENT_SLOTS_H
#define STRIFE_CLIENT_SLOTS_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/session.h"
#include "wire/msg.h"

struct slot {
	uint64_t tag; /* 0: free */
	enum verb verb;
	bool has_id;
	struct id id; /* the answer must be about the same payment */
	session_reply *reply;
	void *ctx;
	uint64_t cookie;
	int64_t deadline_ns;
	TAILQ_ENTRY(slot)
	link; /* in sending order, or among the free */
};

TAILQ_HEAD(slot_list, slot);

struct slots {
	struct slot *at; /* owned */
	uint32_t count;
	uint32_t taken;
	uint64_t tags_given;
	struct slot_list waiting, free;
};

/* 0, or -1 with errno ENOMEM. */
int slots_init(struct slots *, uint32_t count);
void slots_free(struct slots *);
/*
 * Takes a slot for a request and gives it a tag that was not used for long; the
 * caller sets reply, ctx, cookie and deadline_ns. CHECKs that one is free.
 */
struct slot *slots_take(struct slots *, struct msg *request);
void slots_give(struct slots *, struct slot *); /* free again */
/* The request with this tag, or NULL. */
struct slot *slots_find(struct slots *, const char *tag);
/* The request that has waited longest, or NULL. */
struct slot *slots_oldest(struct slots *);
/* Can this be an answer to that request? */
bool slot_fits(const struct slot *, const struct msg *reply);

#endif
