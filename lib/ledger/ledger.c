/* The ledger as a whole: its memory, and which event goes where. */
#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/version.h"
#include "ledger/private.h"

/* ---- Memory ---- */

static bool
same_book(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct book *books = pool;

	return strlen(books[index].name) == len &&
	    memcmp(books[index].name, key, len) == 0;
}

static bool
same_id(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct branch_slot *branches = pool;

	return len == 16 && memcmp(branches[index].id.octets, key, 16) == 0;
}

static bool
same_branch(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct branch_slot *b = (const struct branch_slot *)pool + index;
	uint64_t own[3] = {b->gateway, b->epoch, b->counter};

	return len == sizeof(own) && memcmp(own, key, len) == 0;
}

static bool
make_tables(struct ledger *l)
{
	const struct hash_key *key = &l->conf.key;
	uint32_t branches = l->slots_max;

	return table_init(&l->books_by_name, l->conf.accounts_max, key,
		   same_book, l->books) == 0 &&
	    table_init(
		&l->branches_by_id, branches, key, same_id, l->branches) == 0 &&
	    table_init(&l->branches_by_branch, branches, key, same_branch,
		l->branches) == 0;
}

static bool
make_pools(struct ledger *l)
{
	const struct ledger_conf *conf = &l->conf;

	l->books = calloc(conf->accounts_max, sizeof(*l->books));
	l->branches = calloc(l->slots_max, sizeof(*l->branches));
	l->sorted = calloc(l->slots_max, sizeof(*l->sorted));
	l->gateways = calloc(conf->gateways_max, sizeof(*l->gateways));
	l->queries = calloc(conf->queries_max, sizeof(*l->queries));
	l->index = id_index_new(conf->remembered_max, &conf->key);
	return l->books != NULL && l->branches != NULL && l->sorted != NULL &&
	    l->gateways != NULL && l->queries != NULL && l->index != NULL;
}

struct ledger *
ledger_new(const struct ledger_conf *conf)
{
	struct ledger *l = calloc(1, sizeof(*l));

	CHECK(conf->accounts_max > 0 && conf->in_flight_max > 0);
	CHECK(conf->gateways_max > 0 && conf->queries_max > 0);
	CHECK(conf->resolve_ns > 0);
	if (l == NULL)
		return NULL;
	l->conf = *conf;
	l->room = true;
	l->slots_max = conf->in_flight_max + OVERRULED_MAX;
	TAILQ_INIT(&l->overruled);
	l->random = conf->jitter_seed;
	if (!make_pools(l) || !make_tables(l)) {
		ledger_free(l);
		return NULL;
	}
	for (uint32_t i = 0; i < l->slots_max; i++)
		l->branches[i].next_free =
		    i + 1 < l->slots_max ? i + 1 : UINT32_MAX;
	return l;
}

void
ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	table_free(&l->books_by_name);
	table_free(&l->branches_by_id);
	table_free(&l->branches_by_branch);
	id_index_free(l->index);
	free(l->books);
	free(l->branches);
	free(l->sorted);
	free(l->gateways);
	free(l->queries);
	free(l);
}

/* ---- Requests and replies ---- */

typedef void
request_fn(struct ledger *, const struct event *, struct actions *);

static request_fn *const requests[VERB_COUNT] = {
    [VERB_DOWN_PREPARE] = ledger_branches_prepare,
    [VERB_DOWN_COMMIT] = ledger_branches_commit,
    [VERB_DOWN_ABORT] = ledger_branches_abort,
    [VERB_DOWN_BALANCE] = ledger_answer_balance,
    [VERB_DOWN_HISTORY] = ledger_query_history,
    [VERB_TELLER_OPEN] = ledger_teller_open,
    [VERB_TELLER_CLOSE] = ledger_teller_close,
    [VERB_TELLER_FREEZE] = ledger_teller_freeze,
    [VERB_TELLER_THAW] = ledger_teller_thaw,
    [VERB_TELLER_SET] = ledger_teller_set,
    [VERB_TELLER_DEPOSIT] = ledger_teller_entry,
    [VERB_TELLER_WITHDRAW] = ledger_teller_entry,
    [VERB_TELLER_ACCOUNTS] = ledger_query_accounts,
    [VERB_TELLER_BALANCE] = ledger_answer_balance,
    [VERB_TELLER_HISTORY] = ledger_query_history,
    [VERB_TELLER_INDOUBT] = ledger_query_indoubt,
    [VERB_TELLER_DECIDE] = ledger_decide,
    [VERB_TELLER_POST_LATE] = ledger_decide_post_late,
    [VERB_TELLER_STATS] = ledger_query_stats,
};

static request_fn *const replies[VERB_COUNT] = {
    [VERB_UP_HELLO] = ledger_gateways_hello,
    [VERB_UP_REGISTER] = ledger_gateways_register,
    [VERB_UP_RESOLVE] = ledger_gateways_resolved,
};

static void
step_request(struct ledger *l, const struct event *event, struct actions *out)
{
	enum verb verb = event->msg->verb;

	if (requests[verb] == NULL) {
		ledger_reply_error(
		    l, out, CODE_UNKNOWN_VERB, "not a verb of a bank");
		return;
	}
	if (verb_info(verb)->side == SIDE_DOWN) {
		uint32_t gateway = ledger_gateway_of_peer(l, event->peer);

		if (gateway == GATEWAY_NONE ||
		    l->gateways[gateway].link != LINK_UP) {
			ledger_reply_error(l, out, CODE_BAD_REQUEST,
			    "a request before REGISTER was answered");
			ledger_close_peer(out, event->peer,
			    "a request before REGISTER was answered");
			ledger_gateways_down(l, event->peer);
			return;
		}
	}
	requests[verb](l, event, out);
}

static void
step_msg(struct ledger *l, const struct event *event, struct actions *out)
{
	const struct msg *m = event->msg;

	ledger_current_begin(l, event);
	switch (m->word) {
	case MSG_REQUEST:
		step_request(l, event, out);
		break;
	case MSG_OK:
	case MSG_ERR:
		if (replies[m->verb] != NULL)
			replies[m->verb](l, event, out);
		break;
	case MSG_ROW:
	case MSG_EVENT:
		break; /* nothing that we ask for has any */
	}
}

/* ---- Records ---- */

static void
step_record(struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	appended_fn *then = c->appended;
	uint64_t seq = ledger_record_seq(event->record);
	struct check check = event->record->check;
	const char *problem;

	c->appended = NULL;
	problem = ledger_apply(l, event->record);
	if (problem != NULL) {
		struct action *a;

		/* What we appended ourselves just now must follow. */
		CHECK(then == NULL);
		ledger_say(out, ACTION_CRIT, NULL, "record %llu: %s",
		    (unsigned long long)seq, problem);
		a = ledger_emit(out, AC_FAIL);
		memcpy(a->text, out->at[out->count - 2].text, sizeof(a->text));
		return;
	}
	c->seq = seq;
	c->check = check;
	if (then != NULL)
		then(l, out);
}

static void
step_read(struct ledger *l, const struct event *event, struct actions *out)
{
	read_fn *then = l->current.read;

	CHECK(then != NULL);
	l->current.read = NULL;
	then(l, event->record, out);
}

static void
booted(struct ledger *l, struct actions *out)
{
	(void)l;
	(void)out;
}

static void
step_replayed(struct ledger *l, struct actions *out)
{
	struct msg *m;

	/* Opening a journal makes durable what it gives back. */
	if (l->last_seq > l->durable_seq)
		l->durable_seq = l->last_seq;
	m = ledger_append(l, out, VERB_BANK_JOURNAL_BOOT, booted);
	msg_set_u64(m, KEY_boot, l->boot + 1);
	msg_set_str(m, KEY_agent, STR("strife-bankd/" STRIFE_VERSION));
}

static void
step_tick(struct ledger *l, struct actions *out)
{
	CHECK(l->current.appended == NULL && l->current.read == NULL);
	if (l->unfinished > 0) {
		ledger_decide_finish(l, out);
		return;
	}
	ledger_gateways_tick(l, out);
	ledger_queries_tick(l, out);
}

/* A start from a snapshot goes no further where there is a problem. */
static void
refuse(struct actions *out, const char *problem)
{
	if (problem != NULL)
		CHECK(str_copy(ledger_emit(out, AC_FAIL)->text,
		    sizeof(out->at[0].text), text_of(problem)));
}

void
ledger_step(struct ledger *l, const struct event *event, struct actions *out)
{
	if (event->mono_ns > l->now_ns)
		l->now_ns = event->mono_ns;
	switch (event->kind) {
	case EV_MSG:
		step_msg(l, event, out);
		break;
	case EV_PEER_DOWN:
		ledger_gateways_down(l, event->peer);
		ledger_queries_drop(l, event->peer);
		break;
	case EV_RECORD:
		step_record(l, event, out);
		break;
	case EV_REPLAYED:
		step_replayed(l, out);
		break;
	case EV_READ:
		step_read(l, event, out);
		break;
	case EV_DURABLE:
		if (event->durable_seq > l->durable_seq)
			l->durable_seq = event->durable_seq;
		break;
	case EV_TICK:
		step_tick(l, out);
		break;
	case EV_ROOM:
		l->room = event->room;
		break;
	case EV_REMEMBER:
		refuse(out, ledger_note_apply(l, event->note));
		break;
	case EV_RESTORE:
		refuse(out, ledger_restore(l, event->msg));
		break;
	}
}

/* ---- What the shell asks ---- */

int64_t
ledger_next_ns(const struct ledger *l)
{
	return ledger_gateways_next_ns(l);
}

bool
ledger_more(const struct ledger *l)
{
	return l->unfinished > 0 || l->query_count > 0 ||
	    ledger_gateways_next_ns(l) <= l->now_ns;
}

uint64_t
ledger_boot(const struct ledger *l)
{
	return l->boot;
}

bool
ledger_loaded(const struct ledger *l)
{
	return l->loaded;
}

uint32_t
ledger_prepared(const struct ledger *l)
{
	return l->branch_count;
}

void
ledger_set_journal(struct ledger *l, const struct id *uuid)
{
	l->journal = *uuid;
}

bool
ledger_account_at(
    const struct ledger *l, uint32_t index, struct ledger_account *account)
{
	const struct book *b;

	if (index >= l->book_count)
		return false;
	b = &l->books[index];
	*account = (struct ledger_account){text_of(b->name), b->currency,
	    b->posted, b->held_out, b->overdraft, b->state};
	return true;
}

bool
ledger_account(
    const struct ledger *l, struct str name, struct ledger_account *account)
{
	uint32_t index = ledger_book_find(l, name);

	return index != BOOK_NONE && ledger_account_at(l, index, account);
}
