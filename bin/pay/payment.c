/* strife-pay pay: one payment, once or not at all. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "base/check.h"
#include "client/answer.h"
#include "client/login.h"
#include "client/naming.h"
#include "client/output.h"
#include "pay.h"
#include "queued.h"
#include "wait.h"

struct payment {
	struct order_given given;
	bool no_queue;
	struct wait_option wait;
	struct order order;
	char id_text[ID_TEXT_LEN + 1];
	struct queued queued;
	/* What came of it: */
	int stopped; /* EXIT_OK, or why it must not be sent (any more) */
	struct answer answer;
	bool answered;
	char text[1025], bank[BANK_MAX_LEN + 1], pending[512];
	int64_t time_us; /* 0: none */
};

/* ---- The command line ---- */

static int
payment_options(struct pay *pay, struct payment *p, int argc, char **argv)
{
	enum { OPTION_NO_QUEUE = ORDER_OPTIONS_END, OPTION_WAIT };
	static const struct option longs[] = {ORDER_OPTIONS,
	    {"no-queue", no_argument, NULL, OPTION_NO_QUEUE},
	    {"wait", optional_argument, NULL, OPTION_WAIT}, OPTIONS_LONG};
	int option;

	while ((option = pay_option(pay, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		if (order_option(&p->given, option))
			continue;
		switch (option) {
		case OPTION_NO_QUEUE:
			p->no_queue = true;
			break;
		case OPTION_WAIT:
			if (wait_option(pay, &p->wait, optarg) != EXIT_OK)
				return EXIT_USAGE;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	return order_operands(&pay->options, &p->given, argc, argv, &p->order);
}

/* The id, shown before anything is sent. */
static int
payment_id(struct pay *pay, struct payment *p, struct id *id)
{
	const struct naming naming = {p->given.id, p->given.key};
	int result = naming_id_or_new(
	    &pay->options, &naming, pay->config.user, pay->client, id);

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
	queued_answered(&p->queued, reply);
	p->text[0] = p->bank[0] = p->pending[0] = '\0';
	p->time_us = 0;
	/* Of one that is committed, it only says that this is not new. */
	if (msg_has(reply, text) && p->answer.state != PAYMENT_COMMITTED)
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
	order_request(&p->order, m);
}

/* ---- The queue ---- */

/* It has ended before: what the queue knows is the answer. */
static void
payment_known(struct payment *p)
{
	const struct spool_entry *e = &p->queued.entry;

	p->answered = true;
	p->answer = e->answer;
	p->time_us = e->time_us;
	(void)str_copy(p->bank, sizeof(p->bank), str_from(e->bank));
	(void)str_copy(p->text, sizeof(p->text), str_from(e->text));
}

/* On disk before anything is sent. */
static int
payment_queue(struct pay *pay, struct payment *p, const struct id *id)
{
	struct spool_entry entry;
	int result;

	if (p->no_queue)
		return EXIT_OK;
	spool_entry_new(
	    &entry, id, &p->order, login_user(client_login(pay->client)));
	result = queued_open(&p->queued, pay, &entry);
	if (p->queued.known)
		payment_known(p);
	return result;
}

/* Connects; whether the payment may be sent then. */
static enum session_end
payment_connect(struct pay *pay, struct payment *p, bool *may)
{
	enum session_end end = SESSION_END_NONE;

	*may = false;
	if (session_state(client_session(pay->client)) != SESSION_READY)
		end = client_connect(pay->client);
	if (end != SESSION_END_NONE)
		return end;
	p->stopped = queued_claim(&p->queued);
	if (p->queued.known)
		payment_known(p);
	*may = p->stopped == EXIT_OK && !p->queued.known;
	return end;
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
	bool may;

	for (times = 0;; times++) {
		end = payment_connect(pay, p, &may);
		if (end != SESSION_END_NONE || !may)
			return end;
		payment_request(p, id, &request);
		end = client_call(pay->client, &call);
		*sent = *sent || call.sent;
		if (end != SESSION_END_NONE || !p->answer.again ||
		    times == AGAIN_MAX)
			return end;
		client_progress(pay->client);
		client_sleep(pay->client, again_delay_ns(times));
	}
}

/* ---- Waiting for the end ---- */

/* An answer to STATUS counts as one to PAY; NOT_FOUND: it has to be sent. */
static void
payment_followed(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct payment *p = ctx;

	if (reply != NULL && reply->word == MSG_ERR)
		p->answer = (struct answer){.state = PAYMENT_UNKNOWN};
	else
		payment_answered(ctx, cookie, reply);
}

/* Where the gateway has it, it is asked; else it is sent again. */
static enum session_end
payment_follow(
    struct pay *pay, struct payment *p, const struct id *id, bool *sent)
{
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = payment_followed, .ctx = p};

	if (!p->answered ||
	    (p->answer.state != PAYMENT_HELD &&
		p->answer.state != PAYMENT_RECEIVED &&
		p->answer.state != PAYMENT_PREPARING))
		return payment_ask(pay, p, id, sent);
	msg_init(&request, MSG_REQUEST, VERB_CLIENT_STATUS, "1");
	msg_set_id(&request, KEY_id, id);
	return client_call(pay->client, &call);
}

/* Will it go on by itself, or when it is sent again? */
static bool
payment_goes_on(
    const struct payment *p, const struct wait *w, enum session_end end)
{
	if (p->stopped != EXIT_OK)
		return false;
	if (end != SESSION_END_NONE)
		return wait_survives(w, end);
	if (answer_exit(&p->answer) != EXIT_TEMPFAIL)
		return false;
	/* --no-hold asked for exactly this. */
	return !p->given.no_hold || p->answer.reason != CODE_BANK_UNAVAILABLE;
}

static enum session_end
payment_wait(
    struct pay *pay, struct payment *p, const struct id *id, bool *sent)
{
	struct wait w;
	enum session_end end;

	wait_begin(&w, pay, &p->wait);
	wait_for(&w, id);
	end = payment_ask(pay, p, id, sent);
	while (payment_goes_on(p, &w, end) && wait_pause(&w))
		end = payment_follow(pay, p, id, sent);
	wait_end(&w);
	if (!w.over || end == SESSION_END_NONE)
		return end;
	/* What was last heard is the answer. */
	if (p->answered)
		return SESSION_END_NONE;
	return *sent ? SESSION_END_LOST : SESSION_END_UNREACHABLE;
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
	if (pay->options.config != NULL) {
		fputs(" -c", stderr);
		print_word(pay->options.config);
	}
	fprintf(stderr, " pay --id %s --from", p->id_text);
	print_word(p->given.words.from);
	fputs(" --to", stderr);
	print_word(p->given.words.to);
	if (p->given.words.memo[0] != '\0') {
		fputs(" --memo", stderr);
		print_word(p->given.words.memo);
	}
	if (p->given.no_hold)
		fputs(" --no-hold", stderr);
	print_word(p->given.words.amount);
	print_word(p->given.words.currency);
	fputc('\n', stderr);
}

static int
payment_print(const struct pay *pay, const struct payment *p)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT, 0},
	    {"state", COLUMN_STATE, 0}, {"reason", COLUMN_TEXT, 0},
	    {"bank", COLUMN_TEXT, 0}, {"seq", COLUMN_NUMBER, 0},
	    {"time", COLUMN_TEXT, 0}, {"pending", COLUMN_TEXT, 0}};
	struct output *out = pay_output(&(struct output_options){
	    .columns = columns, .count = 7, .json = pay->options.json});

	output_text(out, str_from(p->id_text));
	output_text(out, str_from(answer_state_text(p->answer.state)));
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

/* It waits in the queue, whatever happens to this program. */
static void
print_queued(const struct pay *pay, bool waits)
{
	if (waits)
		warnx("it is queued in %s: strife-queue flush delivers it",
		    pay->config.spool);
}

/* No answer: what is known depends on whether it was ever sent. */
static int
payment_gave_up(
    struct pay *pay, struct payment *p, enum session_end end, bool sent)
{
	int result = pay_gave_up(pay, end);
	bool waits = queued_end(&p->queued, end, sent);

	if (!sent) {
		warnx("the payment was not sent");
		print_queued(pay, waits);
		if (result == EXIT_UNAVAILABLE || result == EXIT_TEMPFAIL)
			print_again(pay, p);
		return waits && result == EXIT_UNAVAILABLE ? EXIT_TEMPFAIL
							   : result;
	}
	p->answer = (struct answer){.state = PAYMENT_UNKNOWN};
	(void)payment_print(pay, p);
	warnx("the payment was sent; what became of it is not known");
	print_queued(pay, waits);
	print_again(pay, p);
	return result == EXIT_PROTOCOL ? EXIT_PROTOCOL : EXIT_TEMPFAIL;
}

static int
payment_answer(struct pay *pay, struct payment *p, bool sent)
{
	bool waits = queued_end(&p->queued, SESSION_END_NONE, sent);
	int result = (int)answer_exit(&p->answer);
	int printed = payment_print(pay, p);

	pay_not_made(&p->answer, p->bank, p->text);
	if (p->answer.reason == CODE_FORBIDDEN)
		accounts_suggest(pay, p->given.words.from);
	print_queued(pay, waits);
	if (result == EXIT_TEMPFAIL)
		print_again(pay, p);
	return result != EXIT_OK ? result : printed;
}

static int
payment_make(struct pay *pay, struct payment *p)
{
	enum session_end end;
	struct id id;
	bool sent;
	int result = payment_id(pay, p, &id);

	if (result == EXIT_OK)
		result = payment_queue(pay, p, &id);
	if (result != EXIT_OK)
		return result;
	if (p->queued.known)
		return payment_answer(pay, p, false);
	sent = p->queued.entry.gateway[0] != '\0';
	end = p->wait.wanted ? payment_wait(pay, p, &id, &sent)
			     : payment_ask(pay, p, &id, &sent);
	if (p->stopped != EXIT_OK)
		return p->stopped;
	return end == SESSION_END_NONE ? payment_answer(pay, p, sent)
				       : payment_gave_up(pay, p, end, sent);
}

int
payment_run(struct pay *pay, int argc, char **argv)
{
	struct payment p = {.given.no_hold = false};
	int result;

	result = payment_options(pay, &p, argc, argv);
	if (result == EXIT_OK)
		result = pay_start(pay, 1);
	if (result == EXIT_OK)
		result = payment_make(pay, &p);
	queued_close(&p.queued);
	return result;
}
