/* strife-pay menu: a payment, field by field. */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "client/naming.h"
#include "client/order.h"
#include "menu.h"
#include "pending.h"
#include "wire/money.h"

/* What was typed; each is right when the next is asked for. */
struct form {
	char from[EDITOR_LINE_MAX], to[EDITOR_LINE_MAX];
	char amount[EDITOR_LINE_MAX], memo[EDITOR_LINE_MAX];
	char currency[4]; /* of the payer's account; "": not known */
};

/* ---- Fields ---- */

static bool
check_payee(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	struct account account;
	const char *near;

	if (account_parse(&account, str_from(text)))
		return true;
	near = accounts_near(&menu->accounts, text);
	(void)snprintf(problem, PROBLEM_SIZE,
	    "%.97s is not an account, NAME@BANK%s%s.", text,
	    near != NULL ? "; the nearest of yours is " : "",
	    near != NULL ? near : "");
	return false;
}

static bool
check_memo(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	size_t len = strlen(text);

	(void)menu;
	if (len <= MEMO_MAX_LEN)
		return true;
	(void)snprintf(problem, PROBLEM_SIZE,
	    "At most %d octets; this has %zu.", MEMO_MAX_LEN, len);
	return false;
}

/* "12.50 CZK" in two; the currency is the account's where it is not said. */
static void
split_amount(
    const struct form *f, const char *text, char amount[64], char currency[64])
{
	size_t len = strcspn(text, " \t");

	(void)str_copy(amount, 64, (struct str){text, (uint32_t)len});
	text += len + strspn(text + len, " \t");
	(void)str_copy(
	    currency, 64, str_from(text[0] != '\0' ? text : f->currency));
}

static bool
form_read(
    const struct form *f, struct order *order, char problem[ORDER_PROBLEM_SIZE])
{
	char amount[64], currency[64];
	const struct order_words words = {
	    .from = f->from,
	    .to = f->to,
	    .amount = amount,
	    .currency = currency,
	    .memo = f->memo,
	};

	split_amount(f, f->amount, amount, currency);
	if (currency[0] == '\0') {
		(void)strlcpy(problem, "with its currency, as in 12.50 CZK",
		    ORDER_PROBLEM_SIZE);
		return false;
	}
	return order_read(order, &words, problem);
}

static bool
ask_amount(struct menu *menu, struct form *f, struct order *order)
{
	char prompt[32] = "Amount and currency", problem[ORDER_PROBLEM_SIZE];
	const struct menu_field field = {.prompt = prompt};

	if (f->currency[0] != '\0')
		(void)snprintf(
		    prompt, sizeof(prompt), "Amount, in %s", f->currency);
	f->memo[0] = '\0';
	while (menu_ask(menu, &field, f->amount)) {
		if (form_read(f, order, problem))
			return true;
		printf("  %s\n", problem);
	}
	return false;
}

/* The currency of the payer's account, where its bank is there. */
static void
find_currency(const struct menu *menu, struct form *f)
{
	uint32_t i;

	f->currency[0] = '\0';
	for (i = 0; i < menu->accounts.count; i++)
		if (strcmp(menu->accounts.at[i].account, f->from) == 0 &&
		    menu->accounts.at[i].currency != 0)
			currency_text(
			    menu->accounts.at[i].currency, f->currency);
}

static bool
fill_in(struct menu *menu, struct form *f, struct order *order)
{
	struct menu_field from = {.prompt = "From", .check = menu_check_own};
	const struct menu_field to = {.prompt = "To", .check = check_payee};
	const struct menu_field memo = {
	    .prompt = "Memo", .standard = "", .check = check_memo};
	char problem[ORDER_PROBLEM_SIZE];

	if (menu->accounts.count == 1)
		from.standard = menu->accounts.at[0].account;
	if (!menu_ask(menu, &from, f->from))
		return false;
	find_currency(menu, f);
	for (;;) {
		if (!menu_ask(menu, &to, f->to))
			return false;
		if (strcmp(f->to, f->from) != 0)
			break;
		printf("  That is the payer's own account.\n");
	}
	if (!ask_amount(menu, f, order) || !menu_ask(menu, &memo, f->memo))
		return false;
	if (form_read(f, order, problem))
		return true;
	printf("  %s\n", problem);
	return false;
}

/* ---- Sending ---- */

static bool
confirm(struct menu *menu, const struct order *order)
{
	char money[MONEY_TEXT_MAX], currency[4];

	(void)money_text(order->amount, order->currency, money);
	currency_text(order->currency, currency);
	printf("\n  Pay   %s %s\n  from  %s\n  to    %s\n", money, currency,
	    order->from, order->to);
	if (order->memo[0] != '\0')
		printf("  memo  %s\n", order->memo);
	printf("\n");
	return menu_confirm(menu, "Send it? y or N");
}

void
menu_pay(struct menu *menu)
{
	char text[ID_TEXT_LEN + 1];
	struct order order;
	struct form form;
	struct ids ids;
	struct id id;

	if (menu_accounts(menu) != EXIT_OK || !fill_in(menu, &form, &order))
		return;
	if (!confirm(menu, &order)) {
		printf("Not sent.\n");
		return;
	}
	if (naming_reserve(menu->pay->client, &ids, 1) != EXIT_OK)
		return;
	id = ids_next(&ids);
	id_text(&id, text);
	if (pending_add(menu->pending, &id, &order) != EXIT_OK)
		return;
	printf("id %s\n", text);
	(void)fflush(stdout);
	pending_deliver(menu->pending, &id);
}

void
menu_retry(struct menu *menu)
{
	pending_deliver_all(menu->pending);
}
