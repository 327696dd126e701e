/*
 * Many payments through one session, as many at once as its window allows, each
 * sent until there is an answer that will not soon be another one.
 *
 * The payments of one payer go in order: one is sent when the one before it is
 * over, which is committed, declined, refused, or no longer there. Else it
 * would depend on what crashed meanwhile which of them the balance was enough
 * for. Where one is not over, those behind it stay unsent.
 *
 * The caller keeps the payments; here they are numbers from 0. Blocks, within
 * the bounds of client/client.h. Allocates in pipeline_new only.
 */
#ifndef STRIFE_CLIENT_PIPELINE_H
#define STRIFE_CLIENT_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/answer.h"
#include "client/client.h"

struct pipeline;

enum pipeline_verdict {
	PIPELINE_SEND,
	PIPELINE_GONE,  /* not to be sent, and those behind it may go */
	PIPELINE_BLOCK, /* not to be sent, nor those behind it */
	PIPELINE_FAIL,  /* send nothing more, not even what waits */
};

/* What may be NULL says so. None may free the pipeline. */
struct pipeline_ops {
	/* Who pays; borrowed until the run ends. */
	struct str (*payer)(void *ctx, uint32_t index);
	/* Asked in pipeline_new: not to be sent, nobody waits for it. NULL: no
	 */
	bool (*skip)(void *ctx, uint32_t index);
	/* Fills the PAY; it may borrow until the next call. */
	void (*request)(void *ctx, uint32_t index, struct msg *);
	/*
	 * One that is about to be sent, also again, to session_address, which
	 * is pinned. NULL: each is sent.
	 */
	enum pipeline_verdict (*prepare)(void *ctx, uint32_t index);
	/* After a series of prepare, before any of it is sent: false fails. */
	bool (*commit)(void *ctx);
	/* A final answer, to be told before done. May be NULL. */
	void (*answered)(void *ctx, uint32_t index, const struct msg *reply);
	/* It was sent and has its answer: pipeline_answer. */
	void (*done)(void *ctx, uint32_t index);
	/* Before each wait for more; false: send no more. May be NULL. */
	bool (*turned)(void *ctx);
	/* The session broke, and it will connect again. May be NULL. */
	void (*lost)(void *ctx);
};

struct pipeline_options {
	struct client *client;
	const struct pipeline_ops *ops;
	void *ctx;
	uint32_t count;
	bool stop_at_first; /* send no more after one is not committed */
	bool any_order;     /* whoever pays */
};

/* 0, or -1 with errno ENOMEM. */
int pipeline_new(struct pipeline **, const struct pipeline_options *);
void pipeline_free(struct pipeline *);
/*
 * Connects and sends. SESSION_END_NONE when all have an answer or are not to be
 * sent; else why the client gave up. pipeline_failed: `prepare` or `commit`
 * did.
 */
enum session_end pipeline_run(struct pipeline *);
bool pipeline_failed(const struct pipeline *);
/* What was sent is still brought to its end. Legal in every callback. */
void pipeline_stop(struct pipeline *);

/* Has it its answer, or will it not be sent in this run? */
bool pipeline_ended(const struct pipeline *, uint32_t index);
/* May a gateway have seen it? */
bool pipeline_sent(const struct pipeline *, uint32_t index);
/* PAYMENT_UNKNOWN after one that was sent, UNSENT before. */
const struct answer *pipeline_answer(const struct pipeline *, uint32_t index);

#endif
