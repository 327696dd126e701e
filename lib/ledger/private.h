/*
 * What the modules of lib/ledger share among themselves. Nobody else includes
 * this.
 *
 * One request at a time may be suspended: it appended a record, or asked for
 * one to be read, and goes on in the very next step. What it will need then
 * lives in struct current, with text of its own, so nothing that an event
 * brought is looked at after its step.
 */
#ifndef STRIFE_LEDGER_PRIVATE_H
#define STRIFE_LEDGER_PRIVATE_H

#include <bsd/sys/queue.h>

#include "base/table.h"
#include "ledger/ledger.h"
#include "wire/id_index.h"

#define BOOK_NONE UINT32_MAX
#define WHO_MAX_LEN 128
#define WHY_MAX_LEN 1024
/*
 * Branches that operators committed and that are not settled with their
 * gateways. One more, and the oldest is asked about no longer.
 */
#define OVERRULED_MAX 256
/* How many records of one id are read to find the node's last branch. */
#define CHAIN_MAX 1024

/* What became of a remembered id: the state in the index of ids. */
enum remembered {
	REMEMBERED_PREPARED = 1,
	REMEMBERED_COMMITTED,
	REMEMBERED_ABORTED,
	REMEMBERED_ENTRY,       /* a deposit, withdrawal or opening balance */
	REMEMBERED_OVER_COMMIT, /* an operator committed it */
	REMEMBERED_OVER_ABORT,  /* an operator aborted it */
};

/* An operator's decision about a branch. */
enum decided { DECIDED_NOT, DECIDED_COMMIT, DECIDED_ABORT };

/* One account: a page in the books. */
struct book {
	char name[NAME_MAX_LEN + 1];
	uint32_t currency;
	bool system;
	bool has_opening; /* an ENTRY kind=open was posted */
	enum ledger_account_state state;
	int64_t posted;
	int64_t held_out, held_in; /* sums of the prepared branches */
	uint32_t holds;            /* how many branches name it */
	int64_t overdraft;
	int64_t opening;      /* what that ENTRY brought */
	uint64_t touched_seq; /* the newest record that changed it */
	struct jpos head;     /* its newest ENTRY or COMMITTED */
};

/* One transfer as it stands in a PREPARE or in a record, with its own text. */
struct transfer {
	struct id id;
	char node[NODE_MAX_LEN + 1];
	uint64_t epoch, counter;
	char from[NAME_MAX_LEN + 1], to[NAME_MAX_LEN + 1];
	char peer[ACCOUNT_MAX_LEN + 1], memo[MEMO_MAX_LEN + 1];
	int64_t amount;
	uint32_t currency;
};

/*
 * A prepared branch; or one that an operator committed (overruled), whose hold
 * has ended, until its gateway has it on record.
 */
struct branch_slot {
	bool used, asked; /* asked: a RESOLVE for it is unanswered */
	bool overruled;
	struct id id;
	uint32_t gateway; /* index */
	uint64_t epoch, counter;
	uint32_t from, to; /* books */
	int64_t amount;
	char peer[ACCOUNT_MAX_LEN + 1], memo[MEMO_MAX_LEN + 1];
	uint64_t seq; /* of its PREPARED; overruled: of its COMMITTED */
	struct check check;
	struct jpos pos;
	int64_t time_us;
	uint64_t entry; /* in the index of ids */
	enum decided decided;
	uint64_t asked_number;
	int64_t ask_ns;
	TAILQ_ENTRY(branch_slot)
	link; /* in its gateway's ask or asked */
	TAILQ_ENTRY(branch_slot)
	aged; /* among those overruled, the oldest first */
	uint32_t next_free;
};
TAILQ_HEAD(branch_list, branch_slot);

enum link_state { LINK_DOWN, LINK_REGISTERING, LINK_UP };

/* A gateway node: what the journal knows of it, and its connection. */
struct gateway {
	char node[NODE_MAX_LEN + 1];
	uint64_t epoch;
	uint64_t seq; /* newest record of its journal we heard of; 0: none */
	struct check check;
	/* Not in the journal: */
	bool fenced;
	uint64_t fenced_epoch; /* the epoch that was refused */
	enum link_state link;
	struct peer peer;
	uint32_t window, unanswered;
	struct branch_list ask;   /* by ask_ns, the next first */
	struct branch_list asked; /* a RESOLVE is under way */
};

enum query_kind { QUERY_FREE, QUERY_HISTORY, QUERY_ACCOUNTS, QUERY_INDOUBT };

/* A list under way: some of its rows with each tick. */
struct query {
	enum query_kind kind;
	enum verb verb;
	char tag[TAG_MAX_LEN + 1];
	struct peer peer;
	uint32_t book;
	uint32_t left; /* rows that may still be told */
	uint32_t next; /* ACCOUNTS, INDOUBT: the next index */
	struct jpos pos;
	bool has_since, has_until;
	int64_t since_us, until_us;
};

typedef void appended_fn(struct ledger *, struct actions *);
typedef void read_fn(struct ledger *, const struct record *, struct actions *);

/* The suspended request. */
struct current {
	appended_fn *appended; /* what to do when the record is applied */
	read_fn *read;         /* what to do with the record that was read */
	read_fn *found;        /* lookup: with the id's record, or NULL */
	enum verb verb;
	char tag[TAG_MAX_LEN + 1];
	struct peer peer;
	uint32_t gateway; /* index, of requests by a gateway */
	uint32_t window;  /* what its HELLO allows */
	struct transfer t;
	uint64_t entry;     /* of the id in the index; ID_INDEX_NONE: new */
	uint32_t chain;     /* records of the id read so far */
	uint64_t proof_seq; /* COMMIT's, RESOLVE's: the gateway's record */
	struct check proof_check;
	uint64_t seq; /* of the record that was just applied or found */
	struct check check;
	uint64_t kept_seq; /* of an answer, while another record is appended */
	struct check kept_check;
	char kept_node[NODE_MAX_LEN + 1]; /* of a branch in an answer */
	uint32_t book;
	enum decided outcome;
	enum code code;
	struct query query;
	struct ledger_opening opening;
	char who[WHO_MAX_LEN + 1], why[WHY_MAX_LEN + 1];
};

#define STATS_ROWS 7
struct ledger {
	struct ledger_conf conf;
	struct id journal;
	uint64_t boot;
	bool loaded, room;
	uint64_t last_seq, durable_seq;
	int64_t now_ns;
	uint64_t random;
	uint64_t asked_serial;

	struct book *books; /* in the order of creation */
	uint32_t book_count;
	struct table books_by_name;

	struct branch_slot *branches;
	uint32_t slots_max;                 /* in_flight_max, OVERRULED_MAX */
	uint32_t branch_count, branch_free; /* prepared; free list's head */
	uint32_t overruled_count;
	struct branch_list overruled;
	uint32_t unfinished; /* decided, and not yet ended */
	struct table branches_by_id, branches_by_branch;
	uint32_t *sorted; /* for snapshots */

	struct gateway *gateways;
	uint32_t gateway_count;

	struct query *queries;
	uint32_t query_count, query_turn;

	struct id_index *index;
	struct current current;
	/* Text that actions borrow until the next step. */
	char peer_text[ACCOUNT_MAX_LEN + 1];
	char cursor_text[32];
	char stats_text[STATS_ROWS][24];
};

static inline struct str
text_of(const char *text)
{
	return str_from(text);
}

/* ---- emit.c: actions, replies, what is borrowed ---- */
struct action *ledger_emit(struct actions *, enum action_kind);
/* A reply to the current request, sent once `seq` is durable (0: now). */
struct msg *
ledger_reply(struct ledger *, struct actions *, enum msg_word, uint64_t seq);
struct msg *ledger_reply_error(
    struct ledger *, struct actions *, enum code, const char *text);
void ledger_reply_bad(
    struct ledger *, struct actions *, const char *field, const char *text);
/* Appends a record and goes on with `then` once it is applied. */
struct msg *
ledger_append(struct ledger *, struct actions *, enum verb, appended_fn *then);
void
ledger_read_at(struct ledger *, struct actions *, struct jpos, read_fn *then);
__attribute__((format(printf, 4, 5))) void ledger_say(struct actions *,
    enum action_level, const struct id *, const char *format, ...);
__attribute__((format(printf, 3, 4))) void
ledger_close_peer(struct actions *, struct peer, const char *format, ...);
/* What after_seq a send needs that tells of the record seq. */
uint64_t ledger_after(const struct ledger *, uint64_t seq);
void ledger_current_begin(struct ledger *, const struct event *);
uint64_t ledger_record_seq(const struct record *);

/* ---- lookup.c: ids and what became of them ---- */
/* Finds the record of current.t.id; `found` gets it, or NULL for a new id. */
void ledger_lookup(struct ledger *, struct actions *, read_fn *found);
void ledger_transfer_read(struct transfer *, const struct msg *);
struct branch ledger_transfer_branch(const struct transfer *);
bool
ledger_transfer_same_payload(const struct transfer *, const struct transfer *);
struct branch
ledger_slot_branch(const struct ledger *, const struct branch_slot *);

/* ---- accounts.c: the books ---- */
uint32_t ledger_book_find(const struct ledger *, struct str name);
uint32_t ledger_book_add(struct ledger *, struct str name, uint32_t currency);
/* The system account of that name, made when missing; BOOK_NONE: full. */
uint32_t ledger_book_need(struct ledger *, struct str name, uint32_t currency);
/* May `amount` more go from one to the other, holds counted? */
enum code ledger_book_limits(
    const struct ledger *, uint32_t from, uint32_t to, int64_t amount);
bool ledger_book_has_funds(const struct book *, int64_t amount);
void ledger_book_post(struct ledger *, uint32_t from, uint32_t to,
    int64_t amount, const struct record *);
int64_t ledger_book_available(const struct book *);
int64_t ledger_book_held(const struct book *);
/* Sets from_balance ... to_prev of a transfer that is about to be posted. */
void ledger_book_fields(const struct ledger *, struct msg *, const char *from,
    const char *to, int64_t amount);
bool ledger_system_name(
    char into[NAME_MAX_LEN + 1], const char *kind, uint32_t currency);
const char *ledger_account_state_text(enum ledger_account_state);
void
ledger_answer_balance(struct ledger *, const struct event *, struct actions *);

/* ---- branches.c ---- */
struct branch_slot *
ledger_branch_of_id(const struct ledger *, const struct id *);
struct branch_slot *ledger_branch_of(
    const struct ledger *, uint32_t gateway, uint64_t epoch, uint64_t counter);
struct branch_slot *ledger_branch_add(struct ledger *, const struct transfer *,
    uint32_t gateway, uint32_t from, uint32_t to);
void ledger_branch_remove(struct ledger *, struct branch_slot *);
/* Its COMMITTED, an operator's, is record seq: to be settled. */
void
ledger_branch_overrule(struct ledger *, struct branch_slot *, uint64_t seq);
void ledger_branch_settle(struct ledger *, struct branch_slot *);
/* current.proof_seq is the gateway's COMMIT, or 0: it aborted the branch. */
void ledger_branch_append_settled(struct ledger *, struct actions *,
    const struct branch_slot *, appended_fn *then);
void ledger_branch_append_committed(struct ledger *, struct actions *,
    const struct branch_slot *, appended_fn *then);
void ledger_branch_append_aborted(struct ledger *, struct actions *,
    const struct branch_slot *, appended_fn *then);
void ledger_branches_prepare(
    struct ledger *, const struct event *, struct actions *);
void
ledger_branches_commit(struct ledger *, const struct event *, struct actions *);
void
ledger_branches_abort(struct ledger *, const struct event *, struct actions *);

/* ---- gateways.c: links, fencing, RESOLVE ---- */
#define GATEWAY_NONE UINT32_MAX
uint32_t ledger_gateway_find(const struct ledger *, struct str node);
uint32_t
ledger_gateway_add(struct ledger *, struct str node); /* or GATEWAY_NONE */
uint32_t ledger_gateway_of_peer(const struct ledger *, struct peer);
void ledger_gateway_heard(struct gateway *, uint64_t seq, const struct check *);
void
ledger_gateways_hello(struct ledger *, const struct event *, struct actions *);
void ledger_gateways_register(
    struct ledger *, const struct event *, struct actions *);
void ledger_gateways_resolved(
    struct ledger *, const struct event *, struct actions *);
void ledger_gateways_down(struct ledger *, struct peer);
void ledger_gateways_tick(struct ledger *, struct actions *);
int64_t ledger_gateways_next_ns(const struct ledger *);
/* Puts a branch at the end of those to be asked for, one interval from now. */
void ledger_gateway_ask_later(struct ledger *, struct branch_slot *);

/* ---- teller.c, decide.c ---- */
void
ledger_teller_open(struct ledger *, const struct event *, struct actions *);
void
ledger_teller_close(struct ledger *, const struct event *, struct actions *);
void
ledger_teller_freeze(struct ledger *, const struct event *, struct actions *);
void
ledger_teller_thaw(struct ledger *, const struct event *, struct actions *);
void ledger_teller_set(struct ledger *, const struct event *, struct actions *);
void
ledger_teller_entry(struct ledger *, const struct event *, struct actions *);
void ledger_decide(struct ledger *, const struct event *, struct actions *);
void ledger_decide_post_late(
    struct ledger *, const struct event *, struct actions *);
/* Ends one branch whose DECIDED was the last that a crash left of it. */
void ledger_decide_finish(struct ledger *, struct actions *);
void ledger_who_copy(char into[WHO_MAX_LEN + 1], struct str who);

/* ---- query.c ---- */
void
ledger_query_history(struct ledger *, const struct event *, struct actions *);
void
ledger_query_accounts(struct ledger *, const struct event *, struct actions *);
void
ledger_query_indoubt(struct ledger *, const struct event *, struct actions *);
void
ledger_query_stats(struct ledger *, const struct event *, struct actions *);
void ledger_queries_drop(struct ledger *, struct peer);
void ledger_queries_tick(struct ledger *, struct actions *);

/* ---- apply.c: records become state, live and in replay alike ---- */
/* NULL, or what is wrong with the record. */
const char *ledger_apply(struct ledger *, const struct record *);

/* ---- notes.c, snapshot.c: a start from a snapshot ---- */
/* NULL, or why the index of ids cannot be filled from notes. */
const char *ledger_note_apply(struct ledger *, const struct id_note *);
/* NULL, or what is wrong with the line. */
const char *ledger_restore(struct ledger *, const struct msg *);

#endif
