/* What the audit prints: journals, what was proven, figures, what is open. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "base/exitcode.h"
#include "base/hex.h"
#include "client/output.h"
#include "journal/segment.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static const struct column journal_columns[] = {
    {"row", COLUMN_TEXT, 0},
    {"dir", COLUMN_TEXT, 0},
    {"component", COLUMN_TEXT, 0},
    {"name", COLUMN_TEXT, 0},
    {"journal", COLUMN_TEXT, 0},
    {"records", COLUMN_NUMBER, 0},
    {"first", COLUMN_NUMBER, 0},
    {"last", COLUMN_NUMBER, 0},
    {"check", COLUMN_TEXT, 0},
    {"status", COLUMN_TEXT, 0},
};
static const struct column proven_columns[] = {
    {"row", COLUMN_TEXT, 0},
    {"what", COLUMN_TEXT, 0},
    {"count", COLUMN_NUMBER, 0},
    {"text", COLUMN_TEXT, 0},
};
static const struct column figure_columns[] = {
    {"row", COLUMN_TEXT, 0},
    {"what", COLUMN_TEXT, 0},
    {"count", COLUMN_NUMBER, 0},
    {"amount", COLUMN_MONEY, 0},
    {"currency", COLUMN_TEXT, 0},
};
static const struct column open_columns[] = {
    {"row", COLUMN_TEXT, 0},
    {"id", COLUMN_TEXT, 0},
    {"time", COLUMN_TEXT, 0},
    {"bank", COLUMN_TEXT, 0},
    {"amount", COLUMN_MONEY, 0},
    {"currency", COLUMN_TEXT, 0},
    {"text", COLUMN_TEXT, 0},
};
static const struct column fault_columns[] = {
    {"row", COLUMN_TEXT, 0},
    {"dir", COLUMN_TEXT, 0},
    {"file", COLUMN_TEXT, 0},
    {"seq", COLUMN_NUMBER, 0},
    {"id", COLUMN_TEXT, 0},
    {"text", COLUMN_TEXT, 0},
};

static const char *const row_words[ROW_KINDS] = {
    [ROW_HELD] = "held",
    [ROW_IN_DOUBT] = "in-doubt",
    [ROW_HEURISTIC] = "heuristic",
    [ROW_PENDING] = "pending",
};

static struct output *
section(const struct audit *a, const struct column *columns, uint32_t count)
{
	const struct output_options options = {
	    .columns = columns, .count = count, .json = a->json};
	struct output *o = output_open(&options);

	if (o == NULL) {
		complain("out of memory");
		_exit(EXIT_OSERR);
	}
	return o;
}

static bool
for_people(const struct audit *a)
{
	return !a->json && isatty(STDOUT_FILENO) == 1;
}

/* ---- Faults ---- */

void
report_fault(struct audit *a, const struct where *at, const struct id *id,
    const char *text)
{
	char file[SEGMENT_NAME_MAX] = "", id_words[ID_TEXT_LEN + 1] = "";
	const char *dir = a->sources[at->source].dir;
	struct output *o;

	if (at->segment != 0)
		segment_name(at->segment, file);
	if (id != NULL)
		id_text(id, id_words);
	if (a->faults == 1 || for_people(a))
		complain("%s/%s: record %llu: %s%s%s", dir, file,
		    (unsigned long long)at->seq, id_words,
		    id == NULL ? "" : ": ", text);
	if (for_people(a))
		return;
	o = section(a, fault_columns, COUNT(fault_columns));
	output_text(o, STR("fault"));
	output_text(o, str_from(dir));
	output_text(o, str_from(file));
	output_u64(o, at->seq);
	output_text(o, str_from(id_words));
	output_text(o, str_from(text));
	output_row(o);
	(void)output_close(o);
}

/* ---- Sections ---- */

static int
journals(struct audit *a)
{
	struct output *o = section(a, journal_columns, COUNT(journal_columns));
	char text[ID_TEXT_LEN + 1], check[33] = "";

	for (uint32_t i = 0; i < a->source_count; i++) {
		const struct source *s = &a->sources[i];
		const struct volume *v = pool_at(&a->volumes, s->volume);

		output_text(o, STR("journal"));
		output_text(o, str_from(s->dir));
		output_text(o,
		    s->side == SIDE_GATEWAY_JOURNAL ? STR("gatewayd")
						    : STR("bankd"));
		output_text(o, str_from(name_text(a, s->name)));
		id_text(&v->journal, text);
		output_text(o, str_from(text));
		output_u64(o, s->records);
		output_u64(o, s->first);
		output_u64(o, s->last);
		hex_write(check, s->head.octets, 16);
		output_text(o, str_from(check));
		output_text(o,
		    s->status == READER_TORN ? STR("unfinished") : STR("ok"));
		output_row(o);
	}
	return output_close(o);
}

static void
proven_row(struct output *o, const char *row, const char *what, uint64_t count,
    const char *text)
{
	output_text(o, str_from(row));
	output_text(o, str_from(what));
	output_u64(o, count);
	output_text(o, str_from(text));
	output_row(o);
}

static void
unproven(struct audit *a, struct output *o)
{
	char text[160], id[ID_TEXT_LEN + 1];

	for (uint32_t i = 0; i < a->volumes.count; i++) {
		const struct volume *v = pool_at(&a->volumes, i);

		if (v->source != NONE)
			continue;
		id_text(&v->journal, id);
		(void)snprintf(text, sizeof(text),
		    "decided for %s, whose journal %s is missing",
		    name_text(a, v->bank), id);
		proven_row(o, "unproven", "commits", v->unproven, text);
	}
	for (uint32_t i = 0; i < a->nodes.count; i++) {
		const struct node *n = pool_at(&a->nodes, i);

		if (n->gateway != NONE || n->unproven == 0)
			continue;
		(void)snprintf(text, sizeof(text),
		    "committed at %s by %s, whose journal is missing",
		    name_text(a, a->sources[n->key.source].name),
		    name_text(a, n->key.name));
		proven_row(o, "unproven", "decisions", n->unproven, text);
	}
	if (a->unmirrored > 0)
		proven_row(o, "unproven", "mirrors", a->unmirrored,
		    "the journal of one of the two banks is missing");
}

static int
proven(struct audit *a)
{
	static const struct {
		const char *word, *text;
	} words[PROVEN_COUNT] = {
#define X(name, word, text) [PROVEN_##name] = {word, text},
	    PROVEN_LIST(X)
#undef X
	};
	struct output *o = section(a, proven_columns, COUNT(proven_columns));

	/* Where something is wrong, nothing is proven. */
	for (int i = 0; i < PROVEN_COUNT && a->faults == 0; i++)
		proven_row(
		    o, "proven", words[i].word, a->proven[i], words[i].text);
	unproven(a, o);
	return output_close(o);
}

/* ---- Figures ---- */

struct figures {
	uint64_t committed, aborted, undecided;
	uint64_t lists[ROW_KINDS];
};

static void
money_moved(struct audit *a, uint32_t currency, int64_t amount)
{
	struct moved *m;
	bool is_new;

	m = pool_at(&a->moved, pool_need(&a->moved, &currency, &is_new));
	m->payments++;
	m->amount += amount;
}

static void
count_payments(struct audit *a, struct figures *f)
{
	for (uint32_t i = 0; i < a->payments.count; i++) {
		const struct payment *p = pool_at(&a->payments, i);

		switch (payment_state(a, p)) {
		case PAYMENT_COMMITTED:
			f->committed++;
			money_moved(a, p->payload.currency, p->payload.amount);
			break;
		case PAYMENT_PASSING:
		case PAYMENT_FINAL:
			f->aborted++;
			break;
		case PAYMENT_OPEN:
			f->undecided++;
			break;
		case PAYMENT_HELD: /* counted as rows */
		case PAYMENT_UNKNOWN:
			break;
		}
	}
}

static bool
is_given(const struct audit *a, uint32_t bank)
{
	for (uint32_t i = 0; i < a->source_count; i++)
		if (a->sources[i].side == SIDE_BANK_JOURNAL &&
		    a->sources[i].name == bank)
			return true;
	return false;
}

/*
 * Where the gateway is missing, its banks tell: the payer's, or where that is
 * missing too, the payee's.
 */
static void
count_branches(struct audit *a, struct figures *f)
{
	for (uint32_t i = 0; i < a->branches.count; i++) {
		const struct branch_at *b = branch_at(a, i);
		const struct page *from = account_at(a, b->from);

		if (b->state != BRANCH_COMMITTED ||
		    gateway_find(a, b->key.node) != NONE ||
		    (from->clearing != NONE && is_given(a, from->clearing)))
			continue;
		f->committed++;
		money_moved(a, from->currency, b->amount);
	}
}

static void
figure_row(struct output *o, const char *row, const char *what, uint64_t count,
    const struct moved *moved)
{
	char letters[4] = "";

	output_text(o, str_from(row));
	output_text(o, str_from(what));
	output_u64(o, count);
	if (moved == NULL || moved->amount > INT64_MAX) {
		output_text(o, moved == NULL ? STR_NONE : STR("overflow"));
	} else {
		output_money(o, (int64_t)moved->amount, moved->currency);
	}
	if (moved != NULL)
		currency_text(moved->currency, letters);
	output_text(o, str_from(letters));
	output_row(o);
}

static int
figures(struct audit *a)
{
	struct output *o = section(a, figure_columns, COUNT(figure_columns));
	struct figures f = {0};

	count_payments(a, &f);
	count_branches(a, &f);
	for (uint32_t i = 0; i < a->row_count; i++)
		f.lists[a->rows[i].kind]++;
	figure_row(o, "payments", "committed", f.committed, NULL);
	figure_row(o, "payments", "aborted", f.aborted, NULL);
	figure_row(o, "payments", "undecided", f.undecided, NULL);
	for (int i = 0; i < ROW_KINDS; i++)
		figure_row(o, "payments", row_words[i], f.lists[i], NULL);
	for (uint32_t i = 0; i < a->moved.count; i++) {
		const struct moved *m = pool_at(&a->moved, i);

		figure_row(o, "moved", "payments", m->payments, m);
	}
	return output_close(o);
}

/* ---- What is open ---- */

static int
open_rows(struct audit *a)
{
	struct output *o = section(a, open_columns, COUNT(open_columns));
	char id[ID_TEXT_LEN + 1], letters[4];

	for (uint32_t i = 0; i < a->row_count; i++) {
		const struct open_row *r = &a->rows[i];

		id[0] = letters[0] = '\0';
		if (r->has_id)
			id_text(&r->id, id);
		output_text(o, str_from(row_words[r->kind]));
		output_text(o, str_from(id));
		output_time(o, r->time_us);
		output_text(o, str_from(name_text(a, r->bank)));
		if (r->currency != 0) {
			currency_text(r->currency, letters);
			output_money(o, r->amount, r->currency);
		} else {
			output_text(o, STR_NONE);
		}
		output_text(o, str_from(letters));
		output_text(o, str_from(r->text));
		output_row(o);
	}
	return output_close(o);
}

int
report(struct audit *a)
{
	int (*const sections[])(struct audit *) = {
	    journals, proven, figures, open_rows};
	int code = EXIT_OK;

	for (uint32_t i = 0; i < COUNT(sections); i++) {
		if (i > 0 && for_people(a) &&
		    (sections[i] != open_rows || a->row_count > 0))
			(void)putchar('\n');
		code = worse(code, sections[i](a));
	}
	return code;
}
