/* strife-pay status and cancel: about one payment, by its id or key. */
#include <err.h>
#include <stdio.h>

#include "answer.h"
#include "base/check.h"
#include "client/output.h"
#include "pay.h"
#include "payid.h"
#include "wire/money.h"

enum { OPTION_KEY = PAY_OPTION_FIRST };

struct asking {
	struct pay *pay;
	char id_text[ID_TEXT_LEN + 1];
	struct answer answer;
	int result;
};

/* ID, or --key TEXT; starts the client. */
static int
which_payment(struct pay *pay, int argc, char **argv, struct id *id)
{
	static const struct option longs[] = {
	    {"key", required_argument, NULL, OPTION_KEY}, PAY_LONG_OPTIONS};
	const char *key = NULL, *operand = NULL;
	int option, result;

	while ((option = pay_option(pay, argc, argv, PAY_SHORT_OPTIONS,
		    longs)) != PAY_OPTION_END) {
		if (option != OPTION_KEY)
			return EXIT_USAGE;
		key = optarg;
	}
	if (argc - optind != (key == NULL ? 1 : 0))
		return pay_usage(pay, "needs either ID or --key TEXT");
	if (key == NULL)
		operand = argv[optind];
	/* A wrong id is told before the files are looked at. */
	if (key == NULL && payid_named(pay, operand, NULL, id) != EXIT_OK)
		return EXIT_USAGE;
	result = pay_start(pay, 1);
	if (result == EXIT_OK)
		result = payid_named(pay, operand, key, id);
	return result;
}

static int
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
		if (end != SESSION_END_NONE)
			return pay_gave_up(asking->pay, end);
		if (!asking->answer.again || times == AGAIN_MAX)
			return asking->result;
		client_sleep(asking->pay->client, again_delay_ns(times));
	}
}

/* ---- status ---- */

static const struct column status_columns[] = {{"id", COLUMN_TEXT, 0},
    {"state", COLUMN_STATE, 0}, {"from", COLUMN_TEXT, 0},
    {"to", COLUMN_TEXT, 0}, {"amount", COLUMN_MONEY, 0},
    {"currency", COLUMN_TEXT, 0}, {"time", COLUMN_TEXT, 0},
    {"seq", COLUMN_NUMBER, 0}, {"reason", COLUMN_TEXT, 0},
    {"attempts", COLUMN_NUMBER, 0}, {"pending", COLUMN_TEXT, 0}};

static void
account_cell(struct output *out, const struct msg *reply, enum key key)
{
	char text[ACCOUNT_MAX_LEN + 1] = "";
	struct account account = reply->v[key].account;
	int len;

	if ((reply->have & MSG_BIT(key)) != 0) {
		len = snprintf(text, sizeof(text), "%.*s@%.*s",
		    STR_ARG(account.name), STR_ARG(account.bank));
		CHECK(len > 0 && (size_t)len < sizeof(text));
	}
	output_text(out, str_from(text));
}

static void
number_cell(struct output *out, const struct msg *reply, enum key key)
{
	if ((reply->have & MSG_BIT(key)) != 0)
		output_u64(out, reply->v[key].u64);
	else
		output_text(out, STR_NONE);
}

/* Amount and currency: both, or neither. */
static void
money_cells(struct output *out, const struct msg *reply)
{
	uint32_t currency;
	char text[4];

	if (!msg_has(reply, amount) || !msg_has(reply, currency)) {
		output_text(out, STR_NONE);
		output_text(out, STR_NONE);
		return;
	}
	currency = (uint32_t)reply->v[KEY_currency].u64;
	currency_text(currency, text);
	output_money(out, reply->v[KEY_amount].i64, currency);
	output_text(out, str_from(text));
}

static void
status_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct asking *asking = ctx;
	struct output *out;

	(void)cookie;
	if (reply == NULL)
		return;
	if (reply->word == MSG_ERR) {
		asking->result = pay_refused(asking->id_text, reply);
		return;
	}
	out = pay_output(&(struct output_options){.columns = status_columns,
	    .count = sizeof(status_columns) / sizeof(status_columns[0]),
	    .json = asking->pay->json});
	output_text(out, str_from(asking->id_text));
	output_text(out, reply->v[KEY_state].str);
	account_cell(out, reply, KEY_from);
	account_cell(out, reply, KEY_to);
	money_cells(out, reply);
	output_time(out, reply->v[KEY_time].i64);
	number_cell(out, reply, KEY_seq);
	output_text(out,
	    msg_has(reply, reason)
		? str_from(code_text((enum code)reply->v[KEY_reason].u64))
		: STR_NONE);
	number_cell(out, reply, KEY_attempts);
	output_text(out,
	    msg_has(reply, pending) ? reply->v[KEY_pending].str : STR_NONE);
	output_row(out);
	asking->result = output_close(out);
}

int
status_run(struct pay *pay, int argc, char **argv)
{
	struct asking asking = {.pay = pay};
	struct id id;
	int result = which_payment(pay, argc, argv, &id);

	if (result != EXIT_OK)
		return result;
	return ask(&asking, &id, VERB_CLIENT_STATUS, status_answered);
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
	    .columns = columns, .count = 3, .json = asking->pay->json});

	output_text(out, str_from(asking->id_text));
	output_text(out, str_from(payment_state_text(asking->answer.state)));
	output_text(out,
	    asking->answer.reason != CODE_NONE
		? str_from(code_text(asking->answer.reason))
		: STR_NONE);
	output_row(out);
	return output_close(out);
}

int
cancel_run(struct pay *pay, int argc, char **argv)
{
	struct asking asking = {.pay = pay, .result = -1};
	struct id id;
	int result = which_payment(pay, argc, argv, &id), printed;

	if (result != EXIT_OK)
		return result;
	result = ask(&asking, &id, VERB_CLIENT_CANCEL, cancel_answered);
	if (asking.result == -1)
		return result;
	if (asking.answer.again)
		warnx("%s: %s: it is being decided; ask again", asking.id_text,
		    code_text(asking.answer.reason));
	printed = cancel_print(&asking);
	return result != EXIT_OK ? result : printed;
}
