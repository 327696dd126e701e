/*
 * What goes into the two pure cores and what comes out: shared by lib/ledger
 * and lib/coord, carried by the shells in bin/ and by the simulator.
 */
#ifndef STRIFE_WIRE_EVENT_H
#define STRIFE_WIRE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/jti.h"
#include "wire/msg.h"

/*
 * A connection, never a descriptor. A slot that is used again has another
 * generation, so what is owed to a dead connection is dropped.
 */
struct peer {
	uint32_t slot, generation;
};
#define PEER_NONE ((struct peer){UINT32_MAX, 0})
static inline bool
peer_eq(struct peer a, struct peer b)
{
	return a.slot == b.slot && a.generation == b.generation;
}

enum event_kind {
	EV_MSG,       /* a request or reply from peer */
	EV_PEER_DOWN, /* peer is gone: nothing more comes from or goes to it */
	EV_RECORD,    /* a record: replayed, or just appended by AC_APPEND */
	EV_REPLAYED,  /* the journal has been replayed */
	EV_READ,      /* the answer to AC_READ */
	EV_DURABLE,   /* records up to durable_seq are on stable storage */
	EV_TICK,      /* time passes, or paced work is left (X_more) */
	EV_ROOM,      /* the disk is full (room false), or has room again */
	/* A start from a snapshot, in this order, and then EV_RECORD: */
	EV_REMEMBER, /* what the records before it tell about ids */
	EV_RESTORE,  /* a line of the snapshot */
};

/*
 * What a record tells about a payment id for ever: all that is kept of it in
 * an index beside its segment.
 */
struct id_note {
	struct id id;
	struct jpos at; /* of the record; seq is not kept */
	/* Where the id's newest record lay until then; JPOS_NONE: not said. */
	struct jpos before;
	uint8_t kind; /* the core's own; 0: tells nothing */
};

/* Does our journal have the record that a peer says it has? */
enum proof { PROOF_NONE, PROOF_GOOD, PROOF_BAD };

/*
 * The shell's side of the bargain: an AC_APPEND is appended and given back as
 * EV_RECORD, and an AC_READ is answered by EV_READ, before any other event; the
 * actions of a step are carried out in order. So no step waits for another.
 * Those two carry peer, msg, user and the rest of the event that caused them,
 * so a core keeps no request of its own meanwhile. AC_READ is the last action
 * of its step. Once EV_PEER_DOWN was given, nothing more comes from that peer.
 */
struct event {
	enum event_kind kind;
	int64_t mono_ns; /* monotonic, for deadlines */
	int64_t wall_us; /* never goes back, for records */
	struct peer peer;
	const struct msg *msg;       /* EV_MSG, EV_RESTORE */
	const struct record *record; /* EV_RECORD; EV_READ: NULL, not there */
	uint64_t durable_seq;        /* EV_DURABLE */
	bool room;                   /* EV_ROOM */
	const struct id_note *note;  /* EV_REMEMBER */
	/* EV_MSG, beside the message: what only the shell knows. */
	struct str user;   /* of the session, "alice" or "alice@BankA" */
	bool may_pay_from; /* has this session rights to the account? */
	enum proof proof;  /* REGISTER, HELLO: of the seq and check in it */
	struct str who;    /* control sockets: who asks, for the journal */
	uint32_t window;   /* REGISTER: what the bank said in HELLO */
	/* LOGOUT: the session's token, and its life. */
	struct jti jti;
	int64_t issued_us, expires_us;
};

/* A record as it lies in a journal: msg is borrowed. */
struct record {
	const struct msg *msg; /* verb tells the kind, KEY_time the wall time */
	struct jpos pos;
	struct check check;
};

/* Takes a line of a core's snapshot; false: no more are wanted. */
typedef bool snapshot_line(void *ctx, const struct msg *);

enum action_kind {
	AC_APPEND, /* append msg to the journal; EV_RECORD follows at once */
	AC_SEND,   /* send msg to peer once after_seq is durable (0: now) */
	AC_READ,   /* read the record at pos; EV_READ follows at once */
	AC_CLOSE,  /* close peer after what was sent: it broke the protocol */
	AC_LOG,    /* one log line for people */
	AC_FAIL,   /* our own journal is at fault: exit with text */
};

enum action_level { ACTION_DEBUG, ACTION_INFO, ACTION_WARN, ACTION_CRIT };

struct action {
	enum action_kind kind;
	struct peer peer;
	uint64_t after_seq;
	bool patient; /* AC_SEND: may wait TURN_PATIENCE for a shared flush */
	bool misfit;  /* AC_FAIL: the configuration is (exit 78, else 65) */
	struct jpos pos;
	enum action_level level;
	char text[192]; /* AC_LOG, AC_CLOSE, AC_FAIL */
	struct id id;   /* AC_LOG: the payment it is about, if has_id */
	bool has_id;
	struct msg msg; /* text borrowed from the core or the event: carry out
			 * before the next step */
};

/*
 * A step emits ACTIONS_STEP_MAX at most into an array that the caller owns and
 * empties between steps, so a step can neither fail half-way nor allocate.
 */
#define ACTIONS_STEP_MAX 8
struct actions {
	uint32_t count;
	struct action at[ACTIONS_STEP_MAX];
};

#endif
