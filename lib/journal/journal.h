/*
 * The append-only journal (JOURNAL.md, strife-journal(5)): text records in the
 * line grammar, chained by SHA-256, in zero-filled segments; group commit.
 * Nothing blocks but journal_open and journal_flush, and journal_append where
 * it flushes early: when a batch reaches 1 MiB, and when a segment is full, so
 * that a torn tail lies in the newest segment only. A failed write or flush is
 * logged at crit and ends the process by abort(3): what the kernel did with the
 * lost pages cannot be known (fsync(2)), so nothing may be answered after it.
 * One thread. var/NAME/: lock, 00000001.journal, ..., SEQ.snapshot, N.index.
 */
#ifndef STRIFE_JOURNAL_JOURNAL_H
#define STRIFE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "wire/event.h"
#include "wire/msg.h"

struct journal;

/*
 * What of a segment no reserve can have: SEGMENT, one record that does not fit,
 * and the zero at the end.
 */
#define JOURNAL_OVERHEAD (2 * LINE_MAX_LEN)

struct journal_conf {
	const char *dir;        /* made (0750) where it is missing */
	enum side side;         /* SIDE_GATEWAY_JOURNAL or SIDE_BANK_JOURNAL */
	struct str component;   /* "gatewayd" or "bankd" */
	struct str name;        /* the node, or the bank */
	int64_t segment_octets; /* size of new segments: 1 MiB at least (8 KiB
				 * here, for tests), less than 4 GiB */
	int64_t reserve_octets; /* kept free for what is in flight */
	/* NULL: every start replays all records, and none takes a snapshot. */
	const struct journal_core *core;
};

/*
 * How the state of a core is written down and comes back. ctx is that of
 * replay. remember, restore: false with error filled where it does not fit.
 */
struct journal_core {
	/* What a record tells about an id for ever; false: nothing. Pure. */
	bool (*note)(const struct record *, struct id_note *);
	/* Such notes, and then the lines of a snapshot, into an empty core. */
	bool (*remember)(
	    void *ctx, const struct id_note *, char *error, size_t error_size);
	bool (*restore)(
	    void *ctx, const struct msg *, char *error, size_t error_size);
	void (*renew)(void *ctx); /* an empty core instead of a half full one */
	/* The state as lines; called in a child: only memory is there. */
	bool (*lines)(const void *ctx, snapshot_line *line, void *line_ctx);
};

enum journal_open {
	JOURNAL_OPENED,
	JOURNAL_LOCKED,   /* another process holds it: exit 75 */
	JOURNAL_CORRUPT,  /* exit 65; nothing was changed */
	JOURNAL_UNUSABLE, /* directory, permission, space, foreign journal: 78
			   */
};

/*
 * Opens or creates it: takes the lock, verifies, cuts a torn tail (logged at
 * warn, copied aside), rewrites and flushes the unproven tail, and gives every
 * record in order to replay (NULL: none wanted). error gets a message that
 * names file, offset and seq. replay returns false to stop: JOURNAL_CORRUPT,
 * with its text in error.
 */
enum journal_open journal_open(struct journal **, const struct journal_conf *,
    bool (*replay)(
	void *ctx, const struct record *, char *error, size_t error_size),
    void *ctx, char *error, size_t error_size);
void journal_close(struct journal *); /* flushes, releases the lock */

/*
 * With a core, it starts from the newest snapshot that can be used: the core
 * gets the notes and lines of what came before, and only later records go to
 * replay. A snapshot that is damaged or does not fit is passed over, logged at
 * warn. One whose record the journal does not have: JOURNAL_CORRUPT.
 */
bool journal_is_new(const struct journal *);   /* no record but SEGMENT */
bool journal_was_torn(const struct journal *); /* this start cut a tail */
const struct id *journal_uuid(const struct journal *);

/*
 * Appends to the batch of this turn and tells where it will lie; not durable
 * before journal_flush. The msg is a record of the journal's side with all but
 * time and flushed set (its tag is ignored): those two are set here, time from
 * wall_us, never lower than the last record's. CHECKs that it encodes. `out`
 * borrows msg, whose KEY_time is set.
 */
void journal_append(
    struct journal *, struct msg *, int64_t wall_us, struct record *out);
/* Writes and flushes the batch; all is durable on return, or we are gone. */
void journal_flush(struct journal *);
bool journal_dirty(const struct journal *); /* is anything unflushed? */
uint64_t journal_last_seq(const struct journal *);
uint64_t journal_durable_seq(const struct journal *);
/*
 * Room beyond the reserve? False: the disk is full, so new work is answered
 * READ_ONLY while what is in flight finishes. Looks again at most once a
 * second.
 */
bool journal_has_room(struct journal *);
/* Makes the spare segment ready off the hot path; call once a turn. */
void journal_tend(struct journal *);

/*
 * Reads the record that starts at pos (of any age, unflushed ones too) into
 * *line and *msg; false where there is none (a damaged or foreign position).
 */
bool journal_read(struct journal *, struct jpos pos, struct line *line,
    struct msg *msg, struct record *out);
/* ---- Snapshots: with a core only ---- */
/* Octets of records since the newest one, or the beginning. */
uint64_t journal_since_snapshot(const struct journal *);
/*
 * Has a child take one of the core's state, which must be that after the newest
 * record. Legal when nothing is unflushed and none is being taken. A descriptor
 * that can be read once it has ended, borrowed until journal_snapshot_end; -1
 * with errno.
 */
int journal_snapshot_begin(struct journal *);
/*
 * Waits for it. True: it is in place, of record *seq; false with error filled:
 * there is none, and what there was before is as it was.
 */
bool journal_snapshot_end(
    struct journal *, uint64_t *seq, char *error, size_t error_size);

/* Is there a record seq with this check? */
bool journal_proves(struct journal *, uint64_t seq, const struct check *check);

#endif
