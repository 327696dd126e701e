/*
 * A simulator of a whole deployment in one thread: the real cores of one or two
 * gateways and of two to four banks, carried as lib/turn carries them, over a
 * network, disks and clocks that a seed drives, with operators and clients who
 * do what such people do. Then everything is healed and must converge. An
 * independent model watches every record and every line (model.c) and says at
 * once when something is wrong. The same seed gives the same history.
 *
 *   main.c    seeds, processes, the report        world.c  time, chance, heap
 *   host.c    a process: disk, turn, core         net.c  the shells' lines
 *   people.c  clients, tellers, operators         faults.c what goes wrong
 *   replay.c  a core from its disk, and the same again
 *   model.c   what must hold of records           answers.c and of lines
 */
#ifndef STRIFE_T_SIM_H
#define STRIFE_T_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "coord/coord.h"
#include "ledger/ledger.h"
#include "wire/event.h"
#include "wire/msg.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SEC INT64_C(1000000000)

#define GATEWAYS_MAX 2
#define BANKS_MAX 4
#define PROCS_MAX (GATEWAYS_MAX + BANKS_MAX)
#define PAYS_MAX 16
#define USERS 3
#define CURRENCIES 2
#define CUSTOMERS 3 /* accounts of each bank */
#define CONNS_MAX 48
#define LANE_MAX 256
#define BRANCHES_MAX 1024
#define REQUESTS_MAX 2048
#define ENTRIES_MAX 64
#define BOOKS_MAX 24
#define HEAP_MAX 8192
#define OUTBOX_MAX 1024
#define DEPTH_MAX 6

/* Peers' slots: connections of banks by number, then these. */
#define SLOT_CLIENT 100
#define SLOT_OPERATOR 200

/* ---- Counting what was met ---- */
enum cover {
#define COVER(name, schedules, what) COVER_##name,
#include "cover.def"
#undef COVER
	COVER_COUNT
};
extern uint64_t *cover;
#define met(name) (cover[COVER_##name]++)

/* ---- Disks ---- */

/* What a record says, in short: all that the model looks at. */
struct fact {
	enum verb verb;
	int pay;     /* index, -1: none of the payments */
	int entry;   /* ENTRY: which, -1: an opening */
	int gateway; /* of a branch, or GATEWAY's */
	uint32_t legs;
	struct fact_leg {
		int bank;
		uint64_t epoch, counter;
	} leg[2];     /* a bank's records: leg[0] */
	int from, to; /* books */
	int64_t amount, from_balance, to_balance, time_us;
	enum code reason;
	bool final, commit, again, tombstone;
	int variant, user; /* RECEIVED */
	uint64_t epoch;    /* BOOT, GATEWAY */
	uint64_t heard_seq;
	struct check heard_check;
	int bank; /* BANK, HEURISTIC, WAIVE */
};

struct stored {
	const char *text; /* without LF; lives as long as the schedule */
	uint32_t len;
	struct check check;
	struct fact fact;
};

struct disk {
	struct stored *at;
	uint64_t count, size, durable;
	struct id journal;
	bool full;
	/* A copy that somebody took: the first so many records. */
	uint64_t backup;
	struct stored *kept; /* the true journal while the copy is in use */
	uint64_t kept_count;
};

/* What the actions of a step borrow lives here until they are done. */
struct frame {
	struct actions actions;
	struct line line;
	struct msg msg;
};

/* ---- Processes ---- */

struct out_line {
	struct peer peer;
	uint64_t after_seq;
	const char *text;
	uint32_t len;
	uint32_t sent; /* what the model must check when it leaves */
};

enum link_state { LINK_IDLE, LINK_GREETING, LINK_REGISTERING, LINK_REGISTERED };

struct link {
	enum link_state state;
	int conn;
	int64_t delay_ns;
	char hello_tag[TAG_MAX_LEN + 1], register_tag[TAG_MAX_LEN + 1];
	bool refused;   /* FENCED was the answer */
	uint64_t epoch; /* that the gateway said in HELLO */
};

struct proc {
	bool gateway;
	int number; /* among gateways, or among banks */
	char name[16];
	struct disk disk;
	struct coord *coord;
	struct ledger *ledger;
	bool up, dying, in_flush, starting;
	bool crash_flush; /* dies in its next flush */
	bool failed;      /* exit 65: its own journal is at fault */
	bool torn, restored,
	    cut;       /* cut: durable records are gone, and it shows */
	uint64_t life; /* counts starts */
	int64_t mono_offset, wall_offset_us, wall_floor_us;
	int64_t stalled_until;
	uint32_t crash_in; /* actions until it dies; 0: never */
	/* The turn. */
	struct out_line outbox[OUTBOX_MAX];
	uint32_t out_first, out_count;
	uint64_t told_durable, urgent_seq;
	int64_t dirty_since_ns, turn_at;
	bool room;
	/* The shell. */
	uint64_t requests;
	struct link links[GATEWAYS_MAX];
	uint32_t client_generation[USERS];
	uint64_t epoch;
};

/* ---- The network ---- */

enum end { END_GATEWAY, END_BANK };

struct note {
	const char *text;
	uint32_t len;
};

/* What is under way from one end to the other, in order. */
struct lane {
	struct note at[LANE_MAX];
	uint32_t first, count;
	int64_t last_ns;
	bool lost; /* nothing that is sent arrives any more */
};

struct conn {
	bool used;
	int gateway, bank;
	uint32_t generation;
	bool open[2], ended[2], registered;
	uint32_t window[2], unanswered[2]; /* of requests that this end got */
	struct lane lane[2];               /* by sender */
};

/* ---- Payments, as clients mean them ---- */

#define VARIANTS 2
struct payload {
	int from_bank, from, to_bank, to; /* customers; CUSTOMERS: no such */
	int64_t amount;
	int currency;
	bool memo, hold;
};

struct pay {
	struct id id;
	struct payload of[VARIANTS]; /* the payment, and another of its id */
	int user;
	bool shared; /* both gateways are given it */
	uint32_t left;
	uint32_t variants, users; /* that were ever recorded: bits */
	uint32_t gateways;
	bool entry; /* a teller used this id */
};

/* A request on its way, to check and to take its answer. */
struct ask {
	enum verb verb;
	int pay, variant, user, gateway;
	bool answered;
};

/* ---- What the model knows ---- */

enum branch_state {
	BRANCH_NONE,
	BRANCH_PREPARED,
	BRANCH_COMMITTED,
	BRANCH_ABORTED
};
enum decision {
	DECISION_NONE,
	DECISION_APPENDED,
	DECISION_DURABLE,
	DECISION_LOST
};

struct branch_model {
	int gateway, bank, pay, partner;
	uint64_t epoch, counter;
	int64_t amount;
	int from, to; /* books of the bank, once PREPARED */
	enum branch_state state;
	uint64_t prepared_seq, ended_seq;
	struct check prepared_check, ended_check;
	bool decided_commit, decided_abort, late;
	enum decision decision;
	uint64_t decision_seq;
	struct check decision_check;
	bool sent;           /* COMMIT was sent */
	bool told_heuristic; /* the gateway has recorded it */
	uint64_t heuristic_seq;
	bool settled; /* and the bank knows */
};

enum fate {
	FATE_NONE,
	FATE_OPEN,
	FATE_HELD,
	FATE_COMMIT,
	FATE_FINAL,
	FATE_PASSING
};

/* A payment at a gateway, as its journal says. */
struct pay_model {
	enum fate fate;
	uint64_t seq, held_seq, received_seq;
	int64_t time_us, first_held_us;
	int64_t held_ns;    /* since when, by a clock that nobody sets */
	uint64_t held_life; /* in which life of the gateway */
	enum code reason;
	bool ended, tombstone, was_held;
	int variant, user; /* -1: no RECEIVED */
	/* Told to clients, whatever the journal says now. */
	bool told_commit, told_final;
	uint64_t told_seq;
	enum code told_reason;
	bool tainted; /* a restore lost records of it */
};

struct book_model {
	char name[64];
	uint32_t currency;
	int64_t posted, out, in, overdraft;
	enum ledger_account_state state;
	bool opened;
	uint64_t touched_seq;
};

struct bank_model {
	struct book_model books[BOOKS_MAX];
	int book_count;
	bool entry[ENTRIES_MAX];
	bool loaded;
	uint64_t heard_seq[GATEWAYS_MAX], heard_epoch[GATEWAYS_MAX];
	struct check heard_check[GATEWAYS_MAX];
};

struct gateway_model {
	struct pay_model pays[PAYS_MAX];
	uint64_t epoch;
	uint64_t bound_seq[BANKS_MAX];
};

/* What leaves a process, for the model to check at that moment. */
struct sent {
	enum verb verb;
	enum msg_word word;
	int pay, branch, ask, gateway, bank;
	uint64_t seq, heard;
	struct check check;
	int64_t time_us;
	enum code code, reason;
	bool has_seq, has_state;
	enum fate fate;
	uint64_t durable; /* when it was made */
	char state[12], outcome[12];
	int book;
};

/* ---- Chance ---- */

struct faults {
	bool crash, power, cut, half_open, slow, stall, full, flush, clock;
	bool decide, backup_gateway, backup_bank, rebind, drain, waive, tellers;
	bool keep_copy; /* a bank's backup is taken for good */
	int64_t every_ns;
};

struct item {
	int64_t at_ns;
	uint64_t order;
	uint32_t kind, a, b;
	uint64_t life;
};

enum item_kind {
	ITEM_TURN,  /* process a */
	ITEM_LINE,  /* connection a, sender b */
	ITEM_DOWN,  /* connection a, end b */
	ITEM_DIAL,  /* bank a, gateway b */
	ITEM_START, /* process a */
	ITEM_PAY,   /* payment a acts */
	ITEM_ASK,   /* request a arrives */
	ITEM_FAULT,
	ITEM_TELLER,
	ITEM_OPERATOR,
	ITEM_HEAL,
	ITEM_END,
	ITEM_FULL_OVER,   /* process a has room again */
	ITEM_CLIENT_DOWN, /* process a, user b */
	ITEM_DECIDE,      /* an operator decides branch a */
	ITEM_LOSE,        /* process a loses record b and what follows */
};

struct world {
	uint64_t seed, random, order, hash, lines;
	int64_t now_ns, healed_ns, latency_ns;
	struct item *heap;
	uint32_t heap_count;
	struct proc procs[PROCS_MAX];
	int gateways, banks;
	struct conn conns[CONNS_MAX];
	uint32_t generations;
	struct pay pays[PAYS_MAX];
	int pay_count, entry_count;
	struct ask asks[REQUESTS_MAX];
	uint32_t ask_count;
	struct faults may;
	bool healing, restores, decides;
	int lost; /* the one process whose journal may be lost, or -1 */
	int64_t prepare_timeout_ns, held_expiry_ns, heartbeat_ns, resolve_ns;
	uint32_t window, in_flight_max;
	uint32_t registering; /* the connection of the last REGISTER */
	/* The model. */
	struct gateway_model gateway[GATEWAYS_MAX];
	struct bank_model bank[BANKS_MAX];
	struct branch_model branches[BRANCHES_MAX];
	int branch_count;
	struct sent *sent;
	uint32_t sent_count, sent_size;
};
extern struct world w;

/* ---- world.c ---- */
void world_run(uint64_t seed);
uint64_t chance_next(void);
uint32_t below(uint32_t n); /* 0..n-1 */
bool one_in(uint32_t n);
int64_t between(int64_t low, int64_t high);
void later(int64_t ns, enum item_kind, uint32_t a, uint32_t b, uint64_t life);
const char *keep(const char *text, size_t len);
static inline struct proc *
gateway_proc(int g)
{
	return &w.procs[g];
}
static inline struct proc *
bank_proc(int b)
{
	return &w.procs[GATEWAYS_MAX + b];
}
static inline uint32_t
proc_index(const struct proc *p)
{
	return (uint32_t)(p - w.procs);
}

/* ---- main.c ---- */
extern bool tracing, hashing;
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void
wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define MUST(condition, ...) \
	do { \
		if (!(condition)) \
			wrong(__VA_ARGS__); \
	} while (0)

/* ---- host.c ---- */
void host_start(struct proc *);
void host_event(struct proc *, struct event *);
void host_send(struct proc *, struct peer, const struct msg *);
void host_poke(struct proc *);
void host_turn(struct proc *); /* ITEM_TURN */
void host_settle(struct proc *);
void host_crash(struct proc *);
bool host_proves(const struct proc *, uint64_t seq, const struct check *);
void host_free(struct proc *);
void
host_load(const struct proc *, uint64_t seq, struct frame *, struct record *);
int64_t host_wall_us(struct proc *);
int64_t host_mono_ns(const struct proc *);
void host_set_clocks(struct proc *, struct event *);

/* ---- replay.c ---- */
void replay_start(struct proc *);   /* its core, by one way or the other */
void replay_compare(struct proc *); /* is the live state what each way gives? */

/* ---- net.c ---- */
void net_deliver(struct proc *, struct peer, const char *text, uint32_t len);
void net_close(struct proc *, struct peer, const char *why);
void net_line(uint32_t conn, enum end from); /* ITEM_LINE */
void net_down(uint32_t conn, enum end);      /* ITEM_DOWN */
void net_dial(int bank, int gateway);        /* ITEM_DIAL */
void net_after_turn(struct proc *);
void net_lost(struct proc *, bool silently); /* the process is gone */
void net_silent(const struct proc *);
void net_cut(struct conn *);
void net_half_open(struct conn *);
void net_sent_register(struct proc *, struct peer, const struct msg *);

/* ---- people.c ---- */
void people_begin(void);
void people_pay(uint32_t pay);       /* ITEM_PAY */
void people_ask(uint32_t ask);       /* ITEM_ASK */
void people_teller(void);            /* ITEM_TELLER */
void people_decide(uint32_t branch); /* ITEM_DECIDE */
void people_operator(void);          /* ITEM_OPERATOR */
void people_answer(struct proc *, struct peer, const char *text, uint32_t len);
void operator_asks(struct proc *, struct msg *);
const char *customer_name(int customer);
int customer_currency(int customer);
uint32_t currency_of(int currency);

/* ---- faults.c ---- */
void faults_begin(void);
void faults_next(void);
void faults_heal(void);
void faults_put_back(struct proc *);
/* One bank knows a decision and the other does not: the worst time to lose it.
 */
void faults_half_told(const struct branch_model *);
void faults_lose(struct proc *, uint64_t seq); /* ITEM_LOSE */

/* ---- model.c ---- */
void model_fact(struct proc *, const struct msg *, struct fact *);
void model_appended(struct proc *);
void model_durable(struct proc *, uint64_t was);
void model_crashing(struct proc *, uint64_t survives);
void model_rebuild(struct proc *, bool restored);
void model_compare(struct proc *);
void model_end(void);
int model_pay(const struct id *);
int model_gateway(struct str node);
int model_bank(struct str name);
int model_book(struct bank_model *, struct str name);
struct branch_model *model_branch(int pay, int bank, const struct branch *);
void model_crit(struct proc *, const struct action *);
void model_closing(struct proc *, const struct action *);

/* ---- answers.c ---- */
/* Notes a line that a core sends; checks it when it leaves the process. */
uint32_t answers_note(struct proc *, struct peer, const struct msg *);
void answers_leave(struct proc *, uint32_t sent);

#endif
