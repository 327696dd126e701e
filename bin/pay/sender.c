#include "sender.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "client/output.h"
#include "progress.h"

struct sender {
	struct pay *pay;
	struct session *session;
	struct rows *rows;
	struct sender_options options;
	struct output *out;
	struct progress progress;
	uint32_t
	    cursor; /* no row before it is to be sent, but the ready ones */
	uint32_t ready_first, ready_last; /* released behind the cursor */
	uint32_t printed;                 /* rows before it are */
	uint32_t done;
	bool stopped;
	bool printed_some; /* since the last flush */
	/*
	 * Rows that wait for their delay. They and those in flight together
	 * stay within the window, so that a gateway that says "not now" is
	 * asked less, and the list is short.
	 */
	uint32_t deferred[SESSION_WINDOW_MAX];
	int64_t deferred_until_ns[SESSION_WINDOW_MAX];
	uint32_t deferred_count;
	/* For the exit code: */
	bool some_declined, some_unfinished;
};

/* ---- Answers ---- */

static void
row_defer(struct sender *s, uint32_t index)
{
	struct row *row = &s->rows->at[index];

	CHECK(s->deferred_count < SESSION_WINDOW_MAX);
	row->progress = ROW_DEFERRED;
	s->deferred[s->deferred_count] = index;
	s->deferred_until_ns[s->deferred_count] =
	    clock_mono_ns() + again_delay_ns(row->times++);
	s->deferred_count++;
}

static void
row_release(struct sender *s, uint32_t index)
{
	struct row *row = &s->rows->at[index];

	row->released = true;
	if (index >= s->cursor)
		return;
	row->next_ready = ROW_NONE;
	if (s->ready_first == ROW_NONE)
		s->ready_first = index;
	else
		s->rows->at[s->ready_last].next_ready = index;
	s->ready_last = index;
}

/* The payer's next row may go; or none of them, where this one is not over. */
static void
release_next(struct sender *s, const struct row *row, bool over)
{
	uint32_t next = row->next_of_payer;

	if (s->options.any_order || next == ROW_NONE)
		return;
	if (over) {
		row_release(s, next);
		return;
	}
	for (; next != ROW_NONE; next = s->rows->at[next].next_of_payer) {
		s->rows->at[next].progress = ROW_DONE;
		s->done++;
	}
}

static void
row_done(struct sender *s, struct row *row)
{
	enum exitcode code = answer_exit(&row->answer);

	row->progress = ROW_DONE;
	s->done++;
	release_next(s, row, code == EXIT_OK || code == EXIT_DECLINED);
	if (code == EXIT_TEMPFAIL)
		s->some_unfinished = true;
	else if (code != EXIT_OK)
		s->some_declined = true;
	if (code != EXIT_OK && s->options.stop_at_first)
		s->stopped = true;
}

static void
row_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct sender *s = ctx;
	uint32_t index = (uint32_t)cookie;
	struct row *row = &s->rows->at[index];

	CHECK(index < s->rows->count && row->progress == ROW_IN_FLIGHT);
	if (reply == NULL) {
		/* Nobody knows: the same id goes out again. */
		row->progress = ROW_WAITING;
		row->answer = (struct answer){.state = PAYMENT_UNKNOWN};
		if (index < s->cursor)
			s->cursor = index;
		return;
	}
	if (reply->word == MSG_ROW)
		return;
	row->answer = answer_read(reply);
	if (row->answer.again && row->times < AGAIN_MAX) {
		row_defer(s, index);
		return;
	}
	row_done(s, row);
	client_progress(s->pay->client);
}

/* ---- Sending ---- */

static void
row_request(const struct row *row, struct msg *request)
{
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

/* False where there is no room for it now. */
static bool
row_send(struct sender *s, uint32_t index, struct msg *request)
{
	struct row *row = &s->rows->at[index];

	row_request(row, request);
	if (session_send(s->session, request, row_answered, s, index) == -1) {
		CHECK(errno != EINVAL);
		return false;
	}
	if (!row->sent)
		session_pin(s->session);
	row->progress = ROW_IN_FLIGHT;
	row->sent = true;
	return true;
}

/* Those whose delay is over are ROW_WAITING again. */
static void
deferred_wake(struct sender *s)
{
	int64_t now_ns = clock_mono_ns();
	uint32_t i = 0, index, last;

	while (i < s->deferred_count) {
		if (s->deferred_until_ns[i] > now_ns) {
			i++;
			continue;
		}
		index = s->deferred[i];
		last = --s->deferred_count;
		s->deferred[i] = s->deferred[last];
		s->deferred_until_ns[i] = s->deferred_until_ns[last];
		s->rows->at[index].progress = ROW_WAITING;
		if (index < s->cursor)
			s->cursor = index;
	}
}

static bool
may_send(const struct sender *s, const struct row *row)
{
	/* A repeat of an earlier row gets that one's answer. */
	if (row->progress != ROW_WAITING || row->same_as != ROW_NONE)
		return false;
	if (!row->released && !s->options.any_order)
		return false;
	/* What was sent before is still brought to its end. */
	return !s->stopped || row->sent;
}

/* False where it is to be sent, and there is no room for it now. */
static bool
pass_row(struct sender *s, uint32_t index)
{
	struct msg request;

	if (!may_send(s, &s->rows->at[index]))
		return true;
	return session_room(s->session) > s->deferred_count &&
	    row_send(s, index, &request);
}

static void
send_some(struct sender *s)
{
	bool room = true;

	deferred_wake(s);
	while (room && s->ready_first != ROW_NONE) {
		room = pass_row(s, s->ready_first);
		if (room)
			s->ready_first = s->rows->at[s->ready_first].next_ready;
	}
	while (room && s->cursor < s->rows->count) {
		room = pass_row(s, s->cursor);
		if (room)
			s->cursor++;
	}
	session_flush(s->session);
}

/* ---- Printing ---- */

static void
row_print(struct sender *s, const struct row *row)
{
	char id[ID_TEXT_LEN + 1];
	struct str given = row->fields[ROW_ID];
	uint32_t i;

	/* In JSON, id is the id, and a key stands beside it. */
	id_text(&row->id, id);
	if (s->pay->json && given.len > 4 && given.at[3] == ':') {
		output_json_extra(
		    s->out, "key", (struct str){given.at + 4, given.len - 4});
		given = str_from(id);
	}
	output_text(s->out, given);
	for (i = ROW_FROM; i < ROW_FIELDS; i++)
		output_text(s->out, row->fields[i]);
	output_text(s->out, str_from(payment_state_text(row->answer.state)));
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
row_known(struct sender *s, struct row *row)
{
	if (row->same_as != ROW_NONE && row->progress == ROW_WAITING) {
		row->answer = s->rows->at[row->same_as].answer;
		row->progress = ROW_DONE;
		s->done++;
	}
	return row->progress == ROW_DONE;
}

/* all: what is not done will not be. */
static void
print_some(struct sender *s, bool all)
{
	struct row *row;

	for (; s->printed < s->rows->count; s->printed++) {
		row = &s->rows->at[s->printed];
		if (!row_known(s, row) && !all)
			break;
		row_print(s, row);
	}
	if (s->printed_some && output_flush(s->out) == -1) {
		/* Nobody hears of it: send no more than was sent. */
		s->stopped = true;
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
	    .json = pay->json,
	    .stream = true,
	    .heading = rows->heading});
}

/* ---- The whole ---- */

static bool
finished(const struct sender *s)
{
	if (session_unanswered(s->session) > 0 || s->deferred_count > 0)
		return false;
	return s->stopped ? s->cursor == s->rows->count
			  : s->printed == s->rows->count;
}

/* The next moment at which there is something to do without an answer. */
static int64_t
wake_at_ns(const struct sender *s)
{
	int64_t at_ns = INT64_MAX;
	uint32_t i;

	for (i = 0; i < s->deferred_count; i++)
		if (s->deferred_until_ns[i] < at_ns)
			at_ns = s->deferred_until_ns[i];
	return at_ns;
}

static enum session_end
send_all(struct sender *s)
{
	enum session_end end = client_connect(s->pay->client);

	for (;;) {
		if (end != SESSION_END_NONE)
			return end;
		send_some(s);
		print_some(s, false);
		if (finished(s))
			return SESSION_END_NONE;
		if (loop_turn(client_loop(s->pay->client), wake_at_ns(s)) == -1)
			err(EXIT_OSERR, "event loop");
		if (session_state(s->session) != SESSION_READY) {
			progress_hide(&s->progress);
			end = client_reconnect(s->pay->client);
		}
	}
}

static int
sum_up(const struct sender *s, enum session_end end)
{
	bool any_sent = false;
	uint32_t i;

	for (i = 0; i < s->rows->count && !any_sent; i++)
		any_sent = s->rows->at[i].sent;
	if (end != SESSION_END_NONE && !any_sent)
		return (int)client_exit(end);
	if (end == SESSION_END_BROKEN || end == SESSION_END_UNTRUSTED)
		return EXIT_PROTOCOL;
	if (end != SESSION_END_NONE || s->some_unfinished)
		return EXIT_TEMPFAIL;
	return s->some_declined ? EXIT_DECLINED : EXIT_OK;
}

int
sender_run(
    struct pay *pay, struct rows *rows, const struct sender_options *options)
{
	struct sender *s = pay_allocate(1, sizeof(*s));
	enum session_end end;
	int result, closed;

	s->pay = pay;
	s->session = client_session(pay->client);
	s->rows = rows;
	s->options = *options;
	s->ready_first = ROW_NONE;
	rows_link_payers(rows);
	for (uint32_t i = 0; i < rows->count; i++)
		rows->at[i].released = !rows->at[i].behind;
	end = client_connect(pay->client);
	if (end != SESSION_END_NONE) {
		free(s);
		warnx("%s", session_why(client_session(pay->client)));
		warnx("nothing was sent");
		return (int)client_exit(end);
	}
	s->out = open_output(pay, rows);
	progress_init(&s->progress, rows->count);
	end = send_all(s);
	print_some(s, true);
	progress_hide(&s->progress);
	if (end != SESSION_END_NONE)
		(void)pay_gave_up(pay, end);
	result = sum_up(s, end);
	closed = output_close(s->out);
	if (result == EXIT_TEMPFAIL)
		warnx("not finished: run the same command again");
	free(s);
	return result != EXIT_OK ? result : closed;
}
