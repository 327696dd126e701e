/*
 * The remembered ids without their records: what each record tells about an id
 * for ever, as an index beside a segment keeps it, and filling the index of ids
 * from that. An id whose payment is live is put right by the snapshot.
 */
#include "coord/private.h"

enum note {
	NOTE_RECEIVED = 1,
	NOTE_COMMITTED,
	NOTE_FINAL,
	NOTE_PASSING,
};

bool
coord_note(const struct record *record, struct id_note *note)
{
	const struct msg *m = record->msg;

	*note = (struct id_note){.at = record->pos, .before = JPOS_NONE};
	if (msg_has(m, again))
		note->before = m->v[KEY_again].jpos;
	switch ((unsigned)m->verb) {
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		note->kind = NOTE_RECEIVED;
		break;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		note->kind = NOTE_COMMITTED;
		note->before = m->v[KEY_received].jpos;
		break;
	case VERB_GATEWAY_JOURNAL_END:
		/* One that names no record before it leaves COMMIT's. */
		if (msg_has(m, again))
			note->kind = NOTE_COMMITTED;
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		note->kind =
		    m->v[KEY_final].u64 != 0 ? NOTE_FINAL : NOTE_PASSING;
		if (!msg_has(m, again) && msg_has(m, received))
			note->before = m->v[KEY_received].jpos;
		break;
	}
	if (note->kind != 0)
		note->id = m->v[KEY_id].id;
	return note->kind != 0;
}

static enum remembered
state_of(enum note kind)
{
	switch (kind) {
	case NOTE_RECEIVED:
	case NOTE_PASSING:
		break;
	case NOTE_COMMITTED:
		return REMEMBERED_COMMITTED;
	case NOTE_FINAL:
		return REMEMBERED_FINAL;
	}
	return REMEMBERED_PASSING;
}

/*
 * The record before this one is where the id's entry lies, but for a payment
 * that was held: there it is the only one that the id can be, or this cannot be
 * told without reading records.
 */
const char *
notes_apply(struct coord *c, const struct id_note *note)
{
	uint64_t entry = ID_INDEX_NONE;

	if (note->kind < NOTE_RECEIVED || note->kind > NOTE_PASSING)
		return "an index has a note of an unknown kind";
	if (jpos_none(note->before)) {
		if (id_index_full(c->ids))
			return "more ids than payments.remembered allows";
		(void)id_index_add(c->ids, &note->id, note->at,
		    (uint8_t)state_of((enum note)note->kind));
		return NULL;
	}
	entry = id_index_find_at(c->ids, &note->id, note->before);
	if (entry == ID_INDEX_NONE)
		entry = id_index_find_only(c->ids, &note->id);
	if (entry == ID_INDEX_NONE)
		return "an index has a note of an id that cannot be told from "
		       "another";
	id_index_set(
	    c->ids, entry, note->at, (uint8_t)state_of((enum note)note->kind));
	return NULL;
}

uint8_t
coord_remembered(const struct coord *c, const struct id *id, struct jpos *pos)
{
	uint64_t entry = id_index_find_only(c->ids, id);

	if (entry == ID_INDEX_NONE)
		return UINT8_MAX;
	*pos = id_index_pos(c->ids, entry);
	return id_index_state(c->ids, entry);
}
