#include "client/order.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/exitcode.h"
#include "wire/money.h"

__attribute__((format(printf, 2, 3))) static bool
wrong(char problem[ORDER_PROBLEM_SIZE], const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(problem, ORDER_PROBLEM_SIZE, format, ap);
	va_end(ap);
	CHECK(len >= 0);
	return false;
}

static bool
read_account(char into[ACCOUNT_MAX_LEN + 1], const char *option,
    const char *word, char problem[ORDER_PROBLEM_SIZE])
{
	struct account account;

	if (!account_parse(&account, str_from(word)))
		return wrong(problem, "%s: %s is not an account: NAME@BANK",
		    option, word);
	(void)str_copy(into, ACCOUNT_MAX_LEN + 1, str_from(word));
	return true;
}

static bool
read_amount(struct order *o, const struct order_words *words,
    char problem[ORDER_PROBLEM_SIZE])
{
	struct str amount = str_from(words->amount);

	if (!currency_parse(&o->currency, str_from(words->currency)))
		return wrong(problem,
		    "%s is not a currency: an ISO 4217 code such as CZK",
		    words->currency);
	switch (money_parse(&o->amount, amount, o->currency)) {
	case MONEY_OK:
		if (o->amount >= 1 && o->amount <= MONEY_AMOUNT_MAX)
			return true;
		if (o->amount < 1)
			return wrong(problem,
			    "%s: an amount is positive, 1 to 10^15 of the "
			    "currency's smallest unit",
			    words->amount);
		break;
	case MONEY_TOO_PRECISE:
		return wrong(problem, "%s: %s has %d decimals", words->amount,
		    words->currency, currency_exponent(o->currency));
	case MONEY_MALFORMED:
		return wrong(
		    problem, "%s is not an amount: as in 12.50", words->amount);
	case MONEY_RANGE:
		break;
	}
	return wrong(problem,
	    "%s: an amount is 1 to 10^15 of the currency's smallest unit",
	    words->amount);
}

bool
order_read(struct order *o, const struct order_words *words,
    char problem[ORDER_PROBLEM_SIZE])
{
	memset(o, 0, sizeof(*o));
	if (!read_account(o->from, "--from", words->from, problem) ||
	    !read_account(o->to, "--to", words->to, problem))
		return false;
	if (strlen(words->memo) > MEMO_MAX_LEN ||
	    !text_valid(str_from(words->memo)))
		return wrong(problem,
		    "--memo: at most %d octets of UTF-8 without control "
		    "characters",
		    MEMO_MAX_LEN);
	(void)str_copy(o->memo, sizeof(o->memo), str_from(words->memo));
	return read_amount(o, words, problem);
}

bool
order_eq(const struct order *a, const struct order *b)
{
	return strcmp(a->from, b->from) == 0 && strcmp(a->to, b->to) == 0 &&
	    a->amount == b->amount && a->currency == b->currency &&
	    strcmp(a->memo, b->memo) == 0;
}

void
order_request(const struct order *o, struct msg *m)
{
	struct account from, to;
	bool legal = account_parse(&from, str_from(o->from)) &&
	    account_parse(&to, str_from(o->to));

	CHECK(legal);
	msg_set_account(m, KEY_from, from);
	msg_set_account(m, KEY_to, to);
	msg_set_i64(m, KEY_amount, o->amount);
	msg_set_u64(m, KEY_currency, o->currency);
	if (o->memo[0] != '\0')
		msg_set_str(m, KEY_memo, str_from(o->memo));
	if (o->no_hold)
		msg_set_u64(m, KEY_hold, 0);
}

bool
order_option(struct order_given *given, int option)
{
	switch (option) {
	case ORDER_FROM:
		given->words.from = optarg;
		return true;
	case ORDER_TO:
		given->words.to = optarg;
		return true;
	case ORDER_MEMO:
		given->words.memo = optarg;
		return true;
	case ORDER_ID:
		given->id = optarg;
		return true;
	case ORDER_KEY:
		given->key = optarg;
		return true;
	case ORDER_NO_HOLD:
		given->no_hold = true;
		return true;
	default:
		return false;
	}
}

int
order_operands(const struct options *o, struct order_given *given, int argc,
    char **argv, struct order *order)
{
	struct order_words *words = &given->words;
	char problem[ORDER_PROBLEM_SIZE];

	if (argc - optind != 2)
		return options_usage(o, "needs AMOUNT and CURRENCY: 12.50 CZK");
	words->amount = argv[optind];
	words->currency = argv[optind + 1];
	if (words->from == NULL || words->to == NULL)
		return options_usage(o, "needs --from and --to");
	if (given->id != NULL && given->key != NULL)
		return options_usage(o, "either --id or --key");
	if (words->memo == NULL)
		words->memo = "";
	if (!order_read(order, words, problem))
		return options_usage(o, "%s", problem);
	order->no_hold = given->no_hold;
	return EXIT_OK;
}
