/* strife-pay menu: who is logged in, balances, history. */
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/login.h"
#include "client/token_file.h"
#include "history.h"
#include "menu.h"
#include "pending.h"

/* ---- log in ---- */

static bool
check_user(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	(void)menu;
	if (name_valid(str_from(text)))
		return true;
	(void)snprintf(problem, PROBLEM_SIZE,
	    "A user is 1 to %d of A-Z a-z 0-9 . _ -.", NAME_MAX_LEN);
	return false;
}

static bool
check_bank(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	(void)menu;
	if (bank_valid(str_from(text)))
		return true;
	(void)snprintf(problem, PROBLEM_SIZE,
	    "A bank is 1 to %d of A-Z a-z 0-9 -, a letter first.",
	    BANK_MAX_LEN);
	return false;
}

static bool
check_password(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	(void)menu;
	if (strlen(text) <= PASSWORD_MAX_LEN)
		return true;
	(void)snprintf(problem, PROBLEM_SIZE,
	    "A password has at most %d octets.", PASSWORD_MAX_LEN);
	return false;
}

/* Another user has other accounts. */
static void
forget_accounts(struct menu *menu)
{
	free(menu->accounts.at);
	menu->accounts = (struct linked_list){NULL, 0};
}

static void
log_in(
    struct menu *menu, const char *user, const char *bank, const char *password)
{
	struct pay *pay = menu->pay;
	struct login *login = client_login(pay->client);
	enum session_end end;

	client_hang_up(pay->client);
	forget_accounts(menu);
	login_use_password(login, user, bank[0] != '\0' ? bank : NULL,
	    password[0] != '\0' ? password : NULL);
	end = client_connect(pay->client);
	if (end != SESSION_END_NONE) {
		(void)pay_gave_up(pay, end);
		menu->out = true;
		return;
	}
	menu->out = false;
	printf("Logged in as %s at %s, roles %s.\n", login_grant(login)->user,
	    session_node(client_session(pay->client)),
	    login_grant(login)->roles);
	if (login_grant(login)->token[0] != '\0')
		(void)login_keep(pay);
	pending_start(menu->pending);
}

void
menu_login(struct menu *menu)
{
	const struct menu_field fields[] = {
	    {.prompt = "User",
		.standard = menu->pay->config.user,
		.check = check_user},
	    {.prompt = "Bank (empty: a user of the gateway)",
		.standard = "",
		.check = check_bank},
	    {.prompt = "Password (empty: the certificate alone)",
		.standard = "",
		.hidden = true,
		.check = check_password},
	};
	char user[EDITOR_LINE_MAX], bank[EDITOR_LINE_MAX];
	char password[EDITOR_LINE_MAX];

	if (menu_ask(menu, &fields[0], user) &&
	    menu_ask(menu, &fields[1], bank) &&
	    menu_ask(menu, &fields[2], password))
		log_in(menu, user, bank, password);
	explicit_bzero(password, sizeof(password));
}

/* ---- log out ---- */

static void
logout_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	(void)ctx;
	(void)cookie;
	if (reply != NULL && reply->word == MSG_ERR)
		(void)pay_refused("log out", reply);
}

void
menu_logout(struct menu *menu)
{
	struct client *client = menu->pay->client;
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = logout_answered};
	struct yaml_error error;
	enum session_end end;

	if (menu->out) {
		printf("Nobody is logged in.\n");
		return;
	}
	msg_init(&request, MSG_REQUEST, VERB_CLIENT_LOGOUT, "1");
	end = client_call(client, &call);
	if (end != SESSION_END_NONE && end != SESSION_END_LOGIN)
		warnx("%s: the gateway could not be told",
		    session_why(client_session(client)));
	if (token_file_remove(&error) == -1)
		warnx("%s", error.text);
	menu->out = true;
	client_hang_up(client);
	login_forget(client_login(client));
	forget_accounts(menu);
	printf("Logged out.\n");
}

/* ---- balance and history ---- */

void
menu_balance(struct menu *menu)
{
	(void)balance_all(menu->pay);
}

static bool
check_count(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	const char *wrong;

	(void)menu;
	(void)strtonum(text, 1, HISTORY_MAX, &wrong);
	if (wrong == NULL)
		return true;
	(void)snprintf(
	    problem, PROBLEM_SIZE, "A number from 1 to %d.", HISTORY_MAX);
	return false;
}

void
menu_history(struct menu *menu)
{
	char account[EDITOR_LINE_MAX], count[EDITOR_LINE_MAX];
	struct menu_field fields[] = {
	    {.prompt = "Account", .check = menu_check_own},
	    {.prompt = "Entries", .standard = "20", .check = check_count},
	};
	struct history_range range = {
	    .account = account, .until_us = INT64_MAX};

	if (menu_accounts(menu) != EXIT_OK)
		return;
	if (menu->accounts.count == 1)
		fields[0].standard = menu->accounts.at[0].account;
	if (!menu_ask(menu, &fields[0], account) ||
	    !menu_ask(menu, &fields[1], count))
		return;
	range.count = (uint32_t)strtonum(count, 1, HISTORY_MAX, NULL);
	(void)history_print(menu->pay, &range);
}
