/*
 * The spool: payments on disk that wait for a gateway (strife-spool(5)). Five
 * directories, tmp new hold done failed; one file of one line per payment,
 * named by its id. An id is in one of new, hold, done and failed at most.
 *
 * Every change is made under a lock that all programs share for its moment, by
 * a new file in tmp that is flushed and then renamed, so that a reader sees the
 * old line or the new one. The directories are flushed by spool_flush, or by
 * the calls that say so: what must be on disk before something is sent is.
 *
 * What is no entry of ours, because it is damaged, another user's, or can be
 * read by others, is set aside as hold/NAME.bad with a message on standard
 * error; a reader goes on with the rest.
 *
 * Blocks on the disk and, briefly, on the lock. Errors are -1 with errno.
 */
#ifndef STRIFE_CLIENT_SPOOL_H
#define STRIFE_CLIENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "client/answer.h"
#include "client/spool_entry.h"

/* As many wait at most, in new and hold together: then ENOSPC. */
#define SPOOL_MAX 100000u

enum spool_place { SPOOL_NEW, SPOOL_HOLD, SPOOL_DONE, SPOOL_FAILED };
#define SPOOL_PLACES 4
const char *spool_place_text(enum spool_place);

struct spool;

/*
 * Makes what is missing of it. EPERM: a directory is another user's, or others
 * may write to it.
 */
int spool_open(struct spool **, const char *path);
void spool_close(struct spool *); /* flushes nothing */
/* What errno after a failure means, in words. */
const char *spool_why(int error);

enum spool_status {
	SPOOL_ERROR = -1, /* errno */
	SPOOL_ABSENT,     /* it is not there, or no longer */
	SPOOL_OK,
	SPOOL_EXISTS,    /* there is one with this id */
	SPOOL_ELSEWHERE, /* it belongs to another gateway */
};

/* Durable when it returns SPOOL_OK. SPOOL_EXISTS: *there and *place are it. */
enum spool_status spool_add(struct spool *, const struct spool_entry *,
    struct spool_entry *there, enum spool_place *place);
/* SPOOL_OK with *entry and *place filled, or SPOOL_ABSENT. */
enum spool_status spool_find(struct spool *, const struct id *,
    struct spool_entry *, enum spool_place *);

/*
 * Before an entry of new is sent: notes that it was sent to this gateway.
 * *entry is then as on disk. It may be sent once spool_flush has returned 0.
 * SPOOL_ELSEWHERE where it keeps to another gateway, SPOOL_ABSENT where it is
 * not in new (any more): then it must not be sent.
 */
enum spool_status
spool_claim(struct spool *, struct spool_entry *, const char *gateway);

/*
 * What came of sending it: writes *entry (but for where it was sent, and by
 * whom added, which stay as they are), and moves it to `to`, from new or hold
 * to done or failed, or from new to hold; SPOOL_NEW: it stays where it is.
 * SPOOL_ABSENT: another program has seen to it.
 */
enum spool_status
spool_settle(struct spool *, const struct spool_entry *, enum spool_place to);

/*
 * drop of one that was never sent: to failed as CANCELLED. SPOOL_ELSEWHERE
 * where a gateway may have seen it: ask that one. Durable.
 */
enum spool_status spool_cancel_unsent(struct spool *, struct spool_entry *);

/* From one place to another as it is. Durable. */
enum spool_status spool_move(struct spool *, const struct id *,
    enum spool_place from, enum spool_place to);
/* As spool_move, from hold to new, due at once. */
enum spool_status spool_release(struct spool *, const struct id *);
enum spool_status
spool_remove(struct spool *, const struct id *, enum spool_place);
/* From new, as if it had never been: SPOOL_ELSEWHERE where it was sent. */
enum spool_status spool_retract(struct spool *, const struct id *);

/* Flushes the directories in which something has changed. */
int spool_flush(struct spool *);

/*
 * Every entry of a place, in no order. visit borrows the entry, and may remove
 * it; false ends it. 0, or -1.
 */
typedef bool spool_visit(void *ctx, const struct spool_entry *);
int spool_each(struct spool *, enum spool_place, spool_visit *, void *ctx);
/* How much was set aside, or should have been, since spool_open. */
uint32_t spool_aside_count(const struct spool *);
/* The names of what was set aside. */
int spool_each_bad(
    struct spool *, void (*visit)(void *ctx, const char *name), void *ctx);
/* Is any entry in new? */
bool spool_waiting(struct spool *);

/*
 * Makes this program the one that flushes, until spool_close: removes what a
 * crash left in tmp. -1 with EWOULDBLOCK where another one is.
 */
int spool_become_flusher(struct spool *);
/* Lets another be it. */
void spool_resign_flusher(struct spool *);

#endif
