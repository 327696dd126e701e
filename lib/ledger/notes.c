/*
 * The remembered ids without their records: what each record tells about an id
 * for ever, as an index beside a segment keeps it, and filling the index of ids
 * from that. An id that is prepared is put right by the snapshot.
 */
#include "base/check.h"
#include "ledger/private.h"

enum note {
	NOTE_ENTRY = 1,
	NOTE_PREPARED,
	NOTE_COMMITTED,
	NOTE_ABORTED,
	NOTE_DECIDED_COMMIT,
	NOTE_DECIDED_ABORT,
	NOTE_SETTLED,
	NOTES
};

/*
 * As long as notes come, an id that an operator has decided about is marked
 * until its COMMITTED or ABORTED comes.
 */
enum {
	MARKED_COMMIT = REMEMBERED_OVER_ABORT + 1,
	MARKED_ABORT,
};

static enum note
kind_of(const struct msg *m)
{
	bool commit =
	    msg_has(m, outcome) && str_is(m->v[KEY_outcome].str, "commit");

	switch ((unsigned)m->verb) {
	case VERB_BANK_JOURNAL_ENTRY:
		return NOTE_ENTRY;
	case VERB_BANK_JOURNAL_PREPARED:
		return NOTE_PREPARED;
	case VERB_BANK_JOURNAL_COMMITTED:
		return NOTE_COMMITTED;
	case VERB_BANK_JOURNAL_ABORTED:
		return NOTE_ABORTED;
	case VERB_BANK_JOURNAL_DECIDED:
		return commit ? NOTE_DECIDED_COMMIT : NOTE_DECIDED_ABORT;
	case VERB_BANK_JOURNAL_SETTLED:
		/* Otherwise the operator was overruled, and stays so. */
		return commit ? NOTE_SETTLED : 0;
	}
	return 0;
}

bool
ledger_note(const struct record *record, struct id_note *note)
{
	const struct msg *m = record->msg;

	*note = (struct id_note){.at = record->pos,
	    .before = JPOS_NONE,
	    .kind = (uint8_t)kind_of(m)};
	if (note->kind == 0)
		return false;
	note->id = m->v[KEY_id].id;
	if (msg_has(m, again))
		note->before = m->v[KEY_again].jpos;
	else if (msg_has(m, prepared))
		note->before = m->v[KEY_prepared].jpos;
	return true;
}

static const char *
note_new(struct ledger *l, const struct id_note *note)
{
	if (id_index_full(l->index))
		return "more payment ids than are configured (remembered)";
	(void)id_index_add(l->index, &note->id, note->at,
	    note->kind == NOTE_ENTRY ? REMEMBERED_ENTRY : REMEMBERED_PREPARED);
	return NULL;
}

/* What an id of this state becomes; 0: the note does not change it. */
static uint8_t
state_after(enum note kind, uint8_t state)
{
	bool open = state == REMEMBERED_PREPARED || state == MARKED_COMMIT ||
	    state == MARKED_ABORT;

	switch (kind) {
	case NOTE_ENTRY:
	case NOTES:
		break;
	case NOTE_PREPARED:
		return REMEMBERED_PREPARED;
	case NOTE_COMMITTED:
		return state == MARKED_COMMIT ? REMEMBERED_OVER_COMMIT
					      : REMEMBERED_COMMITTED;
	case NOTE_ABORTED:
		return state == MARKED_ABORT ? REMEMBERED_OVER_ABORT
					     : REMEMBERED_ABORTED;
	case NOTE_DECIDED_COMMIT:
		return open ? MARKED_COMMIT : 0;
	case NOTE_DECIDED_ABORT:
		return open ? MARKED_ABORT : 0;
	case NOTE_SETTLED:
		return REMEMBERED_COMMITTED;
	}
	return 0;
}

/*
 * Where the record does not say where the one before it lies, it must be the
 * only one that the id can have, or this cannot be told without reading
 * records.
 */
const char *
ledger_note_apply(struct ledger *l, const struct id_note *note)
{
	enum note kind = (enum note)note->kind;
	uint64_t entry = ID_INDEX_NONE;
	struct jpos at = note->at;
	uint8_t state;

	if (kind < NOTE_ENTRY || kind >= NOTES)
		return "an index has a note of an unknown kind";
	if (jpos_none(note->before) &&
	    (kind == NOTE_ENTRY || kind == NOTE_PREPARED))
		return note_new(l, note);
	if (!jpos_none(note->before))
		entry = id_index_find_at(l->index, &note->id, note->before);
	if (entry == ID_INDEX_NONE)
		entry = id_index_find_only(l->index, &note->id);
	if (entry == ID_INDEX_NONE)
		return "an index has a note of an id that cannot be told from "
		       "another";
	state = state_after(kind, id_index_state(l->index, entry));
	if (state == 0)
		return NULL;
	if (kind > NOTE_ABORTED)
		at = id_index_pos(l->index, entry);
	id_index_set(l->index, entry, at, state);
	return NULL;
}

uint8_t
ledger_remembered(const struct ledger *l, const struct id *id, struct jpos *pos)
{
	uint64_t entry = id_index_find_only(l->index, id);

	if (entry == ID_INDEX_NONE)
		return UINT8_MAX;
	*pos = id_index_pos(l->index, entry);
	return id_index_state(l->index, entry);
}
