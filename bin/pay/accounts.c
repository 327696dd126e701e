#include "accounts.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/nearest.h"
#include "client/output.h"
#include "wire/money.h"

/* As many are compared with a word that is none of them. */
#define ACCOUNTS_NEAR_MAX 256

struct asking {
	struct linked_list *list;
	bool too_many;
	int result;
};

static void
accounts_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct asking *asking = ctx;
	struct linked_list *list = asking->list;
	struct account account;
	struct linked *linked;
	int len;

	(void)cookie;
	if (reply == NULL) {
		list->count = 0;
	} else if (reply->word == MSG_ERR) {
		asking->result = pay_refused("accounts", reply);
	} else if (reply->word == MSG_ROW) {
		if (list->count == ACCOUNTS_MAX) {
			asking->too_many = true;
			return;
		}
		account = reply->v[KEY_account].account;
		linked = &list->at[list->count++];
		len = snprintf(linked->account, sizeof(linked->account),
		    "%.*s@%.*s", STR_ARG(account.name), STR_ARG(account.bank));
		CHECK(len > 0 && (size_t)len < sizeof(linked->account));
		linked->currency = (uint32_t)reply->v[KEY_currency].u64;
	}
}

int
accounts_ask(struct pay *pay, struct linked_list *list)
{
	struct asking asking = {.list = list, .result = EXIT_OK};
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = accounts_answered, .ctx = &asking};
	enum session_end end;

	list->at = pay_allocate(ACCOUNTS_MAX, sizeof(*list->at));
	list->count = 0;
	msg_init(&request, MSG_REQUEST, VERB_CLIENT_ACCOUNTS, "1");
	end = client_call(pay->client, &call);
	if (end != SESSION_END_NONE)
		return pay_gave_up(pay, end);
	if (asking.too_many) {
		warnx("the gateway listed more than %d accounts", ACCOUNTS_MAX);
		return EXIT_PROTOCOL;
	}
	return asking.result;
}

const char *
accounts_near(const struct linked_list *list, const char *text)
{
	const char *names[ACCOUNTS_NEAR_MAX];
	uint32_t i, count = list->count;

	if (count > ACCOUNTS_NEAR_MAX)
		count = ACCOUNTS_NEAR_MAX;
	for (i = 0; i < count; i++)
		names[i] = list->at[i].account;
	return nearest_word(str_from(text), names, count);
}

void
accounts_suggest(struct pay *pay, const char *text)
{
	struct linked_list list = {NULL, 0};
	const char *near = NULL;

	if (accounts_ask(pay, &list) == EXIT_OK)
		near = accounts_near(&list, text);
	if (near != NULL && strcmp(near, text) != 0)
		warnx("the nearest of your accounts is %s", near);
	free(list.at);
}

/* ---- accounts ---- */

int
accounts_run(struct pay *pay, int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	static const struct column columns[] = {
	    {"account", COLUMN_TEXT, 0}, {"currency", COLUMN_TEXT, 0}};
	struct linked_list list = {NULL, 0};
	struct output *out;
	char currency[4];
	uint32_t i;
	int result;

	if (pay_option(pay, argc, argv, OPTIONS_SHORT, longs) != OPTIONS_END)
		return EXIT_USAGE;
	if (optind != argc)
		return options_usage(
		    &pay->options, "accounts takes no operand");
	result = pay_start(pay, 1);
	if (result == EXIT_OK)
		result = accounts_ask(pay, &list);
	if (result == EXIT_OK) {
		out = pay_output(&(struct output_options){
		    .columns = columns, .count = 2, .json = pay->options.json});
		for (i = 0; i < list.count; i++) {
			output_text(out, str_from(list.at[i].account));
			currency[0] = '\0';
			if (list.at[i].currency != 0)
				currency_text(list.at[i].currency, currency);
			output_text(out, str_from(currency));
			output_row(out);
		}
		result = output_close(out);
	}
	free(list.at);
	return result;
}

/* ---- balance ---- */

struct balance {
	struct output *out;
	const char *account;
	int result;
	bool forbidden;
};

static void
balance_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct balance *b = ctx;
	uint32_t currency;
	char text[4];

	(void)cookie;
	if (reply == NULL)
		return;
	if (reply->word == MSG_ERR) {
		b->result = pay_refused(b->account, reply);
		b->forbidden = reply->v[KEY_code].u64 == CODE_FORBIDDEN;
		return;
	}
	currency = (uint32_t)reply->v[KEY_currency].u64;
	currency_text(currency, text);
	output_text(b->out, str_from(b->account));
	output_text(b->out, str_from(text));
	output_money(b->out, reply->v[KEY_posted].i64, currency);
	output_money(b->out, reply->v[KEY_held].i64, currency);
	output_money(b->out, reply->v[KEY_available].i64, currency);
	output_u64(b->out, reply->v[KEY_seq].u64);
	output_row(b->out);
	b->result = EXIT_OK;
}

/* What cannot be known now outweighs what never will be: run it again. */
static int
worse(int a, int b)
{
	return a > b ? a : b;
}

static int
balance_ask(struct pay *pay, struct output *out, const char *const *accounts,
    uint32_t count)
{
	struct msg request;
	struct balance b = {.out = out};
	struct client_call call = {
	    .request = &request, .reply = balance_answered, .ctx = &b};
	struct account account;
	enum session_end end;
	int result = EXIT_OK;
	uint32_t i;

	for (i = 0; i < count; i++) {
		bool legal = account_parse(&account, str_from(accounts[i]));

		CHECK(legal);
		msg_init(&request, MSG_REQUEST, VERB_CLIENT_BALANCE, "1");
		msg_set_account(&request, KEY_account, account);
		b.account = accounts[i];
		b.result = EXIT_OK;
		b.forbidden = false;
		end = client_call(pay->client, &call);
		if (end != SESSION_END_NONE)
			return pay_gave_up(pay, end);
		if (b.forbidden)
			accounts_suggest(pay, accounts[i]);
		result = worse(result, b.result);
	}
	return result;
}

static int
balance_show(struct pay *pay, const char *const *accounts, uint32_t count)
{
	static const struct column columns[] = {{"account", COLUMN_TEXT, 0},
	    {"currency", COLUMN_TEXT, 0}, {"posted", COLUMN_MONEY, 0},
	    {"held", COLUMN_MONEY, 0}, {"available", COLUMN_MONEY, 0},
	    {"seq", COLUMN_NUMBER, 0}};
	struct output *out = pay_output(&(struct output_options){
	    .columns = columns, .count = 6, .json = pay->options.json});
	int result = balance_ask(pay, out, accounts, count);

	return worse(result, output_close(out));
}

int
balance_all(struct pay *pay)
{
	struct linked_list list = {NULL, 0};
	const char **accounts;
	uint32_t i;
	int result = accounts_ask(pay, &list);

	if (result == EXIT_OK) {
		accounts = pay_allocate(list.count, sizeof(*accounts));
		for (i = 0; i < list.count; i++)
			accounts[i] = list.at[i].account;
		result = balance_show(pay, accounts, list.count);
		free(accounts);
	}
	free(list.at);
	return result;
}

int
balance_run(struct pay *pay, int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	struct account account;
	int result, i;

	if (pay_option(pay, argc, argv, OPTIONS_SHORT, longs) != OPTIONS_END)
		return EXIT_USAGE;
	for (i = optind; i < argc; i++)
		if (!account_parse(&account, str_from(argv[i])))
			return options_usage(&pay->options,
			    "%s is not an account: NAME@BANK", argv[i]);
	i = optind; /* getopt's own, before anything else may move it */
	result = pay_start(pay, 1);
	if (result != EXIT_OK)
		return result;
	if (i == argc)
		return balance_all(pay);
	return balance_show(
	    pay, (const char *const *)argv + i, (uint32_t)(argc - i));
}
