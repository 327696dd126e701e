/*
 * strife-teller open, deposit and withdraw: what changes books, one row each.
 * Ids and account names make every row count once, however often it is sent.
 */
#include <err.h>
#include <string.h>

#include "base/check.h"
#include "client/ids.h"
#include "rows.h"
#include "teller.h"
#include "wire/money.h"

struct entries {
	struct console *console;
	struct rows rows;
	bool many;                     /* from standard input */
	char id_text[ID_TEXT_LEN + 1]; /* of the one row */
	/* Some row of each: */
	bool refused, unfinished, broken;
};

/* ---- The row of the command line ---- */

/* --id, or --key, of which the id is made later. */
static int
one_id(const struct console *c, struct row *row)
{
	const char *id = c->values[OPTION_ID], *key = c->values[OPTION_KEY];

	if ((id == NULL) == (key == NULL))
		return console_usage(c,
		    "%s needs either --id UUID or --key TEXT: an id counts "
		    "once",
		    c->command->name);
	row->has_id = true;
	return key != NULL ? console_text(c, "key", key, IDS_KEY_MAX)
			   : console_id(c, id, &row->id);
}

static int
one_row(struct entries *e)
{
	const struct console *c = e->console;
	bool opens = c->command->verb == VERB_TELLER_OPEN;
	const enum row_field places[] = {
	    ROW_NAME, opens ? ROW_CURRENCY : ROW_AMOUNT, ROW_CURRENCY};
	struct row *row = rows_add(&e->rows);
	struct row_problem problem;
	uint32_t i;

	if (c->operand_count != (opens ? 2 : 3))
		return console_usage(c, "usage: %s %s %s", c->program->name,
		    c->command->name, c->command->usage);
	if (row == NULL)
		err(EXIT_OSERR, "memory");
	for (i = 0; i < c->operand_count; i++)
		row->fields[places[i]] = str_from(c->operands[i]);
	if (c->values[OPTION_OVERDRAFT] != NULL)
		row->fields[ROW_OVERDRAFT] =
		    str_from(c->values[OPTION_OVERDRAFT]);
	if (c->values[OPTION_MEMO] != NULL)
		row->fields[ROW_MEMO] = str_from(c->values[OPTION_MEMO]);
	if (!opens && one_id(c, row) != EXIT_OK)
		return EXIT_USAGE;
	if (c->values[OPTION_OVERDRAFT] != NULL &&
	    row->fields[ROW_OVERDRAFT].len == 0)
		return console_usage(c, "--overdraft: an amount as in 12.50");
	if (row_check(&e->rows, row, &problem))
		return EXIT_OK;
	return console_usage(
	    c, "%s: %s", row_field_name(problem.field), problem.text);
}

/* With the bank's name known; the id is shown as what it is. */
static void
one_row_id(struct entries *e)
{
	const char *key = e->console->values[OPTION_KEY];
	struct row *row = &e->rows.at[0];

	if (key != NULL)
		row->id =
		    id_from_key(str_from(e->console->name), str_from(key));
	id_text(&row->id, e->id_text);
	row->fields[ROW_ID] = str_from(e->id_text);
}

/* ---- Sending ---- */

static void
entry_request(void *ctx, uint32_t index, struct msg *m)
{
	struct entries *e = ctx;
	struct row *row = &e->rows.at[index];

	row->state = ROW_UNKNOWN;
	msg_set_str(m, KEY_name, row->fields[ROW_NAME]);
	msg_set_u64(m, KEY_currency, row->currency);
	if (m->verb == VERB_TELLER_OPEN) {
		if (row->overdraft > 0)
			msg_set_u64(m, KEY_overdraft, (uint64_t)row->overdraft);
		return;
	}
	msg_set_id(m, KEY_id, &row->id);
	msg_set_i64(m, KEY_amount, row->amount);
	if (row->fields[ROW_MEMO].len > 0)
		msg_set_str(m, KEY_memo, row->fields[ROW_MEMO]);
}

/* An account that was there keeps its overdraft: OPEN sets none anew. */
static void
tell_kept(struct row *row, const struct msg *m)
{
	char kept[MONEY_TEXT_MAX], currency[4];

	if (!msg_has(m, overdraft) ||
	    m->v[KEY_overdraft].u64 == (uint64_t)row->overdraft ||
	    m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX)
		return;
	row->overdraft = (int64_t)m->v[KEY_overdraft].u64;
	row->kept = true;
	(void)money_text(row->overdraft, row->currency, kept);
	currency_text(row->currency, currency);
	warnx("%.*s: the account is there already, and its overdraft of %s %s "
	      "was left as it is; strife-teller set changes it",
	    STR_ARG(row->fields[ROW_NAME]), kept, currency);
}

static void
entry_reply(void *ctx, uint32_t index, const struct msg *m)
{
	struct entries *e = ctx;
	struct row *row = &e->rows.at[index];
	char what[CONSOLE_ABOUT_SIZE];
	int result;

	if (m->word == MSG_OK) {
		row->state = ROW_DONE;
		if (m->verb == VERB_TELLER_OPEN)
			tell_kept(row, m);
		row->balance = msg_has(m, balance) ? m->v[KEY_balance].i64 : 0;
		row->seq = msg_has(m, seq) ? m->v[KEY_seq].u64 : 0;
	} else if (m->word == MSG_ERR) {
		row->state = ROW_REFUSED;
		row->reason = (enum code)m->v[KEY_code].u64;
		console_about(e->console, row->fields[ROW_NAME], what);
		/* Of many rows the output tells, and the columns do. */
		result = e->many ? console_refused_exit(row->reason)
				 : console_refused(e->console, what, m);
		e->refused |= result == EXIT_DECLINED;
		e->unfinished |= result == EXIT_TEMPFAIL;
		e->broken |= result == EXIT_PROTOCOL;
	}
}

/* ---- Showing ---- */

static const char *
state_text(enum row_state state)
{
	switch (state) {
	case ROW_UNSENT:
		return "unsent";
	case ROW_UNKNOWN:
		return "unknown";
	case ROW_DONE:
		return "done";
	case ROW_REFUSED:
		return "refused";
	}
	return "";
}

static void
show_row(
    struct output *out, const struct row_layout *layout, const struct row *row)
{
	bool entry = layout == &row_layout_entry;
	uint32_t i;

	for (i = 0; i < layout->count; i++) {
		if (layout->at[i] == ROW_OVERDRAFT && row->kept)
			output_money(out, row->overdraft, row->currency);
		else
			output_text(out, row->fields[layout->at[i]]);
	}
	output_text(out, str_from(state_text(row->state)));
	output_text(out,
	    row->reason != CODE_NONE ? str_from(code_text(row->reason))
				     : STR_NONE);
	if (entry && row->state == ROW_DONE) {
		output_money(out, row->balance, row->currency);
		output_u64(out, row->seq);
	} else if (entry) {
		output_text(out, STR_NONE);
		output_text(out, STR_NONE);
	}
	output_row(out);
}

static int
show_rows(const struct entries *e)
{
	const struct row_layout *layout = e->rows.layout;
	struct column columns[ROW_FIELDS + 4] = {{.name = NULL}};
	struct output *out;
	uint32_t i, count = 0;

	for (i = 0; i < layout->count; i++) {
		enum row_field field = layout->at[i];

		columns[count++] = (struct column){row_field_name(field),
		    field == ROW_AMOUNT || field == ROW_OVERDRAFT ? COLUMN_MONEY
								  : COLUMN_TEXT,
		    0};
	}
	columns[count++] = (struct column){"state", COLUMN_STATE, 0};
	columns[count++] = (struct column){"reason", COLUMN_TEXT, 0};
	if (layout == &row_layout_entry) {
		columns[count++] = (struct column){"balance", COLUMN_MONEY, 0};
		columns[count++] = (struct column){"seq", COLUMN_NUMBER, 0};
	}
	out = output_open(&(struct output_options){
	    .columns = columns, .count = count, .json = e->console->json});
	if (out == NULL)
		err(EXIT_OSERR, "memory");
	for (i = 0; i < e->rows.count; i++)
		show_row(out, layout, &e->rows.at[i]);
	return output_close(out);
}

/* ---- The whole ---- */

static int
send_rows(struct entries *e)
{
	const struct control_work work = {
	    .count = e->rows.count,
	    .request = entry_request,
	    .reply = entry_reply,
	    .ctx = e,
	};
	int result = console_connect(e->console), shown;

	if (result != EXIT_OK) {
		if (e->many)
			warnx("nothing was sent");
		return result;
	}
	result = console_run(e->console, e->console->command->verb, &work);
	if (result != EXIT_OK)
		console_doubt();
	else if (e->broken)
		result = EXIT_PROTOCOL;
	else if (e->unfinished)
		result = EXIT_TEMPFAIL;
	else if (e->refused)
		result = EXIT_DECLINED;
	/* One that was refused has been told in words. */
	if (!e->many && result != EXIT_OK)
		return result;
	shown = show_rows(e);
	if (result != EXIT_OK)
		warnx(
		    "not every row is done: the columns state and reason tell "
		    "which, and why");
	return result != EXIT_OK ? result : shown;
}

int
entries_run(struct console *c)
{
	struct entries e = {.console = c};
	bool opens = c->command->verb == VERB_TELLER_OPEN;
	uint32_t i;
	int result;

	e.many = c->operand_count == 1 && strcmp(c->operands[0], "-") == 0;
	e.rows.layout = opens ? &row_layout_open : &row_layout_entry;
	for (i = 0; i < OPTION_COUNT && e.many; i++)
		if (c->values[i] != NULL)
			return console_usage(
			    c, "with -, each row has a column for that");
	/* A wrong command line is told before any file is looked at. */
	result = e.many ? EXIT_OK : one_row(&e);
	if (result == EXIT_OK)
		result = console_configure(c);
	if (result == EXIT_OK && e.many) {
		e.rows.bank = str_from(c->name);
		result = rows_read(&e.rows);
	} else if (result == EXIT_OK && !opens) {
		one_row_id(&e);
	}
	if (result == EXIT_OK && e.rows.count > 0)
		result = send_rows(&e);
	rows_free(&e.rows);
	return result;
}
