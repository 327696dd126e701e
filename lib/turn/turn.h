/*
 * One turn of a daemon: carries events into a pure core and its actions out.
 * Every record that a turn appends is covered by one write and one flush; what
 * depends on it leaves after (ARCHITECTURE.md). Shared by gatewayd and bankd.
 */
#ifndef STRIFE_TURN_TURN_H
#define STRIFE_TURN_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/journal.h"
#include "wire/event.h"
#include "wire/outbox.h"

struct turn;

/* The core, as the turn sees it, and what the daemon does for it. */
struct turn_ops {
	void (*step)(void *core, const struct event *, struct actions *);
	bool (*more)(const void *core);       /* paced work left */
	int64_t (*next_ns)(const void *core); /* INT64_MAX: nothing due */
	/* A line for a peer, LF included; gone peers are the daemon's to drop.
	 */
	void (*deliver)(void *ctx, struct peer, const char *line, size_t len);
	/* The peer broke the protocol: close it after what was delivered. */
	void (*close)(void *ctx, struct peer, const char *why);
};

struct turn *
turn_new(const struct turn_ops *, void *core, void *ctx); /* NULL: ENOMEM */
void turn_free(struct turn *);

/* journal_open's replay callback (ctx is the turn): feeds the core. */
bool
turn_replay(void *ctx, const struct record *, char *error, size_t error_size);
/* The same for what a snapshot is started from (journal_core). */
bool turn_remember(
    void *ctx, const struct id_note *, char *error, size_t error_size);
bool
turn_restore(void *ctx, const struct msg *line, char *error, size_t error_size);
/*
 * Did the last of these fail because the configuration allows less than the
 * journal has? Else the journal is at fault.
 */
bool turn_misfit(const struct turn *);
/*
 * After journal_open: tells the core that replay is over (EV_REPLAYED; it
 * appends its BOOT record) and flushes: from here on events may come.
 */
void turn_start(struct turn *, struct journal *);

/*
 * Steps the core and carries out what it asks for, records and reads at once.
 * Sets ev's clocks. Legal only between turn_start and turn_free.
 */
void turn_event(struct turn *, struct event *ev);
/* Carries out actions that a core emitted outside a step (ledger_load). */
void turn_carry(struct turn *, const struct actions *);
/*
 * The end of a turn: lets the core do paced work, flushes if anything was
 * appended, tells it what is durable, delivers. Call once after loop_turn.
 */
void turn_end(struct turn *);
/* When turn_end wants to be called at the latest; 0: at once. */
int64_t turn_next_ns(const struct turn *);

/* A line of the daemon's own, in order with what the core sends to that peer.
 */
void turn_send(struct turn *, struct peer, const struct msg *);
bool turn_has_room(const struct turn *); /* false: the disk is full */
/*
 * Calls back once, at the end of this turn at the latest, when every record is
 * durable and the core is between two steps.
 */
void turn_when_flushed(struct turn *, void (*flushed)(void *ctx), void *ctx);

#endif
