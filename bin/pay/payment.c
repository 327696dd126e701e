/* strife-pay pay: one payment, once or not at all. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/check.h"
#include "client/ids.h"
#include "client/output.h"
#include "pay.h"
#include "payid.h"
#include "wire/account.h"
#include "wire/money.h"

struct payment {
	const char *from_text, *to_text, *amount_text, *currency_text;
	const char *memo, *id_option, *key;
	bool no_hold;
	struct account from, to;
	int64_t amount;
	uint32_t currency;
	char id_text[ID_TEXT_LEN + 1];
	/* What came of it: */
	struct answer answer;
	bool answered;
	char text[1025], bank[BANK_MAX_LEN + 1], pending[512];
	int64_t time_us; /* 0: none */
};

/* ---- The command line ---- */

enum {
	OPTION_FROM = PAY_OPTION_FIRST,
	OPTION_TO,
	OPTION_MEMO,
	OPTION_ID,
	OPTION_KEY,
	OPTION_NO_HOLD,
	OPTION_NO_QUEUE,
};

static const struct option longs[] = {
    {"from", required_argument, NULL, OPTION_FROM},
    {"to", required_argument, NULL, OPTION_TO},
    {"memo", required_argument, NULL, OPTION_MEMO},
    {"id", required_argument, NULL, OPTION_ID},
    {"key", required_argument, NULL, OPTION_KEY},
    {"no-hold", no_argument, NULL, OPTION_NO_HOLD},
    {"no-queue", no_argument, NULL, OPTION_NO_QUEUE}, PAY_LONG_OPTIONS};

static int
payment_options(struct pay *pay, struct payment *p, int argc, char **argv)
{
	int option;

	while ((option = pay_option(pay, argc, argv, PAY_SHORT_OPTIONS,
		    longs)) != PAY_OPTION_END) {
		switch (option) {
		case OPTION_FROM:
			p->from_text = optarg;
			break;
		case OPTION_TO:
			p->to_text = optarg;
			break;
		case OPTION_MEMO:
			p->memo = optarg;
			break;
		case OPTION_ID:
			p->id_option = optarg;
			break;
		case OPTION_KEY:
			p->key = optarg;
			break;
		case OPTION_NO_HOLD:
			p->no_hold = true;
			break;
		case OPTION_NO_QUEUE:
			break; /* there is no queue to keep it out of */
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 2)
		return pay_usage(pay, "needs AMOUNT and CURRENCY: 12.50 CZK");
	p->amount_text = argv[optind];
	p->currency_text = argv[optind + 1];
	if (p->from_text == NULL || p->to_text == NULL)
		return pay_usage(pay, "needs --from and --to");
	if (p->id_option != NULL && p->key != NULL)
		return pay_usage(pay, "either --id or --key");
	return EXIT_OK;
}

static int
payment_amount(struct pay *pay, struct payment *p)
{
	if (!currency_parse(&p->currency, str_from(p->currency_text)))
		return pay_usage(pay,
		    "%s is not a currency: an ISO 4217 code such as CZK",
		    p->currency_text);
	switch (
	    money_parse(&p->amount, str_from(p->amount_text), p->currency)) {
	case MONEY_OK:
		if (p->amount >= 1 && p->amount <= MONEY_AMOUNT_MAX)
			return EXIT_OK;
		break;
	case MONEY_TOO_PRECISE:
		return pay_usage(pay, "%s: %s has %d decimals", p->amount_text,
		    p->currency_text, currency_exponent(p->currency));
	case MONEY_MALFORMED:
		return pay_usage(
		    pay, "%s is not an amount: as in 12.50", p->amount_text);
	case MONEY_RANGE:
		break;
	}
	return pay_usage(pay,
	    "%s: an amount is 1 to 10^15 of the currency's smallest unit",
	    p->amount_text);
}

static int
payment_check(struct pay *pay, struct payment *p)
{
	if (!account_parse(&p->from, str_from(p->from_text)))
		return pay_usage(pay, "--from: %s is not an account: NAME@BANK",
		    p->from_text);
	if (!account_parse(&p->to, str_from(p->to_text)))
		return pay_usage(
		    pay, "--to: %s is not an account: NAME@BANK", p->to_text);
	if (strlen(p->memo) > MEMO_MAX_LEN || !text_valid(str_from(p->memo)))
		return pay_usage(pay,
		    "--memo: at most %d octets of UTF-8 without control "
		    "characters",
		    MEMO_MAX_LEN);
	return payment_amount(pay, p);
}

/* The id, shown before anything is sent. */
static int
payment_id(struct pay *pay, struct payment *p, struct id *id)
{
	struct ids ids;
	int result;

	if (p->id_option != NULL || p->key != NULL) {
		result = payid_named(pay, p->id_option, p->key, id);
	} else {
		result = payid_reserve(pay, &ids, 1);
		if (result == EXIT_OK)
			*id = ids_next(&ids);
	}
	if (result != EXIT_OK)
		return result;
	id_text(id, p->id_text);
	fprintf(stderr, "id %s\n", p->id_text);
	return EXIT_OK;
}

/* ---- Asking ---- */

static void
payment_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct payment *p = ctx;

	(void)cookie;
	if (reply == NULL || reply->word == MSG_ROW)
		return;
	p->answered = true;
	p->answer = answer_read(reply);
	p->text[0] = p->bank[0] = p->pending[0] = '\0';
	p->time_us = 0;
	if (msg_has(reply, text))
		(void)str_copy(
		    p->text, sizeof(p->text), reply->v[KEY_text].str);
	if (msg_has(reply, bank))
		(void)str_copy(
		    p->bank, sizeof(p->bank), reply->v[KEY_bank].str);
	if (msg_has(reply, pending))
		(void)str_copy(
		    p->pending, sizeof(p->pending), reply->v[KEY_pending].str);
	if (msg_has(reply, time))
		p->time_us = reply->v[KEY_time].i64;
}

static void
payment_request(const struct payment *p, const struct id *id, struct msg *m)
{
	msg_init(m, MSG_REQUEST, VERB_CLIENT_PAY, "1");
	msg_set_id(m, KEY_id, id);
	msg_set_account(m, KEY_from, p->from);
	msg_set_account(m, KEY_to, p->to);
	msg_set_i64(m, KEY_amount, p->amount);
	msg_set_u64(m, KEY_currency, p->currency);
	if (p->memo[0] != '\0')
		msg_set_str(m, KEY_memo, str_from(p->memo));
	if (p->no_hold)
		msg_set_u64(m, KEY_hold, 0);
}

/* Until there is an answer that will not soon be another. */
static enum session_end
payment_ask(struct pay *pay, struct payment *p, const struct id *id, bool *sent)
{
	struct msg request;
	struct client_call call = {.request = &request,
	    .reply = payment_answered,
	    .ctx = p,
	    .pin = true};
	enum session_end end;
	uint32_t times;

	for (times = 0;; times++) {
		payment_request(p, id, &request);
		end = client_call(pay->client, &call);
		*sent = call.sent;
		if (end != SESSION_END_NONE || !p->answer.again ||
		    times == AGAIN_MAX)
			return end;
		client_progress(pay->client);
		client_sleep(pay->client, again_delay_ns(times));
	}
}

/* ---- Telling ---- */

/* One word of a command line, quoted where the shell would not take it so. */
static void
print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789@%_-+=:,./";

	if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
		fprintf(stderr, " %s", word);
		return;
	}
	fputs(" '", stderr);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", stderr);
		else
			fputc(*word, stderr);
	}
	fputc('\'', stderr);
}

static void
print_again(const struct pay *pay, const struct payment *p)
{
	fputs("run again: strife-pay", stderr);
	if (pay->config_option != NULL) {
		fputs(" -c", stderr);
		print_word(pay->config_option);
	}
	fprintf(stderr, " pay --id %s --from", p->id_text);
	print_word(p->from_text);
	fputs(" --to", stderr);
	print_word(p->to_text);
	if (p->memo[0] != '\0') {
		fputs(" --memo", stderr);
		print_word(p->memo);
	}
	if (p->no_hold)
		fputs(" --no-hold", stderr);
	print_word(p->amount_text);
	print_word(p->currency_text);
	fputc('\n', stderr);
}

static void
print_reason(const struct payment *p, int result)
{
	const char *what = result == EXIT_TEMPFAIL ? "not finished"
	    : result == EXIT_NOPERM                ? "not allowed"
						   : "declined";

	if (result == EXIT_OK)
		return;
	warnx("%s: %s%s%s%s%s%s%s", what, payment_state_text(p->answer.state),
	    p->answer.reason != CODE_NONE ? ", " : "",
	    p->answer.reason != CODE_NONE ? code_text(p->answer.reason) : "",
	    p->bank[0] != '\0' ? " at " : "", p->bank,
	    p->text[0] != '\0' ? ": " : "", p->text);
}

static int
payment_print(const struct pay *pay, const struct payment *p)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT, 0},
	    {"state", COLUMN_STATE, 0}, {"reason", COLUMN_TEXT, 0},
	    {"bank", COLUMN_TEXT, 0}, {"seq", COLUMN_NUMBER, 0},
	    {"time", COLUMN_TEXT, 0}, {"pending", COLUMN_TEXT, 0}};
	struct output *out = pay_output(&(struct output_options){
	    .columns = columns, .count = 7, .json = pay->json});

	output_text(out, str_from(p->id_text));
	output_text(out, str_from(payment_state_text(p->answer.state)));
	output_text(out,
	    p->answer.reason != CODE_NONE
		? str_from(code_text(p->answer.reason))
		: STR_NONE);
	output_text(out, str_from(p->bank));
	if (p->answer.seq != 0)
		output_u64(out, p->answer.seq);
	else
		output_text(out, STR_NONE);
	if (p->time_us != 0)
		output_time(out, p->time_us);
	else
		output_text(out, STR_NONE);
	output_text(out, str_from(p->pending));
	output_row(out);
	return output_close(out);
}

/* No answer: what is known depends on whether it was ever sent. */
static int
payment_gave_up(
    struct pay *pay, struct payment *p, enum session_end end, bool sent)
{
	int result = pay_gave_up(pay, end);

	if (!sent) {
		warnx("the payment was not sent");
		if (result == EXIT_UNAVAILABLE || result == EXIT_TEMPFAIL)
			print_again(pay, p);
		return result;
	}
	p->answer = (struct answer){.state = PAYMENT_UNKNOWN};
	(void)payment_print(pay, p);
	warnx("the payment was sent; what became of it is not known");
	print_again(pay, p);
	return result == EXIT_PROTOCOL ? EXIT_PROTOCOL : EXIT_TEMPFAIL;
}

int
payment_run(struct pay *pay, int argc, char **argv)
{
	struct payment p = {.memo = ""};
	enum session_end end;
	struct id id;
	bool sent = false;
	int result, printed;

	result = payment_options(pay, &p, argc, argv);
	if (result == EXIT_OK)
		result = payment_check(pay, &p);
	if (result == EXIT_OK)
		result = pay_start(pay, 1);
	if (result == EXIT_OK)
		result = payment_id(pay, &p, &id);
	if (result != EXIT_OK)
		return result;
	end = payment_ask(pay, &p, &id, &sent);
	if (end != SESSION_END_NONE)
		return payment_gave_up(pay, &p, end, sent);
	result = (int)answer_exit(&p.answer);
	printed = payment_print(pay, &p);
	print_reason(&p, result);
	if (result == EXIT_TEMPFAIL)
		print_again(pay, &p);
	return result != EXIT_OK ? result : printed;
}
