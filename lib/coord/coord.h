/*
 * The gateway as a pure state machine: payments, idempotency, two-phase commit
 * with presumed abort (PROTOCOL.md sections 3 to 5, JOURNAL.md; Mohan, Lindsay
 * and Obermarck, 1986). Events in, actions out (wire/event.h); no system call,
 * clock, randomness or descriptor. All memory is taken in coord_new.
 *
 * A payment's state is changed by records and only when they come back as
 * EV_RECORD, so replaying a journal and running are the same code. What only a
 * running gateway knows (votes, connections, who asked) is volatile and starts
 * empty.
 */
#ifndef STRIFE_COORD_COORD_H
#define STRIFE_COORD_COORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "wire/event.h"

struct coord;

struct coord_conf {
	char node[NODE_MAX_LEN + 1];
	char agent[64];         /* for BOOT */
	uint32_t in_flight_max; /* undecided, or not yet acknowledged */
	uint32_t per_bank_max, per_user_max; /* of those */
	uint32_t held_max;
	uint32_t tombstones_max; /* CANCELs that are not durable yet */
	uint32_t heuristics_max; /* of which the newest are remembered */
	uint32_t banks_max;
	uint32_t revoked_max; /* tokens by LOGOUT, until they expire */
	/* By REVOKE; apart, so that no flood of LOGOUT is in its way. */
	uint32_t revoked_users_max;
	uint32_t
	    window_max; /* unanswered requests to a bank, whatever it says */
	uint64_t remembered_max;
	int64_t prepare_timeout_ns, held_expiry_ns;
	bool truncated; /* this start cut the journal, or was told --restored */
	bool restored;  /* told --restored: epochs may have been used already */
	struct hash_key key;
};

struct coord *coord_new(const struct coord_conf *); /* NULL: ENOMEM */
void coord_free(struct coord *);

/*
 * Events it takes:
 *   EV_RECORD  EV_READ  EV_REPLAYED (appends BOOT with the next epoch)
 *   EV_REMEMBER and EV_RESTORE, before any EV_RECORD; AC_FAIL where they do not
 *     fit: then another start is made, from all records
 *   EV_MSG from the client listener: PAY CANCEL STATUS BALANCE HISTORY, session
 *     and role checked by the shell; event.user, event.may_pay_from (rights to
 *     the account that is paid from or asked about)
 *   EV_MSG from a bank: REGISTER (event.user: the certificate's bank; window,
 *     proof) and RESOLVE, and the replies to what the core sent
 *   EV_MSG from the client listener: LOGOUT of a session with a token
 *     (event.jti and its times)
 *   EV_MSG of SIDE_CONTROL, but SNAPSHOT
 *   EV_MSG of SIDE_DOWN from the shell itself (AUTHENTICATE, BALANCE): to be
 *     asked of event.user, a bank's name; the reply goes to event.peer with the
 *     request's tag
 *   EV_PEER_DOWN  EV_DURABLE  EV_TICK  EV_ROOM
 */
void coord_step(struct coord *, const struct event *, struct actions *);
int64_t coord_next_ns(const struct coord *); /* nearest deadline */
bool coord_more(const struct coord *);       /* paced work left: EV_TICK */

uint64_t coord_epoch(const struct coord *);
/* The number of a new session, and of its token: larger than all before. */
struct jti coord_next_jti(struct coord *);
uint32_t coord_revocations(const struct coord *); /* remembered now */
/* Was this session's token revoked, or all that its user had then? */
bool coord_revoked(const struct coord *, struct str user, struct jti);
/* Has this bank been asked for it under this tag, and not yet answered? */
bool
coord_awaits(const struct coord *, struct str bank, enum verb, const char *tag);
/* Once it is known what this start had to do, before EV_REPLAYED. */
void coord_set_truncated(struct coord *);
void coord_set_restored(struct coord *); /* truncated, too */

/*
 * The live state as lines of a snapshot: what the records so far make. Legal
 * between steps. False: a line could not be written, or there is no memory.
 */
bool coord_snapshot(const struct coord *, snapshot_line *, void *ctx);
/* What the record tells about an id for ever; false: nothing. */
bool coord_note(const struct record *, struct id_note *);

/* ---- For tests, the simulator and STATS ---- */
struct coord_counts {
	uint32_t in_flight, held, unacknowledged, banks, banks_up;
	uint64_t remembered, committed, aborted;
};
void coord_counts(const struct coord *, struct coord_counts *);
/*
 * What a replay rebuilds: how many ids are remembered, and the lines of a
 * snapshot. Equal states give equal dumps.
 */
void coord_dump(
    const struct coord *, void (*row)(void *ctx, const char *text), void *ctx);
/*
 * Where the newest record of an id lies, and what the index of ids says of it:
 * UINT8_MAX where it says nothing.
 */
uint8_t
coord_remembered(const struct coord *, const struct id *, struct jpos *pos);
/* CHECKs every invariant; slow. */
void coord_check(const struct coord *);

#endif
