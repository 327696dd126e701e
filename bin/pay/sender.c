#include "sender.h"

#include <err.h>
#include <stdlib.h>

#include "base/check.h"
#include "client/output.h"
#include "client/pipeline.h"
#include "client/progress.h"

struct sender {
	struct pay *pay;
	struct rows *rows;
	struct pipeline *pipeline;
	struct output *out;
	struct progress progress;
	uint32_t printed; /* rows before it are */
	uint32_t done;
	bool printed_some; /* since the last flush */
	/* For the exit code: */
	bool some_declined, some_unfinished;
};

/* ---- What the pipeline asks and tells ---- */

static struct str
row_payer(void *ctx, uint32_t index)
{
	const struct sender *s = ctx;

	return s->rows->at[index].fields[ROW_FROM];
}

/* A repeat of an earlier row gets that one's answer. */
static bool
row_skip(void *ctx, uint32_t index)
{
	const struct sender *s = ctx;

	return s->rows->at[index].same_as != ROW_NONE;
}

static void
row_request(void *ctx, uint32_t index, struct msg *request)
{
	const struct sender *s = ctx;
	const struct row *row = &s->rows->at[index];
	struct account from, to;
	bool legal = account_parse(&from, row->fields[ROW_FROM]) &&
	    account_parse(&to, row->fields[ROW_TO]);

	CHECK(legal); /* rows_check has seen to it */
	msg_init(request, MSG_REQUEST, VERB_CLIENT_PAY, "1");
	msg_set_id(request, KEY_id, &row->id);
	msg_set_account(request, KEY_from, from);
	msg_set_account(request, KEY_to, to);
	msg_set_i64(request, KEY_amount, row->amount);
	msg_set_u64(request, KEY_currency, row->currency);
	if (row->fields[ROW_MEMO].len > 0)
		msg_set_str(request, KEY_memo, row->fields[ROW_MEMO]);
}

static void
row_done(void *ctx, uint32_t index)
{
	struct sender *s = ctx;
	enum exitcode code = answer_exit(pipeline_answer(s->pipeline, index));

	s->done++;
	if (code == EXIT_TEMPFAIL)
		s->some_unfinished = true;
	else if (code != EXIT_OK)
		s->some_declined = true;
}

static void print_some(struct sender *, bool all);

static bool
turned(void *ctx)
{
	struct sender *s = ctx;

	print_some(s, false);
	return true;
}

/* What is told meanwhile gets a line of its own. */
static void
lost(void *ctx)
{
	struct sender *s = ctx;

	progress_hide(&s->progress);
}

static const struct pipeline_ops pipeline_ops = {
    .payer = row_payer,
    .skip = row_skip,
    .request = row_request,
    .done = row_done,
    .turned = turned,
    .lost = lost,
};

/* ---- Printing ---- */

static void
row_print(struct sender *s, const struct row *row)
{
	char id[ID_TEXT_LEN + 1];
	struct str given = row->fields[ROW_ID];
	uint32_t i;

	/* In JSON, id is the id, and a key stands beside it. */
	id_text(&row->id, id);
	if (s->pay->options.json && given.len > 4 && given.at[3] == ':') {
		output_json_extra(
		    s->out, "key", (struct str){given.at + 4, given.len - 4});
		given = str_from(id);
	}
	output_text(s->out, given);
	for (i = ROW_FROM; i < ROW_FIELDS; i++)
		output_text(s->out, row->fields[i]);
	output_text(s->out, str_from(answer_state_text(row->answer.state)));
	output_text(s->out,
	    row->answer.reason != CODE_NONE
		? str_from(code_text(row->answer.reason))
		: STR_NONE);
	if (row->answer.seq != 0)
		output_u64(s->out, row->answer.seq);
	else
		output_text(s->out, STR_NONE);
	output_row(s->out);
	s->printed_some = true;
}

/* Whether the row at the head of the line is known by now. */
static bool
row_known(struct sender *s, uint32_t index)
{
	struct row *row = &s->rows->at[index];

	if (row->same_as != ROW_NONE) {
		row->answer = s->rows->at[row->same_as].answer;
		return true;
	}
	row->answer = *pipeline_answer(s->pipeline, index);
	return pipeline_ended(s->pipeline, index);
}

/* all: what is not done will not be. */
static void
print_some(struct sender *s, bool all)
{
	for (; s->printed < s->rows->count; s->printed++) {
		if (!row_known(s, s->printed) && !all)
			break;
		row_print(s, &s->rows->at[s->printed]);
	}
	if (s->printed_some && output_flush(s->out) == -1) {
		/* Nobody hears of it: send no more than was sent. */
		pipeline_stop(s->pipeline);
	}
	s->printed_some = false;
	progress_show(&s->progress, s->done);
}

static struct output *
open_output(const struct pay *pay, const struct rows *rows)
{
	static struct column columns[ROW_FIELDS + 3];
	uint32_t i, f;

	for (f = 0; f < ROW_FIELDS; f++) {
		columns[f] = (struct column){.name = row_field_names[f],
		    .kind = f == ROW_AMOUNT ? COLUMN_MONEY : COLUMN_TEXT};
		for (i = 0; i < rows->count; i++)
			if (rows->at[i].fields[f].len > columns[f].width)
				columns[f].width = rows->at[i].fields[f].len;
	}
	columns[ROW_FIELDS] = (struct column){"state", COLUMN_STATE, 9};
	columns[ROW_FIELDS + 1] = (struct column){"reason", COLUMN_TEXT, 18};
	columns[ROW_FIELDS + 2] = (struct column){"seq", COLUMN_NUMBER, 8};
	return pay_output(&(struct output_options){.columns = columns,
	    .count = ROW_FIELDS + 3,
	    .json = pay->options.json,
	    .stream = true,
	    .heading = rows->heading});
}

/* ---- The whole ---- */

static int
sum_up(const struct sender *s, enum session_end end)
{
	bool any_sent = false;
	uint32_t i;

	for (i = 0; i < s->rows->count && !any_sent; i++)
		any_sent = pipeline_sent(s->pipeline, i);
	if (end != SESSION_END_NONE && !any_sent)
		return (int)client_exit(end);
	if (end == SESSION_END_BROKEN || end == SESSION_END_UNTRUSTED)
		return EXIT_PROTOCOL;
	if (end != SESSION_END_NONE || s->some_unfinished)
		return EXIT_TEMPFAIL;
	return s->some_declined ? EXIT_DECLINED : EXIT_OK;
}

static int
send_rows(struct sender *s)
{
	enum session_end end;
	int result, closed;

	s->out = open_output(s->pay, s->rows);
	progress_init(&s->progress, s->rows->count, true);
	end = pipeline_run(s->pipeline);
	print_some(s, true);
	progress_hide(&s->progress);
	if (end != SESSION_END_NONE)
		(void)pay_gave_up(s->pay, end);
	result = sum_up(s, end);
	closed = output_close(s->out);
	if (result == EXIT_TEMPFAIL)
		warnx("not finished: run the same command again");
	return result != EXIT_OK ? result : closed;
}

int
sender_run(
    struct pay *pay, struct rows *rows, const struct sender_options *options)
{
	struct sender s = {.pay = pay, .rows = rows};
	const struct pipeline_options pipeline = {.client = pay->client,
	    .ops = &pipeline_ops,
	    .ctx = &s,
	    .count = rows->count,
	    .stop_at_first = options->stop_at_first,
	    .any_order = options->any_order};
	enum session_end end;
	int result;

	if (pipeline_new(&s.pipeline, &pipeline) == -1)
		err(EXIT_OSERR, "memory");
	end = client_connect(pay->client);
	if (end == SESSION_END_NONE) {
		result = send_rows(&s);
	} else {
		warnx("%s", session_why(client_session(pay->client)));
		warnx("nothing was sent");
		result = (int)client_exit(end);
	}
	pipeline_free(s.pipeline);
	return result;
}
