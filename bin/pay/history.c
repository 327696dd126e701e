/* strife-pay history: an account's entries, page by page, newest first. */
#include <bsd/stdlib.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "base/check.h"
#include "client/date.h"
#include "client/output.h"
#include "history.h"
#include "pay.h"
#include "wire/money.h"

#define PAGE_MAX 500
#define CURSOR_MAX 1024

struct entry {
	uint64_t seq;
	int64_t time_us, amount, balance;
	struct id id;
	bool has_id;
	uint32_t currency;
	char kind[WORD_MAX_LEN + 1];
	char peer[ACCOUNT_MAX_LEN + 1];
	char memo[MEMO_MAX_LEN + 1];
};

struct history {
	struct pay *pay;
	struct history_range range;
	uint32_t left; /* entries still wanted */
	/* The page that is being read: kept until it is whole. */
	struct entry entries[PAGE_MAX];
	uint32_t count, asked;
	bool too_many, forbidden;
	char next[CURSOR_MAX + 1]; /* "": the last page */
	int result;
};

static void
entry_read(struct entry *e, const struct msg *row)
{
	static const struct id none;

	e->seq = row->v[KEY_seq].u64;
	e->time_us = row->v[KEY_time].i64;
	/* The nil UUID stands for the empty id of an entry of the bank's own.
	 */
	e->id = row->v[KEY_id].id;
	e->has_id = !id_eq(&e->id, &none);
	(void)str_copy(e->kind, sizeof(e->kind), row->v[KEY_kind].str);
	e->amount = row->v[KEY_amount].i64;
	e->balance = row->v[KEY_balance].i64;
	e->currency = (uint32_t)row->v[KEY_currency].u64;
	(void)str_copy(e->peer, sizeof(e->peer), row->v[KEY_peer].str);
	(void)str_copy(e->memo, sizeof(e->memo), row->v[KEY_memo].str);
}

static void
history_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct history *h = ctx;

	(void)cookie;
	if (reply == NULL) {
		h->count = 0;
	} else if (reply->word == MSG_ERR) {
		h->result = pay_refused(h->range.account, reply);
		h->forbidden = reply->v[KEY_code].u64 == CODE_FORBIDDEN;
	} else if (reply->word == MSG_ROW) {
		if (h->count == h->asked)
			h->too_many = true;
		else
			entry_read(&h->entries[h->count++], reply);
	} else if (msg_has(reply, next)) {
		(void)str_copy(
		    h->next, sizeof(h->next), reply->v[KEY_next].str);
	}
}

static int
page_ask(struct history *h)
{
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = history_answered, .ctx = h};
	struct account account;
	enum session_end end;
	char before[CURSOR_MAX + 1];
	bool legal;

	memcpy(before, h->next, sizeof(before));
	legal = account_parse(&account, str_from(h->range.account));
	CHECK(legal);
	h->asked = h->left < PAGE_MAX ? h->left : PAGE_MAX;
	h->count = 0;
	h->next[0] = '\0';
	msg_init(&request, MSG_REQUEST, VERB_CLIENT_HISTORY, "1");
	msg_set_account(&request, KEY_account, account);
	msg_set_u64(&request, KEY_limit, h->asked);
	if (before[0] != '\0')
		msg_set_str(&request, KEY_before, str_from(before));
	if (h->range.since_us > 0)
		msg_set_i64(&request, KEY_since, h->range.since_us);
	if (h->range.until_us != INT64_MAX)
		msg_set_i64(&request, KEY_until, h->range.until_us);
	end = client_call(h->pay->client, &call);
	if (end != SESSION_END_NONE)
		return pay_gave_up(h->pay, end);
	if (h->too_many) {
		warnx("the gateway sent more entries than asked for");
		return EXIT_PROTOCOL;
	}
	return h->result;
}

static void
entry_print(struct output *out, const struct entry *e)
{
	char id[ID_TEXT_LEN + 1] = "", currency[4];

	output_time(out, e->time_us);
	output_u64(out, e->seq);
	if (e->has_id)
		id_text(&e->id, id);
	output_text(out, str_from(id));
	output_text(out, str_from(e->kind));
	output_money(out, e->amount, e->currency);
	currency_text(e->currency, currency);
	output_text(out, str_from(currency));
	output_money(out, e->balance, e->currency);
	output_text(out, str_from(e->peer));
	output_text(out, str_from(e->memo));
	output_row(out);
}

static void
page_print(struct history *h, struct output *out)
{
	uint32_t i;

	for (i = 0; i < h->count; i++)
		entry_print(out, &h->entries[i]);
	h->left -= h->count;
}

int
history_print(struct pay *pay, const struct history_range *range)
{
	static const struct column columns[] = {{"time", COLUMN_TEXT, 0},
	    {"seq", COLUMN_NUMBER, 0}, {"id", COLUMN_TEXT, 0},
	    {"kind", COLUMN_TEXT, 0}, {"amount", COLUMN_MONEY, 0},
	    {"currency", COLUMN_TEXT, 0}, {"balance", COLUMN_MONEY, 0},
	    {"peer", COLUMN_TEXT, 0}, {"memo", COLUMN_TEXT, 0}};
	struct history *h = pay_allocate(1, sizeof(*h));
	struct output *out = pay_output(&(struct output_options){
	    .columns = columns, .count = 9, .json = pay->options.json});
	int result, closed;

	h->pay = pay;
	h->range = *range;
	h->left = range->count;
	do {
		result = page_ask(h);
		if (result != EXIT_OK)
			break;
		page_print(h, out);
		/* Nobody reads on: ask no further. */
		if (output_flush(out) == -1)
			break;
	} while (h->left > 0 && h->next[0] != '\0' && h->count > 0);
	closed = output_close(out);
	if (h->forbidden)
		accounts_suggest(pay, range->account);
	free(h);
	return result != EXIT_OK ? result : closed;
}

/* Without ACCOUNT: the user's only one. */
static int
only_account(struct pay *pay, char **account)
{
	struct linked_list list = {NULL, 0};
	int result = accounts_ask(pay, &list);
	uint32_t i;

	if (result == EXIT_OK && list.count == 1) {
		*account = pay_copy(str_from(list.at[0].account));
	} else if (result == EXIT_OK) {
		result = options_usage(&pay->options,
		    "which account? You have %u", (unsigned)list.count);
		for (i = 0; i < list.count; i++)
			fprintf(stderr, "  %s\n", list.at[i].account);
	}
	free(list.at);
	return result;
}

/* Of --since, or of --until: then a day is meant with its end. */
static int
take_date(const struct pay *pay, const char *name, const char *text,
    bool (*parse)(int64_t *, struct str), int64_t *us)
{
	if (parse(us, str_from(text)))
		return EXIT_OK;
	return options_usage(&pay->options,
	    "%s %s: 2026-01-31, or RFC 3339 as in 2026-01-31T12:00:00Z", name,
	    text);
}

static int
history_options(
    struct pay *pay, struct history_range *range, int argc, char **argv)
{
	enum { OPTION_SINCE = OPTIONS_FIRST, OPTION_UNTIL };
	static const struct option longs[] = {
	    {"since", required_argument, NULL, OPTION_SINCE},
	    {"until", required_argument, NULL, OPTION_UNTIL}, OPTIONS_LONG};
	const char *problem;
	int option, result = EXIT_OK;

	while (result == EXIT_OK &&
	    (option = pay_option(pay, argc, argv, OPTIONS_SHORT "n:", longs)) !=
		OPTIONS_END) {
		switch (option) {
		case 'n':
			range->count = (uint32_t)strtonum(
			    optarg, 1, HISTORY_MAX, &problem);
			if (problem != NULL)
				return options_usage(&pay->options,
				    "-n %s: 1 to %d", optarg, HISTORY_MAX);
			break;
		case OPTION_SINCE:
			result = take_date(pay, "--since", optarg, date_parse,
			    &range->since_us);
			break;
		case OPTION_UNTIL:
			result = take_date(pay, "--until", optarg,
			    date_parse_until, &range->until_us);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	return result;
}

int
history_run(struct pay *pay, int argc, char **argv)
{
	struct history_range range = {.until_us = INT64_MAX, .count = 50};
	struct account account;
	char *only = NULL;
	int result;

	result = history_options(pay, &range, argc, argv);
	if (result == EXIT_OK && argc - optind > 1)
		result = options_usage(&pay->options, "one account at a time");
	if (result == EXIT_OK && optind < argc) {
		range.account = argv[optind];
		if (!account_parse(&account, str_from(range.account)))
			result = options_usage(&pay->options,
			    "%s is not an account: NAME@BANK", range.account);
	}
	if (result == EXIT_OK)
		result = pay_start(pay, 1);
	if (result == EXIT_OK && range.account == NULL) {
		result = only_account(pay, &only);
		range.account = only;
	}
	if (result == EXIT_OK)
		result = history_print(pay, &range);
	free(only);
	return result;
}
