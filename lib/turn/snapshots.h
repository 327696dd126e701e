/*
 * When a snapshot is taken: after so many octets of records, and when an
 * operator asks for one (PROTOCOL.md section 8, SNAPSHOT), who is answered when
 * it is in place. The state is that after the newest record, and it is taken
 * when that is durable; a child writes it down meanwhile (journal/journal.h).
 */
#ifndef STRIFE_TURN_SNAPSHOTS_H
#define STRIFE_TURN_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "journal/journal.h"
#include "turn/talk.h"
#include "turn/turn.h"

#define SNAPSHOT_ASKERS_MAX 64

struct snapshot_asker {
	struct peer peer;
	enum verb verb;
	char tag[TAG_MAX_LEN + 1];
	bool served; /* by the one that is being taken */
};

struct snapshots {
	struct loop *loop;
	struct turn *turn;
	struct journal *journal;
	uint64_t octets;  /* between two of them */
	int64_t retry_ns; /* one failed: no other by itself before this */
	bool taking;
	struct watch watch; /* that one has been written */
	struct snapshot_asker askers[SNAPSHOT_ASKERS_MAX];
	uint32_t asker_count;
};

void snapshots_init(struct snapshots *, struct loop *, struct turn *,
    struct journal *, int64_t octets);
/* One that is being taken is forgotten; before the journal is closed. */
void snapshots_stop(struct snapshots *);

/* SNAPSHOT: o is answered when there is one. */
void snapshots_ask(struct snapshots *, struct talk *o, const struct msg *m);
/* Before each turn_end: is one due? */
void snapshots_turn(struct snapshots *);

#endif
