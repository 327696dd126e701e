/*
 * Private to strife-journal audit: what it remembers of the journals that it
 * was given, and who looks at what. Nothing here comes from lib/ledger or
 * lib/coord: the rules are written down a second time, so that a mistake of the
 * daemons' is not repeated by their auditor.
 *
 * Gateways are read first, then banks, each once and as a stream. What is kept
 * is bounded by the accounts, payments and branches that the journals name, not
 * by their text. Out of memory ends the program (EXIT_OSERR).
 */
#ifndef STRIFE_JOURNAL_AUDIT_H
#define STRIFE_JOURNAL_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "journal.h"
#include "wire/id.h"
#include "wire/money.h"
#include "wire/msg.h"
#include "words.h"

#define NONE UINT32_MAX

/* ---- audit_pool.c: entries found by the octets that they begin with ---- */

struct pool {
	char *at;
	size_t size, key_len;
	uint32_t count, room;
	struct hash_key key;
	struct table table;
};

void pool_init(struct pool *, size_t size, size_t key_len);
void pool_free(struct pool *);
/* The entry's number, or NONE. */
uint32_t pool_find(const struct pool *, const void *key);
/* As pool_find, but an entry that is not there is added, all zero. */
uint32_t pool_need(struct pool *, const void *key, bool *is_new);
/* Borrowed until the next pool_need. */
void *pool_at(const struct pool *, uint32_t);

/* ---- What is remembered ---- */

/* Where a record lies. */
struct where {
	uint32_t source; /* index, NONE: nowhere */
	uint32_t segment, offset;
	uint64_t seq;
};

/* A journal that was given. */
struct source {
	const char *dir;
	enum side side;
	uint32_t name;   /* the node or the bank, in names */
	uint32_t volume; /* in volumes */
	uint64_t records, first, last;
	int64_t last_us;
	struct check head;
	enum reader_status status;
	uint64_t epoch;            /* gateway: newest BOOT */
	bool restored;             /* gateway: it says that records were lost */
	uint64_t boot;             /* bank: newest BOOT */
	bool loaded;               /* bank: LOADED was there */
	uint32_t claim;            /* bank: the next of the claims about it */
	struct commit_at *commits; /* gateway: its COMMITs, by seq */
	uint32_t commit_count, commit_room;
};

struct commit_at {
	uint64_t seq;
	uint32_t payment;
};

struct name {
	char text[100]; /* key, padded with zeros */
};

/* A journal by its UUID, given or only heard of. */
struct volume {
	struct id journal; /* key */
	uint32_t source;   /* NONE: was not given */
	uint32_t bank;     /* in names; NONE: a gateway's */
	uint64_t unproven; /* branches that could not be looked up in it */
};

/* Which journal a gateway has for a bank. */
struct binding {
	struct {
		uint32_t gateway, bank; /* source, name */
	} key;
	uint32_t volume;
};

/* What a gateway and a bank's journal have told each other at most. */
struct pair {
	struct {
		uint32_t gateway, volume;
	} key;
	uint64_t bank_seq;    /* of the bank's records, in the gateway's */
	uint64_t gateway_seq; /* of the gateway's records, in the bank's */
};

/* BANK told of a record: to be found there, with this check. */
struct claim {
	uint32_t volume;
	uint64_t seq;
	struct check check;
	struct where where;
};

/* Who pays whom; names as in names. */
struct payload {
	uint32_t from, from_bank, to, to_bank;
	uint32_t currency;
	int64_t amount;
	uint64_t memo; /* keyed hash */
};

struct leg {
	uint32_t bank;   /* name */
	uint32_t volume; /* bound when it was decided */
	uint64_t epoch, counter;
	uint64_t vote_seq, ack_seq; /* 0: none */
	struct check vote_check, ack_check;
	uint32_t ack_volume;
	bool voted;     /* the PREPARED was found, as the vote said */
	bool committed; /* the COMMITTED was found */
	bool overruled; /* the gateway has a HEURISTIC for it */
};

enum payment_state {
	PAYMENT_UNKNOWN,
	PAYMENT_OPEN,
	PAYMENT_HELD,
	PAYMENT_COMMITTED,
	PAYMENT_PASSING, /* aborted, may run again */
	PAYMENT_FINAL,   /* aborted for good */
};

/* A payment at one gateway. */
struct payment {
	struct {
		uint32_t gateway; /* source */
		struct id id;
	} key;
	enum payment_state state;
	bool has_payload, ended;
	uint64_t since; /* epoch of its first RECEIVED */
	uint64_t epoch; /* of its newest */
	struct payload payload;
	uint32_t user, bank; /* names; bank: it is held for */
	enum code reason;
	struct where received, where; /* where: of its newest record */
	int64_t time_us;              /* of that; HELD: first held */
	struct where decided;         /* COMMIT */
	struct check check;           /* its */
	struct leg legs[2];
	uint32_t leg_count;
};

/* A page of a bank's books. Sums are wide: whatever a journal says, they hold.
 */
struct page {
	struct {
		uint32_t source, name;
	} key;
	uint32_t currency;
	uint32_t clearing; /* name of the other bank, or NONE */
	bool system, frozen, closed, has_opening;
	__int128 posted, held_out, held_in;
	__int128 drift; /* what the journal says minus what it should */
	int64_t overdraft;
	int64_t floor; /* the limit when money was last promised or taken */
	bool has_floor;
	uint32_t holds;
	struct jpos head;
};

enum branch_state { BRANCH_PREPARED, BRANCH_COMMITTED, BRANCH_ABORTED };
enum outcome { OUTCOME_NONE, OUTCOME_COMMIT, OUTCOME_ABORT };

/* One attempt at a payment inside a bank. */
struct branch_at {
	struct {
		uint32_t source, node;
		uint64_t epoch, counter;
	} key;
	uint32_t entry;
	enum branch_state state;
	enum outcome decided;            /* by an operator */
	bool late;                       /* is to be posted, was posted late */
	bool settled;                    /* the gateway knows of decided */
	uint32_t from, to;               /* accounts that PREPARED names */
	uint32_t posted_from, posted_to; /* COMMITTED's: suspense, maybe */
	uint32_t peer, peer_bank;
	int64_t amount;
	uint64_t memo;
	uint64_t prepared_seq, gateway_seq; /* 0: not told */
	struct jpos prepared;
	struct where where; /* of its newest record */
	int64_t time_us;
};

/* What one id was used for at one bank. */
struct entry {
	struct {
		uint32_t source;
		struct id id;
	} key;
	bool own;           /* a deposit or the like */
	uint32_t newest;    /* branch, NONE */
	uint32_t committed; /* branch, NONE */
};

/* A gateway as a bank knows it. */
struct node {
	struct {
		uint32_t source, name;
	} key;
	uint64_t epoch;
	uint32_t gateway;  /* source, NONE: its journal was not given */
	uint64_t unproven; /* COMMITTED by it, while it was not given */
};

/* DECIDED. */
struct decision {
	uint32_t branch;
	enum outcome outcome;
	bool late;
	char *who, *why; /* owned */
	struct where where;
	int64_t time_us;
};

/* The gateway's HEURISTIC. */
struct deviation {
	uint32_t payment, bank;
	enum outcome outcome;
	struct where where;
};

/* A bank's clearing account with another, over all of the bank's journals. */
struct mirror {
	struct {
		uint32_t bank, other, currency;
	} key;
	bool has_account;
	__int128 posted, alone; /* alone: of what only this side has posted */
	struct where where;     /* of its newest movement */
};

/* Money that committed payments moved. */
struct moved {
	uint32_t currency; /* key */
	uint64_t payments;
	__int128 amount;
};

/* What was proven, as counts of what was looked at and found right. */
#define PROVEN_LIST(X) \
	X(RECORDS, "records", "each follows from the one before it") \
	X(BOOKS, "books", "a bank's balances in a currency sum to zero") \
	X(MOVEMENTS, "movements", \
	    "balances and positions are those that follow") \
	X(VOTES, "votes", "legal when given, holds and limits counted") \
	X(COMMITS, "commits", \
	    "a decision is carried out, as the same payment") \
	X(PROOFS, "proofs", "what a journal says of another stands there") \
	X(ABORTS, "aborts", "an aborted payment moved nothing at its banks") \
	X(MIRRORS, "mirrors", "two banks' clearing accounts are opposite")

enum proven {
#define X(name, word, text) PROVEN_##name,
	PROVEN_LIST(X)
#undef X
	    PROVEN_COUNT
};

struct audit {
	bool verbose, json, stopped;
	struct hash_key key;
	struct source *sources;
	uint32_t source_count;
	struct pool names, volumes, bindings, pairs, payments;
	struct pool accounts, branches, entries, nodes, mirrors, moved;
	struct claim *claims;
	uint32_t claim_count, claim_room;
	struct decision *decisions;
	uint32_t decision_count, decision_room;
	struct deviation *deviations;
	uint32_t deviation_count, deviation_room;
	uint64_t proven[PROVEN_COUNT];
	uint64_t faults;
	uint64_t unmirrored; /* pairs of banks of which a journal is missing */
	struct open_row *rows; /* what is not finished */
	uint32_t row_count, row_room;
};

/* What is neither proven nor wrong: a line of the lists at the end. */
enum row_kind { ROW_HELD, ROW_IN_DOUBT, ROW_HEURISTIC, ROW_PENDING, ROW_KINDS };
struct open_row {
	enum row_kind kind;
	struct id id;
	bool has_id;
	uint32_t bank; /* name, NONE */
	int64_t time_us, amount;
	uint32_t currency; /* 0: no amount */
	char *text;        /* owned */
};

/* ---- audit.c ---- */

/* Something is wrong. Without -v only the first is told, and reading ends. */
void fault(struct audit *, const struct where *, const struct id *,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
static inline bool
audit_is_over(const struct audit *a)
{
	return a->faults > 0 && !a->verbose;
}

/* ---- audit_pool.c: names and other look-ups ---- */

uint32_t name_need(struct audit *, struct str);
const char *name_text(const struct audit *, uint32_t);
uint64_t memo_hash(const struct audit *, const struct msg *);
struct volume *
volume_need(struct audit *, const struct id *journal, uint32_t *number);
struct pair *pair_need(struct audit *, uint32_t gateway, uint32_t volume);
struct payment *
payment_find(const struct audit *, uint32_t gateway, const struct id *);
struct entry *
entry_find(const struct audit *, uint32_t source, const struct id *);
/* As entry_find, but one that is not there is added. */
struct entry *entry_need(struct audit *, uint32_t source, const struct id *,
    uint32_t *number, bool *is_new);
struct page *account_at(const struct audit *, uint32_t);
struct branch_at *branch_at(const struct audit *, uint32_t);
const struct id *branch_id(const struct audit *, const struct branch_at *);
/* The gateway (source) whose attempt it is, or NONE. */
uint32_t branch_gateway(const struct audit *, const struct branch_at *);
/* The leg of a payment, which may be NULL, that is this branch; or NULL. */
struct leg *
branch_leg(const struct audit *, struct payment *, const struct branch_at *);
uint32_t clearing_name(struct audit *, uint32_t bank, uint32_t currency);
/* The gateway that was given under this name, or NONE. */
uint32_t gateway_find(const struct audit *, uint32_t name);
struct where where_of(uint32_t source, const struct record *);
static inline bool
check_same(const struct check *a, const struct check *b)
{
	return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}
/* ---- audit_gateway.c, audit_bank.c: one record ---- */

void
gateway_record(struct audit *, uint32_t source, const struct record *record);
void bank_record(struct audit *, uint32_t source, const struct record *record);
/* OPEN of an earlier epoch was aborted by the restart alone. */
enum payment_state payment_state(const struct audit *, const struct payment *);
/* What a gateway did with this payment, or with none (NULL): "holds it". */
const char *payment_words(const struct audit *, const struct payment *);

/* ---- audit_books.c: a bank's accounts and what moves between them ---- */

void books_open(struct audit *, uint32_t source, const struct record *);
void books_set(struct audit *, uint32_t source, const struct record *);
void books_entry(struct audit *, uint32_t source, const struct record *);
/*
 * Both ends of a movement, false where there is no such movement. A system
 * account begins when it is first named.
 */
bool books_ends(
    struct audit *, const struct where *, const struct msg *, uint32_t end[2]);
/* Money is promised, or taken without a promise: may it be? */
void books_promise(struct audit *, const struct where *, const struct id *,
    const uint32_t end[2], __int128 amount);
/* Neither end may be frozen or closed. */
void books_state(struct audit *, const struct where *, const struct id *,
    const uint32_t end[2]);
/* Counts a branch among the holds of its accounts: sign 1, or -1 at its end. */
void books_hold(struct audit *, const struct branch_at *, int sign);
void books_post(struct audit *, const struct where *, const struct msg *,
    const uint32_t end[2]);

/* ---- audit_cross.c: what one journal says of another ---- */

void cross_prepared(struct audit *, uint32_t branch, const struct record *);
void cross_committed(struct audit *, uint32_t branch, const struct record *);
/* GATEWAY, SETTLED: a bank tells of a gateway's decision; and of its epoch. */
void cross_told(
    struct audit *, uint32_t source, uint32_t node, const struct record *);
void cross_settled(
    struct audit *, uint32_t branch, uint32_t node, const struct record *);
void cross_epoch(
    struct audit *, uint32_t source, uint32_t node, const struct record *);
/* Every record of a bank: is it one that a gateway told of? */
void cross_claims(struct audit *, uint32_t source, const struct record *);
void cross_gateways_read(struct audit *);
/* After the last record: claims beyond the ends of the banks' journals. */
void cross_claims_end(struct audit *);

/* ---- audit_end.c, audit_mirrors.c: after the last record of all ---- */

void audit_end(struct audit *);
/* The books of each bank, and the clearing accounts of each two. */
void mirrors_end(struct audit *);

/* ---- audit_rows.c: what is not finished ---- */

void row_add(struct audit *, const struct open_row *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ROW_PENDING, about what this record or payment is about. */
struct open_row
row_of_record(const struct audit *, uint32_t source, const struct record *);
struct open_row row_of_payment(const struct payment *, uint32_t bank);
struct open_row
row_of_branch(const struct audit *, enum row_kind, const struct branch_at *);
/*
 * The bank's record there tells of what (in words) the journal of that gateway
 * does not have yet: a row, or a fault where that cannot be.
 */
void row_bank_is_ahead(struct audit *, uint32_t gateway, const struct where *,
    const struct open_row *, const char *what);
/* The gateway's record there tells of record seq of that bank, as above. */
void row_gateway_is_ahead(struct audit *, const struct source *bank,
    const struct where *, const struct open_row *, uint64_t seq);

/* ---- audit_report.c ---- */

/* An exit code: EXIT_OK, or that of output_close. */
int report(struct audit *);
/* At once: as a row for programs, as a message for people. */
void report_fault(
    struct audit *, const struct where *, const struct id *, const char *text);

#endif
