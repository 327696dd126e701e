/*
 * What is not finished: the lists at the end.
 *
 * The journals need not have been read or copied at one moment. What one says
 * of another beyond that one's end is pending, not wrong, unless it cannot be
 * so: because the daemons were stopped (a->stopped), or because the journal
 * that ends too early itself tells of something that came after. Say that a
 * bank's record X names the gateway's N. Then N was there before X, and
 * whatever the gateway wrote having heard of X, or of a later record of that
 * bank, stands behind N.
 */
#include <stdarg.h>
#include <stdio.h>

#include "audit.h"

void
row_add(struct audit *a, const struct open_row *row, const char *format, ...)
{
	char text[2048];
	struct open_row *kept = array_add(
	    (void **)&a->rows, &a->row_count, &a->row_room, sizeof(*kept));
	va_list ap;

	*kept = *row;
	va_start(ap, format);
	/* A line for people may end early. */
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	kept->text = text_keep(str_from(text));
}

struct open_row
row_of_record(
    const struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct open_row row = {.kind = ROW_PENDING,
	    .bank = a->sources[source].name,
	    .time_us = m->v[KEY_time].i64};

	if (!msg_has(m, id))
		return row;
	row.has_id = true;
	row.id = m->v[KEY_id].id;
	/* SETTLED has none. */
	if (!msg_has(m, amount) || !msg_has(m, currency))
		return row;
	row.amount = m->v[KEY_amount].i64;
	row.currency = (uint32_t)m->v[KEY_currency].u64;
	return row;
}

struct open_row
row_of_payment(const struct payment *p, uint32_t bank)
{
	return (struct open_row){.kind = ROW_PENDING,
	    .has_id = true,
	    .id = p->key.id,
	    .bank = bank,
	    .time_us = p->time_us,
	    .amount = p->payload.amount,
	    .currency = p->payload.currency};
}

struct open_row
row_of_branch(
    const struct audit *a, enum row_kind kind, const struct branch_at *b)
{
	return (struct open_row){.kind = kind,
	    .has_id = true,
	    .id = *branch_id(a, b),
	    .bank = a->sources[b->key.source].name,
	    .time_us = b->time_us,
	    .amount = b->amount,
	    .currency = account_at(a, b->from)->currency};
}

/* ---- Beyond the end of a journal ---- */

/* A bank's record tells of what gateway g's journal does not have yet. */
void
row_bank_is_ahead(struct audit *a, uint32_t g, const struct where *at,
    const struct open_row *row, const char *what)
{
	const struct source *gateway = &a->sources[g];
	const struct source *bank = &a->sources[at->source];
	const char *node = name_text(a, gateway->name);

	if (a->stopped || pair_need(a, g, bank->volume)->bank_seq >= at->seq)
		fault(a, at, row->has_id ? &row->id : NULL,
		    "it tells of %s of %s, whose journal ends at record %llu: "
		    "records are lost there, or this one is made up",
		    what, node, (unsigned long long)gateway->last);
	else
		row_add(a, row,
		    "record %llu of %s tells of %s of %s, whose journal ends "
		    "before it here",
		    (unsigned long long)at->seq, name_text(a, bank->name), what,
		    node);
}

/* A gateway's record at tells of what the bank's journal does not have yet. */
void
row_gateway_is_ahead(struct audit *a, const struct source *bank,
    const struct where *at, const struct open_row *row, uint64_t seq)
{
	const char *node = name_text(a, a->sources[at->source].name);
	const char *name = name_text(a, bank->name);

	if (a->stopped ||
	    pair_need(a, at->source, bank->volume)->gateway_seq >= at->seq)
		fault(a, at, row->has_id ? &row->id : NULL,
		    "it tells of record %llu of %s, whose journal ends at "
		    "record %llu: records are lost there, or this one is made "
		    "up",
		    (unsigned long long)seq, name,
		    (unsigned long long)bank->last);
	else
		row_add(a, row,
		    "record %llu of %s tells of record %llu of %s, whose "
		    "journal ends before it here",
		    (unsigned long long)at->seq, node, (unsigned long long)seq,
		    name);
}
