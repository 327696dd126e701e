/*
 * Heuristic outcomes: what a bank did otherwise than this gateway had decided
 * (PROTOCOL.md sections 4 and 5; the term is X/Open's, XA specification, 1991).
 * Each is recorded once. The newest are remembered; one that is older than
 * these is recorded again if a bank tells of it again.
 */
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

/*
 * A bank may tell of so many at once, and then of one a second, so that none
 * can fill the journal.
 */
#define TOLD_BURST 64

const struct heuristic *
heuristic_find(const struct coord *c, const struct bank *b, const struct id *id,
    bool committed)
{
	for (uint32_t i = c->heuristic_count; i-- > 0;) {
		const struct heuristic *h = &c->heuristics[i];

		if (h->bank == (uint32_t)(b - c->banks) &&
		    h->committed == committed && id_eq(&h->id, id))
			return h;
	}
	return NULL;
}

bool
heuristic_may_tell(const struct coord *c, const struct bank *b)
{
	return c->room &&
	    b->told_ns <= c->mono_ns + (TOLD_BURST - 1) * NS_PER_SECOND;
}

void
heuristic_told(const struct coord *c, struct bank *b)
{
	if (b->told_ns < c->mono_ns)
		b->told_ns = c->mono_ns;
	b->told_ns += NS_PER_SECOND;
}

void
heuristic_append(const struct coord *c, const struct bank *b,
    const struct id *id, bool committed, struct actions *actions)
{
	struct msg *m;

	if (heuristic_find(c, b, id, committed) != NULL)
		return;
	m = &emit(actions, AC_APPEND)->msg;
	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_HEURISTIC, "0");
	msg_set_id(m, KEY_id, id);
	msg_set_str(m, KEY_bank, str_from(b->name));
	msg_set_str(
	    m, KEY_outcome, committed ? STR("committed") : STR("aborted"));
}

void
heuristic_operator(const struct coord *c, const struct bank *b,
    const struct id *id, bool committed, struct actions *actions)
{
	if (heuristic_find(c, b, id, committed) != NULL)
		return;
	heuristic_append(c, b, id, committed, actions);
	emit_log(actions, ACTION_CRIT, id,
	    "HEURISTIC: an operator of bank %s %s what was %s here", b->name,
	    committed ? "committed" : "aborted",
	    committed ? "aborted" : "committed");
}

void
heuristics_apply(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct bank *b = bank_find(c, m->v[KEY_bank].str);
	bool committed = str_is(m->v[KEY_outcome].str, "committed");
	struct heuristic *h;

	if (b == NULL) {
		records_refuse(
		    ev, actions, "names a bank that was never bound");
		return;
	}
	if (heuristic_find(c, b, id, committed) != NULL)
		return;
	if (c->heuristic_count == c->conf.heuristics_max)
		memmove(c->heuristics, c->heuristics + 1,
		    (--c->heuristic_count) * sizeof(c->heuristics[0]));
	h = &c->heuristics[c->heuristic_count++];
	h->id = *id;
	h->bank = (uint32_t)(b - c->banks);
	h->committed = committed;
	h->time_us = m->v[KEY_time].i64;
	h->seq = ev->record->pos.seq;
	if (!c->replaying)
		links_resolve_recorded(c, ev, actions);
}
