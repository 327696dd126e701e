/* The inside of lib/coord. */
#ifndef STRIFE_COORD_PRIVATE_H
#define STRIFE_COORD_PRIVATE_H

#include <sys/queue.h>

#include "base/table.h"
#include "coord/coord.h"
#include "wire/id_index.h"
#include "wire/money.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_SECOND INT64_C(1000000000)
#define US_PER_SECOND INT64_C(1000000)
/* A held payment that failed for a passing reason waits 1 s, 2 s, ... 512 s. */
#define DELAY_CLASSES 10

/*
 * The life of a payment (PROTOCOL.md section 5). Those in -ING wait for their
 * record to become durable and show as preparing.
 */
enum payment_state {
	PAYMENT_FREE,
	PAYMENT_RECEIVED,   /* RECEIVED was appended, nothing sent */
	PAYMENT_PREPARING,  /* asked for votes */
	PAYMENT_COMMITTING, /* COMMIT appended */
	PAYMENT_COMMITTED,  /* COMMIT durable, not acknowledged by all */
	PAYMENT_ABORTING,   /* a final ABORT appended */
	PAYMENT_HOLDING,    /* HELD appended */
	PAYMENT_HELD,
	PAYMENT_STATES
};

#define BRANCHES_TEXT_MAX (2 * (BANK_MAX_LEN + 2 + BRANCH_TEXT_MAX) + 1)
#define PROOFS_TEXT_MAX (2 * (BANK_MAX_LEN + 3 + 20 + 32) + 1)

/* What the index of remembered ids says of one. */
enum remembered {
	REMEMBERED_LIVE,      /* in the pool; look there */
	REMEMBERED_COMMITTED, /* pos: COMMIT */
	REMEMBERED_FINAL,     /* pos: ABORT final=yes */
	REMEMBERED_PASSING,   /* pos: ABORT final=no, or RECEIVED */
};

enum leg_state {
	LEG_IDLE,
	LEG_QUEUED, /* PREPARE waits for the link's window */
	LEG_ASKED,  /* PREPARE sent */
	LEG_YES,
	LEG_NO,
	LEG_COMMIT, /* in bank->commits or bank->committing, by incarnation */
	LEG_ACKED,
};

struct bank;
struct payment;

/* One payment's part at one bank: a branch. */
struct leg {
	TAILQ_ENTRY(leg)
	entry;
	struct payment *payment;
	struct bank *bank;
	enum leg_state state;
	uint64_t epoch, counter; /* the branch, with our node */
	uint32_t incarnation;    /* of the link that COMMIT went out on */
	bool unknown;            /* COMMIT was answered NOT_FOUND */
	bool asked_again;        /* and sent once more after a WAIVE */
	enum code no;
	uint64_t proof_seq; /* vote's, then acknowledgement's record */
	struct check proof_check;
};
TAILQ_HEAD(legs, leg);

/* Who waits for the outcome; peer PEER_NONE: nobody. */
struct asker {
	struct peer peer;
	enum verb verb;
	char tag[TAG_MAX_LEN + 1];
};

struct user {
	char name[NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1];
	uint32_t in_flight, held;
	uint32_t next_free;
};

struct payment {
	TAILQ_ENTRY(payment)
	timer; /* in a timeout list, or retry */
	struct payments *timer_list;
	TAILQ_ENTRY(payment)
	queue; /* deciding, expiring, or free */
	struct payments *queue_list;
	enum payment_state state;
	bool was_held;  /* HELD is durable: a failed attempt is held again */
	bool hold;      /* hold=yes */
	bool tombstone; /* cancelled before there was a payload */
	bool counted;   /* in in_flight, per bank and per user */
	bool broken;    /* a passing no, or a bank gone: waits for the other */
	struct id id;
	char from[ACCOUNT_MAX_LEN + 1], to[ACCOUNT_MAX_LEN + 1];
	uint8_t from_name_len, to_name_len; /* octets before the @ */
	char memo[MEMO_MAX_LEN + 1];
	char user[NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1];
	uint32_t user_index;
	int64_t amount;
	uint32_t currency;
	struct leg leg[2];
	uint32_t legs;
	struct asker asker;
	int64_t deadline_ns; /* of the timeout list it is in */
	int64_t expiry_ns;   /* held: when it is given up */
	int64_t first_us;    /* first held */
	uint32_t delay;      /* next retry's delay class */
	uint64_t attempts;
	uint64_t entry; /* in the index of ids */
	struct jpos received;
	/* The newest record that says what it is: HELD, COMMIT, ABORT. */
	struct jpos decided;
	struct check decided_check;
	int64_t decided_us;
	enum code reason;
	char reason_bank[BANK_MAX_LEN + 1];
};
TAILQ_HEAD(payments, payment);

/* An ABORT owed to a bank; lost without harm, for the bank asks RESOLVE. */
struct abort_job {
	STAILQ_ENTRY(abort_job)
	entry;
	struct id id;
	uint64_t epoch, counter;
};
STAILQ_HEAD(abort_jobs, abort_job);

enum bank_state {
	BANK_DOWN,
	BANK_BREAKING, /* its connection went; what it owed is being settled */
	BANK_UP,
};

/* A request that a bank has not answered. */
struct request {
	TAILQ_ENTRY(request)
	relayed;        /* where somebody waits for the answer */
	enum verb verb; /* VERB_UNKNOWN: free */
	uint64_t number;
	struct id id;
	uint64_t epoch, counter;
	struct payment
	    *payment; /* PREPARE, COMMIT: checked against id, branch */
	uint32_t leg;
	struct asker asker;             /* a relayed question */
	char account[NAME_MAX_LEN + 1]; /* that it is about, or "" */
	int64_t sent_ns;
	uint32_t next_free;
};

TAILQ_HEAD(requests, request);

struct lost_record {
	uint64_t seq;
	struct check check;
};

struct bank {
	char name[BANK_MAX_LEN + 1];
	bool bound;
	struct id journal;
	uint64_t proven_seq; /* 0: none */
	struct check proven_check;
	bool fenced;     /* refused at REGISTER; a good one ends it */
	bool stopped;    /* lost a branch: not used until WAIVE */
	bool registered; /* since this start */
	bool waived;     /* since this start: it need not be waited for */
	/*
	 * Records of ours that it was told of and that are not there: the one
	 * that it is fenced for, and the one that an operator has waived.
	 * seq 0: none.
	 */
	struct lost_record shown, excused;
	enum bank_state state;
	struct peer peer;
	int64_t since_us;
	int64_t rtt_ns;
	uint32_t incarnation;
	uint32_t window, unanswered;
	struct request *requests; /* window_max of them */
	uint32_t free_request;
	uint64_t next_number;
	uint32_t break_at; /* BREAKING: the next request to settle */
	uint32_t in_flight;
	int64_t told_ns; /* when all that it told of is told at the pace */
	TAILQ_ENTRY(bank)
	busy; /* has work that can be done now */
	bool is_busy;
	uint64_t bound_seq;     /* of the BANK record */
	int64_t bound_us;       /* its time */
	struct legs prepares;   /* LEG_QUEUED */
	struct legs asked;      /* LEG_ASKED, LEG_YES */
	struct legs commits;    /* LEG_COMMIT, to be sent */
	struct legs committing; /* LEG_COMMIT, sent on this incarnation */
	struct abort_jobs aborts;
	struct payments waiting; /* held until this bank is back, or has room */
	/* A REGISTER that came while BREAKING. */
	bool registering;
	struct peer new_peer;
	char new_tag[TAG_MAX_LEN + 1];
	uint32_t new_window;
};

TAILQ_HEAD(banks, bank);

struct heuristic {
	struct id id;
	uint32_t bank;
	bool committed; /* what the bank did */
	int64_t time_us;
	uint64_t seq; /* of its record */
};

/* What a chain of reads has found so far about an id that is not live. */
enum lookup_phase { LOOKUP_IDLE, LOOKUP_RECORD, LOOKUP_PAYLOAD };
struct lookup {
	enum lookup_phase phase;
	uint64_t entry;
	enum remembered state;
	enum code reason;
	uint64_t seq, attempts;
	int64_t time_us;
	struct jpos received;        /* where the payload lies */
	char bank[BANK_MAX_LEN + 1]; /* that gave the reason, or "" */
	char user[NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1];
	struct check check;
	char branches[BRANCHES_TEXT_MAX]; /* COMMIT's */
};

/*
 * A list under way for strife-ctl: a row or a read a tick, so that it delays no
 * payment. PAYMENTS walks the RECEIVED records backwards.
 */
enum query_phase {
	QUERY_NEXT,     /* the next row or record is to be looked at */
	QUERY_RECEIVED, /* reading a RECEIVED record */
	QUERY_NEWEST,   /* reading what became of that payment */
	QUERY_PAYLOAD,  /* heuristic: then reading what was to be paid */
	QUERY_CHAIN,    /* EXPLAIN: reading back to the oldest record */
	QUERY_EVENT,    /* EXPLAIN: reading one to show it */
};
#define EXPLAIN_RECORDS_MAX 256
struct query {
	struct asker asker; /* verb VERB_UNKNOWN: free */
	enum query_phase phase;
	char state[WORD_MAX_LEN + 1]; /* PAYMENTS: which, "" all */
	uint32_t left;                /* rows still allowed */
	uint32_t number;              /* BANKS, STATS, EXPLAIN */
	struct jpos at;
	uint64_t below; /* heuristics: of records before this one */
	struct id id;
	struct payment shown; /* payload of the row at hand */
	const char *shown_state;
	struct jpos chain[EXPLAIN_RECORDS_MAX];
	uint32_t chain_len;
	bool told_now; /* EXPLAIN: the state of what is live was told */
};
#define QUERIES_MAX 16

struct coord {
	struct coord_conf conf;
	uint64_t epoch, counter;
	bool replaying, draining, room, truncated, overflow;
	int64_t mono_ns, wall_us;
	uint64_t durable_seq;

	struct payment *pool;
	uint32_t pool_max;
	struct payments free;
	struct table live; /* id -> pool */
	struct id_index *ids;
	uint32_t in_flight, held, unacknowledged;
	uint32_t
	    retrying; /* being tried again: they keep their place in held */
	uint64_t committed, aborted; /* decisions of this run */
	struct jpos last_received;

	uint64_t sessions; /* numbered in this epoch */
	struct revocations *revocations;

	struct user *users;
	struct table users_by_name;
	uint32_t free_user;

	struct bank *banks;
	uint32_t bank_count;
	struct table banks_by_name;
	struct banks busy;
	struct requests relays;   /* passed on and not answered, oldest first */
	struct request *requests; /* window_max for each bank */
	struct abort_job *aborts;
	struct abort_jobs free_aborts;

	struct payments undecided;              /* by prepare deadline */
	struct payments deciding;               /* by seq of their record */
	struct payments expiring;               /* held, by expiry */
	struct payments delayed[DELAY_CLASSES]; /* held, by retry time */
	struct payments retry;                  /* held, to be tried now */

	struct heuristic *heuristics; /* the newest, in order */
	uint32_t heuristic_count;
	struct lookup lookup;
	/* Text that the actions of a step borrow. */
	char branches[BRANCHES_TEXT_MAX], proofs[PROOFS_TEXT_MAX];
	char pending[2 * (BANK_MAX_LEN + 1)];
	char clearing[2][SYSTEM_NAME_MAX_LEN + 1];
	char text[LINE_MAX_LEN];
	struct query queries[QUERIES_MAX];
	uint32_t queries_active, query_turn;
	struct query *reading; /* whose AC_READ is out, or NULL */
	char jpos_text[40];
};

/* ---- coord.c ---- */
struct action *emit(struct actions *, enum action_kind);
struct msg *emit_reply(
    struct actions *, const struct asker *, enum msg_word, uint64_t after_seq);
void
emit_error(struct actions *, const struct asker *, enum code, const char *text);
void emit_log(struct actions *, enum action_level, const struct id *,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
void emit_close(struct actions *, struct peer, const char *why);
struct asker asker_of(const struct event *);
#define str_of(array) str_from(array)

/* ---- payments.c: what clients ask for ---- */
void payments_request(struct coord *, const struct event *, struct actions *);
void payments_found(struct coord *, const struct event *, struct actions *);
/* RECEIVED came back, live: the attempt starts. */
void payments_begin(
    struct coord *, struct payment *, const struct event *, struct actions *);
const char *payment_state_text(const struct payment *);

/* ---- attempts.c: two-phase commit ---- */
void attempt_start(struct coord *, struct payment *, struct actions *);
void attempt_decided(struct coord *, const struct event *, struct actions *);
void held_place(struct coord *, struct payment *);
void attempt_vote(struct coord *, struct leg *, enum code no, struct actions *);
/* Ends an undecided attempt: final reasons by record, passing ones held again
 * where that was promised, or answered. */
void attempt_fail(struct coord *, struct payment *, enum code reason,
    const char *bank, struct actions *);
void attempt_bank_gone(struct coord *, struct leg *, struct actions *);
bool attempt_tick(struct coord *, struct actions *); /* did it do anything? */
bool attempt_more(const struct coord *);
int64_t attempt_next_ns(const struct coord *);
void attempt_acknowledged(struct coord *, struct leg *, struct actions *);

/* ---- pool.c: payments in memory, and what they count against ---- */
struct payment *payment_find(const struct coord *, const struct id *);
struct payment *payment_take(struct coord *, const struct id *); /* or NULL */
void
payment_release(struct coord *, struct payment *, enum remembered, struct jpos);
/* The one place where a payment's state changes. */
void payment_enter(struct coord *, struct payment *, enum payment_state);
void payment_set_timer(
    struct coord *, struct payment *, struct payments *, int64_t at_ns);
void payment_set_queue(struct payment *, struct payments *);
/* Into, or out of, the bounds of what is in flight. */
void payment_count(struct coord *, struct payment *, bool in);
bool user_has_room(struct coord *, struct str user);
/* May one more of this user's payments be held? */
bool user_may_hold(const struct coord *, struct str user);

/* ---- records.c: every change of a payment's state ---- */
void records_apply(struct coord *, const struct event *, struct actions *);
/* The journal says something that cannot be: the daemon does not go on. */
void records_refuse(const struct event *, struct actions *, const char *what);
/* The journal has more than the configuration allows: nor does it. */
void records_misfit(const struct event *, struct actions *, const char *what);
/* SEQ:CHECK */
bool proof_parse(struct str text, uint64_t *seq, struct check *);

/* ---- links.c: the banks' connections ---- */
void links_message(struct coord *, const struct event *, struct actions *);
void links_loss_over(struct coord *, struct bank *, struct actions *);
void links_accept(struct coord *, const struct event *, struct actions *);
void links_down(struct coord *, const struct event *, struct actions *);
bool links_tick(struct coord *, struct actions *);
bool links_more(const struct coord *);
struct bank *bank_find(const struct coord *, struct str name);
struct bank *bank_add(struct coord *, struct str name); /* NULL: too many */
static inline bool
bank_usable(const struct bank *b)
{
	return b->state == BANK_UP && !b->stopped;
}

/* ---- requests.c: what banks are asked, and their windows ---- */
void bank_wake(struct coord *, struct bank *);
bool bank_has_work(const struct coord *, const struct bank *);
void leg_unlink(struct leg *);
struct branch leg_branch(const struct coord *, const struct leg *);
void link_prepare(struct coord *, struct leg *, struct actions *);
void link_commit(struct coord *, struct leg *, struct actions *);
/* WAIVE: COMMITs that the bank did not know go out once more. */
void link_commits_again(struct coord *, struct bank *);
void link_abort(struct coord *, struct leg *, struct actions *);
void link_abort_branch(
    struct coord *, struct bank *, const struct abort_job *, struct actions *);
/* May another payment be begun there? */
bool link_has_room(const struct coord *, const struct bank *);
/* Asks a bank for the shell or a client: the answer goes to the asker. */
void link_relay(
    struct coord *, const struct event *, struct bank *, struct actions *);
/* A line of the answer, passed back. */
void request_relay_back(const struct event *, const struct bank *,
    const struct request *, struct actions *);
/* Logs what a bank answered that it had no reason to. */
void request_log_refusal(const struct bank *, const struct id *,
    const struct msg *, struct actions *);
/* The request that a reply with this tag answers, or NULL. */
struct request *request_find(
    const struct coord *, const struct bank *, enum verb, const char *tag);
void request_goes_on(struct coord *, struct request *);
void request_give(struct coord *, struct bank *, struct request *);
void requests_reset(struct coord *, struct bank *);
/* What waits for the window; of a bank that has work and room for it. */
void requests_send_next(struct coord *, struct bank *, struct actions *);
/* A question that was passed on and not answered in time. */
bool requests_late(const struct coord *);
void requests_time_out(struct coord *, struct actions *);
int64_t requests_next_ns(const struct coord *);

/* ---- replies.c: votes, acknowledgements, heuristic outcomes ---- */
void links_reply(
    struct coord *, const struct event *, struct bank *, struct actions *);

/* ---- heuristics.c ---- */
/* What is on record of this id at this bank, or NULL. */
const struct heuristic *heuristic_find(const struct coord *,
    const struct bank *, const struct id *, bool committed);
/* May it tell of one more now? */
bool heuristic_may_tell(const struct coord *, const struct bank *);
void heuristic_told(const struct coord *, struct bank *);
/* Unless it is on record: records what the bank did; _operator logs, too. */
void heuristic_append(const struct coord *, const struct bank *,
    const struct id *, bool committed, struct actions *);
void heuristic_operator(const struct coord *, const struct bank *,
    const struct id *, bool committed, struct actions *);
void heuristics_apply(struct coord *, const struct event *, struct actions *);

/* ---- resolve.c ---- */
/* HEURISTIC came back: a bank that told of it is answered. */
void
links_resolve_recorded(struct coord *, const struct event *, struct actions *);
void links_resolve(
    struct coord *, const struct event *, struct bank *, struct actions *);
/* RESOLVE of an id that is not live: what the journal says. */
void links_resolve_found(struct coord *, const struct event *,
    const struct lookup *, struct actions *);

/* ---- revocations.c: tokens that are no longer good ---- */
struct revocations *
revocations_new(uint32_t tokens, uint32_t users, const struct hash_key *);
void revocations_free(struct revocations *);
/* LOGOUT with a token, REVOKE. */
void
revocations_request(struct coord *, const struct event *, struct actions *);
void revocations_apply(struct coord *, const struct event *, struct actions *);
bool revocations_snapshot(const struct coord *, snapshot_line *, void *ctx);
void revocations_check(const struct coord *);

/* ---- notes.c, snapshot.c: a start from a snapshot ---- */
/* NULL, or why the index of ids cannot be filled from notes. */
const char *notes_apply(struct coord *, const struct id_note *);
void snapshot_restore(struct coord *, const struct event *, struct actions *);

/* ---- lists.c: strife-ctl's questions and orders ---- */
void lists_request(struct coord *, const struct event *, struct actions *);
/* The record of WAIVE or REBIND came back: the operator is answered. */
void lists_recorded(struct coord *, const struct event *, struct actions *);
void lists_found(struct coord *, const struct event *, struct actions *);
bool lists_tick(struct coord *, struct actions *);
/* Whoever asked is gone: its lists end. */
void lists_down(struct coord *, struct peer);
/* A list ends with this OK. */
struct msg *query_ok(struct coord *, struct query *, struct actions *);
/* Reads a record for a list, which is in that phase meanwhile. */
void query_read(struct coord *, struct query *, struct jpos, enum query_phase,
    struct actions *);

/* ---- explain.c ---- */
/* False where the question was answered: no payment has this id. */
bool explain_start(
    struct coord *, struct query *, const struct event *, struct actions *);
void explain_chain(struct query *, const struct record *);
void explain_event(
    struct coord *, struct query *, const struct record *, struct actions *);
void explain_next(struct coord *, struct query *, struct actions *);

#endif
