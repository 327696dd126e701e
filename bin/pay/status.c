/* strife-pay status and cancel: about one payment, by its id or key. */
#include <err.h>
#include <stdio.h>

#include "base/check.h"
#include "client/answer.h"
#include "client/naming.h"
#include "client/output.h"
#include "pay.h"
#include "queued.h"
#include "wait.h"
#include "wire/money.h"

enum { OPTION_KEY = OPTIONS_FIRST, OPTION_WAIT };

struct question {
	const char *key; /* or NULL: the operands */
	char **ids;
	uint32_t id_count;
	struct wait_option wait;
};

/* What STATUS told last. */
struct status {
	char state[WORD_MAX_LEN + 1]; /* as the gateway calls it */
	char from[ACCOUNT_MAX_LEN + 1], to[ACCOUNT_MAX_LEN + 1];
	bool has_money, has_seq, has_attempts;
	int64_t amount, time_us;
	uint32_t currency;
	uint64_t seq, attempts;
	char pending[512];
};

struct asking {
	struct pay *pay;
	char id_text[ID_TEXT_LEN + 1];
	bool answered; /* and not refused */
	struct answer answer;
	struct status status;
	struct queued queued; /* for cancel */
	int result;
};

static int
named(const struct pay *pay, const struct question *q, uint32_t index,
    struct id *id)
{
	const struct naming naming = {
	    .operand = q->key == NULL ? q->ids[index] : NULL, .key = q->key};

	return naming_id(&pay->options, &naming, pay->config.user, id);
}

/* IDs, or --key TEXT; starts the client. */
static int
which_payments(struct pay *pay, struct question *q, const struct option *longs,
    int argc, char **argv)
{
	struct id id;
	int option;
	uint32_t i;

	while ((option = pay_option(pay, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		if (option == OPTION_KEY)
			q->key = optarg;
		else if (option != OPTION_WAIT ||
		    wait_option(pay, &q->wait, optarg) != EXIT_OK)
			return EXIT_USAGE;
	}
	q->ids = argv + optind;
	q->id_count = (uint32_t)(argc - optind);
	if ((q->key == NULL) == (q->id_count == 0))
		return options_usage(
		    &pay->options, "needs either ID or --key TEXT");
	/* A wrong id is told before the files are looked at. */
	for (i = 0; i < q->id_count; i++)
		if (named(pay, q, i, &id) != EXIT_OK)
			return EXIT_USAGE;
	return pay_start(pay, 1);
}

/* Until there is an answer that will not soon be another. */
static enum session_end
ask(struct asking *asking, const struct id *id, enum verb verb,
    session_reply *reply)
{
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = reply, .ctx = asking};
	enum session_end end;
	uint32_t times;

	id_text(id, asking->id_text);
	for (times = 0;; times++) {
		msg_init(&request, MSG_REQUEST, verb, "1");
		msg_set_id(&request, KEY_id, id);
		end = client_call(asking->pay->client, &call);
		if (end != SESSION_END_NONE || !asking->answer.again ||
		    times == AGAIN_MAX)
			return end;
		client_sleep(asking->pay->client, again_delay_ns(times));
	}
}

/* ---- status ---- */

static void
account_read(
    char into[ACCOUNT_MAX_LEN + 1], const struct msg *reply, enum key key)
{
	struct account account = reply->v[key].account;
	int len;

	into[0] = '\0';
	if ((reply->have & MSG_BIT(key)) == 0)
		return;
	len = snprintf(into, ACCOUNT_MAX_LEN + 1, "%.*s@%.*s",
	    STR_ARG(account.name), STR_ARG(account.bank));
	CHECK(len > 0 && len <= ACCOUNT_MAX_LEN);
}

static void
status_read(struct status *s, const struct msg *reply)
{
	*s = (struct status){.time_us = reply->v[KEY_time].i64};
	(void)str_copy(s->state, sizeof(s->state), reply->v[KEY_state].str);
	account_read(s->from, reply, KEY_from);
	account_read(s->to, reply, KEY_to);
	s->has_money = msg_has(reply, amount) && msg_has(reply, currency);
	if (s->has_money) {
		s->amount = reply->v[KEY_amount].i64;
		s->currency = (uint32_t)reply->v[KEY_currency].u64;
	}
	s->has_seq = msg_has(reply, seq);
	if (s->has_seq)
		s->seq = reply->v[KEY_seq].u64;
	s->has_attempts = msg_has(reply, attempts);
	if (s->has_attempts)
		s->attempts = reply->v[KEY_attempts].u64;
	if (msg_has(reply, pending))
		(void)str_copy(
		    s->pending, sizeof(s->pending), reply->v[KEY_pending].str);
}

static void
status_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct asking *asking = ctx;

	(void)cookie;
	if (reply == NULL)
		return;
	if (reply->word == MSG_ERR) {
		asking->result = pay_refused(asking->id_text, reply);
		return;
	}
	asking->answered = true;
	asking->answer = answer_read(reply);
	status_read(&asking->status, reply);
}

static void
number_cell(struct output *out, bool has, uint64_t number)
{
	if (has)
		output_u64(out, number);
	else
		output_text(out, STR_NONE);
}

static void
status_print(struct output *out, const struct asking *asking)
{
	const struct status *s = &asking->status;
	char currency[4] = "";

	output_text(out, str_from(asking->id_text));
	output_text(out, str_from(s->state));
	output_text(out, str_from(s->from));
	output_text(out, str_from(s->to));
	/* Amount and currency: both, or neither. */
	if (s->has_money) {
		output_money(out, s->amount, s->currency);
		currency_text(s->currency, currency);
	} else {
		output_text(out, STR_NONE);
	}
	output_text(out, str_from(currency));
	output_time(out, s->time_us);
	number_cell(out, s->has_seq, s->seq);
	output_text(out,
	    asking->answer.reason != CODE_NONE
		? str_from(code_text(asking->answer.reason))
		: STR_NONE);
	number_cell(out, s->has_attempts, s->attempts);
	output_text(out, str_from(s->pending));
	output_row(out);
}

/* Is it still to be waited for? A word of a newer gateway is no end. */
static bool
goes_on(enum payment_state state)
{
	return state != PAYMENT_COMMITTED && state != PAYMENT_ABORTED;
}

/* Asks until it has ended, or the time is over. */
static enum session_end
status_wait(struct asking *asking, struct wait *w, const struct id *id)
{
	enum session_end end;

	wait_for(w, id);
	for (;;) {
		end = ask(asking, id, VERB_CLIENT_STATUS, status_answered);
		if (end == SESSION_END_NONE && asking->result != EXIT_OK)
			return end;
		if (end == SESSION_END_NONE && !goes_on(asking->answer.state))
			return end;
		if (end != SESSION_END_NONE && !wait_survives(w, end))
			break;
		if (!wait_pause(w))
			break;
	}
	/* What was last heard is the answer, where the time is over. */
	return w->over && asking->answered ? SESSION_END_NONE : end;
}

/* One payment: its row is printed where there was any answer. */
static int
status_one(
    struct pay *pay, struct wait *w, const struct id *id, struct output *out)
{
	struct asking asking = {.pay = pay, .result = EXIT_OK};
	enum session_end end = w != NULL
	    ? status_wait(&asking, w, id)
	    : ask(&asking, id, VERB_CLIENT_STATUS, status_answered);

	if (end != SESSION_END_NONE) {
		if (w == NULL || !w->over)
			return pay_gave_up(pay, end);
		warnx("%s: no answer in time", asking.id_text);
		return EXIT_TEMPFAIL;
	}
	if (asking.result != EXIT_OK)
		return asking.result;
	status_print(out, &asking);
	if (w == NULL)
		return EXIT_OK;
	if (goes_on(asking.answer.state))
		warnx("%s: not ended yet", asking.id_text);
	return (int)answer_exit(&asking.answer);
}

static int
status_all(struct pay *pay, const struct question *q, struct output *out)
{
	struct wait wait;
	struct id id;
	int result = EXIT_OK, one;
	uint32_t i, count = q->key != NULL ? 1 : q->id_count;

	if (q->wait.wanted)
		wait_begin(&wait, pay, &q->wait);
	for (i = 0; i < count; i++) {
		one = named(pay, q, i, &id);
		if (one == EXIT_OK)
			one = status_one(
			    pay, q->wait.wanted ? &wait : NULL, &id, out);
		if (one > result)
			result = one;
		if (q->wait.wanted && output_flush(out) == -1)
			break;
	}
	if (q->wait.wanted)
		wait_end(&wait);
	return result;
}

int
status_run(struct pay *pay, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"key", required_argument, NULL, OPTION_KEY},
	    {"wait", optional_argument, NULL, OPTION_WAIT}, OPTIONS_LONG};
	static const struct column columns[] = {{"id", COLUMN_TEXT, 0},
	    {"state", COLUMN_STATE, 0}, {"from", COLUMN_TEXT, 0},
	    {"to", COLUMN_TEXT, 0}, {"amount", COLUMN_MONEY, 0},
	    {"currency", COLUMN_TEXT, 0}, {"time", COLUMN_TEXT, 0},
	    {"seq", COLUMN_NUMBER, 0}, {"reason", COLUMN_TEXT, 0},
	    {"attempts", COLUMN_NUMBER, 0}, {"pending", COLUMN_TEXT, 0}};
	struct question q = {.key = NULL};
	struct output *out;
	int result = which_payments(pay, &q, longs, argc, argv), closed;

	if (result != EXIT_OK)
		return result;
	out = pay_output(&(struct output_options){.columns = columns,
	    .count = sizeof(columns) / sizeof(columns[0]),
	    .json = pay->options.json});
	result = status_all(pay, &q, out);
	closed = output_close(out);
	return result != EXIT_OK ? result : closed;
}

/* ---- cancel ---- */

static void
cancel_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct asking *asking = ctx;

	(void)cookie;
	if (reply == NULL)
		return;
	asking->answer = answer_read(reply);
	queued_cancelled(&asking->queued, reply);
	/* It is answered where the payment can never be made any more. */
	asking->result = EXIT_OK;
	if (reply->word == MSG_ERR && !asking->answer.again)
		asking->result = pay_refused(asking->id_text, reply);
	else if (reply->word == MSG_ERR)
		asking->result = EXIT_TEMPFAIL;
}

static int
cancel_print(const struct asking *asking)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT, 0},
	    {"state", COLUMN_STATE, 0}, {"reason", COLUMN_TEXT, 0}};
	struct output *out = pay_output(&(struct output_options){
	    .columns = columns, .count = 3, .json = asking->pay->options.json});

	output_text(out, str_from(asking->id_text));
	output_text(out, str_from(answer_state_text(asking->answer.state)));
	output_text(out,
	    asking->answer.reason != CODE_NONE
		? str_from(code_text(asking->answer.reason))
		: STR_NONE);
	output_row(out);
	return output_close(out);
}

static int
cancel(struct asking *asking, const struct id *id)
{
	enum session_end end;
	int printed;

	end = ask(asking, id, VERB_CLIENT_CANCEL, cancel_answered);
	if (end != SESSION_END_NONE)
		return pay_gave_up(asking->pay, end);
	if (asking->answer.again)
		warnx("%s: %s: it is being decided; ask again", asking->id_text,
		    code_text(asking->answer.reason));
	printed = cancel_print(asking);
	return asking->result != EXIT_OK ? asking->result : printed;
}

int
cancel_run(struct pay *pay, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"key", required_argument, NULL, OPTION_KEY}, OPTIONS_LONG};
	struct asking asking = {.pay = pay, .result = -1};
	struct question q = {.key = NULL};
	struct id id;
	int result = which_payments(pay, &q, longs, argc, argv);

	if (result == EXIT_OK && q.id_count > 1)
		result = options_usage(&pay->options, "one payment at a time");
	if (result == EXIT_OK)
		result = named(pay, &q, 0, &id);
	if (result == EXIT_OK)
		result = queued_look(&asking.queued, pay, &id);
	if (result == EXIT_OK)
		result = cancel(&asking, &id);
	queued_close(&asking.queued);
	return result;
}
