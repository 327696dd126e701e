/*
 * From an id to its newest record. The index of ids holds only hashes, so every
 * hit is confirmed by reading the record; nearly always the first one is it.
 */
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"

static void lookup_next(struct ledger *, struct actions *);

static void
lookup_read(struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;

	if (record == NULL) {
		ledger_say(out, ACTION_CRIT, &c->t.id,
		    "the journal does not give back the record of a "
		    "remembered id: check it with strife-journal verify");
		ledger_reply_error(l, out, CODE_INTERNAL,
		    "the record of this id cannot be read");
		return;
	}
	if (!msg_has(record->msg, id) ||
	    !id_eq(&record->msg->v[KEY_id].id, &c->t.id)) {
		lookup_next(l, out);
		return;
	}
	c->seq = ledger_record_seq(record);
	c->check = record->check;
	c->found(l, record, out);
}

static void
lookup_next(struct ledger *l, struct actions *out)
{
	struct current *c = &l->current;

	c->entry = id_index_find(l->index, &c->t.id, c->entry);
	if (c->entry == ID_INDEX_NONE)
		c->found(l, NULL, out);
	else
		ledger_read_at(
		    l, out, id_index_pos(l->index, c->entry), lookup_read);
}

void
ledger_lookup(struct ledger *l, struct actions *out, read_fn *found)
{
	l->current.entry = ID_INDEX_NONE;
	l->current.found = found;
	lookup_next(l, out);
}

/* Texts were typed where they came in, so they fit. */
static void
take_text(char *into, size_t size, const struct msg *msg, enum key key)
{
	into[0] = '\0';
	if ((msg->have & MSG_BIT(key)) != 0)
		CHECK(str_copy(into, size, msg->v[key].str));
}

void
ledger_transfer_read(struct transfer *t, const struct msg *msg)
{
	struct branch branch = {STR_NONE, 0, 0};

	if (msg_has(msg, branch))
		branch = msg->v[KEY_branch].branch;
	CHECK(str_copy(t->node, sizeof(t->node), branch.node));
	t->epoch = branch.epoch;
	t->counter = branch.counter;
	t->id = msg->v[KEY_id].id;
	take_text(t->from, sizeof(t->from), msg, KEY_from);
	take_text(t->to, sizeof(t->to), msg, KEY_to);
	take_text(t->peer, sizeof(t->peer), msg, KEY_peer);
	take_text(t->memo, sizeof(t->memo), msg, KEY_memo);
	t->amount = msg_has(msg, amount) ? msg->v[KEY_amount].i64 : 0;
	t->currency =
	    msg_has(msg, currency) ? (uint32_t)msg->v[KEY_currency].u64 : 0;
}

struct branch
ledger_transfer_branch(const struct transfer *t)
{
	return (struct branch){text_of(t->node), t->epoch, t->counter};
}

bool
ledger_transfer_same_payload(const struct transfer *a, const struct transfer *b)
{
	return a->amount == b->amount && a->currency == b->currency &&
	    strcmp(a->from, b->from) == 0 && strcmp(a->to, b->to) == 0 &&
	    strcmp(a->peer, b->peer) == 0 && strcmp(a->memo, b->memo) == 0;
}

struct branch
ledger_slot_branch(const struct ledger *l, const struct branch_slot *b)
{
	return (struct branch){
	    text_of(l->gateways[b->gateway].node), b->epoch, b->counter};
}
