/*
 * strife-pay menu: a conversation. Entries are chosen by number or name; each
 * asks for what it needs, field by field. Ctrl-C gives the entry up, and at the
 * main prompt it leaves.
 */
#include "menu.h"

#include <bsd/string.h>
#include <ctype.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "client/login.h"
#include "pending.h"

#define ENTRY_COUNT (sizeof(entries) / sizeof(entries[0]))

static const struct entry {
	const char *name;  /* as it may be typed */
	const char *label; /* as it is shown */
	void (*run)(struct menu *);
	bool needs_login;
} entries[] = {
    {"login", "log in", menu_login, false},
    {"balance", "balance", menu_balance, true},
    {"pay", "pay", menu_pay, true},
    {"retry", "retry pending", menu_retry, true},
    {"history", "history", menu_history, true},
    {"logout", "log out", menu_logout, false},
    {"quit", "quit", NULL, false},
};

/* ---- Choosing ---- */

static void
show_entries(void)
{
	size_t i;

	for (i = 0; i < ENTRY_COUNT; i++)
		printf(
		    "%s%zu %s", i > 0 ? "   " : "  ", i + 1, entries[i].label);
	printf("\n");
}

/* "Log in" as "login": lower case, without blanks. */
static void
squeeze(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++)
		if (*text != ' ' && *text != '\t')
			*to++ = (char)tolower((unsigned char)*text);
	*to = '\0';
}

/* Is it the beginning of a label, but for its blanks? */
static bool
begins_label(const char *text, const char *label)
{
	for (; *text != '\0'; label++) {
		if (*label == ' ')
			continue;
		if (*label != *text++)
			return false;
	}
	return true;
}

/* Several are meant: "log in or log out?" */
static void
show_choice(const char *text)
{
	const char *before = "";
	size_t i;

	for (i = 0; i < ENTRY_COUNT; i++) {
		if (!begins_label(text, entries[i].label))
			continue;
		printf("%s%s", before, entries[i].label);
		before = " or ";
	}
	printf("?\n");
}

static void
show_nearest(const char *text)
{
	const char *names[ENTRY_COUNT], *near;
	size_t i;

	for (i = 0; i < ENTRY_COUNT; i++)
		names[i] = entries[i].name;
	near = nearest_word(str_from(text), names, ENTRY_COUNT);
	if (near != NULL)
		printf(
		    "There is no entry %s; the nearest is %s.\n", text, near);
	else
		printf("There is no entry %s.\n", text);
	show_entries();
}

/* By number, name, label, or the beginning of one of them. */
static const struct entry *
find_entry(const char *text)
{
	const struct entry *found = NULL;
	size_t i, begins = 0;

	if (text[0] >= '1' && text[0] <= (char)('0' + ENTRY_COUNT) &&
	    text[1] == '\0')
		return &entries[text[0] - '1'];
	for (i = 0; i < ENTRY_COUNT; i++) {
		if (strcmp(text, entries[i].name) == 0)
			return &entries[i];
		if (begins_label(text, entries[i].label)) {
			found = &entries[i];
			begins++;
		}
	}
	if (begins == 1)
		return found;
	if (begins > 1)
		show_choice(text);
	else
		show_nearest(text);
	return NULL;
}

static const char *
user_of(const struct menu *menu)
{
	return menu->out ? "nobody"
			 : login_user(client_login(menu->pay->client));
}

/* False where the menu is left. */
static bool
choose(struct menu *menu)
{
	char line[EDITOR_LINE_MAX], prompt[ACCOUNT_MAX_LEN + 8];
	const struct entry *entry;

	(void)strlcpy(prompt, user_of(menu), sizeof(prompt));
	(void)strlcat(prompt, "> ", sizeof(prompt));
	if (editor_read(menu->editor, prompt, false, line) != EDITOR_LINE)
		return false;
	squeeze(line);
	if (line[0] == '\0' || strcmp(line, "?") == 0 ||
	    strcmp(line, "help") == 0) {
		show_entries();
		return true;
	}
	entry = find_entry(line);
	if (entry == NULL)
		return true;
	if (entry->run == NULL)
		return false;
	if (entry->needs_login && menu->out)
		printf("Nobody is logged in: 1 logs in.\n");
	else
		entry->run(menu);
	return true;
}

/* ---- Signals ---- */

static void
caught(void *ctx, int signo)
{
	struct menu *menu = ctx;

	switch (signo) {
	case SIGINT:
		if (editor_reading(menu->editor))
			editor_interrupt(menu->editor);
		else
			client_interrupt(menu->pay->client);
		break;
	case SIGTSTP:
		editor_suspend(menu->editor);
		break;
	case SIGCONT:
	case SIGWINCH:
		editor_redraw(menu->editor);
		break;
	default:
		menu->signo = signo;
		editor_end(menu->editor);
		client_interrupt(menu->pay->client);
		break;
	}
}

static void
catch_signals(struct menu *menu)
{
	static const int signals[] = {
	    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
	struct loop *loop = client_loop(menu->pay->client);
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_signal(loop, signals[i], caught, menu) == -1)
			err(EXIT_OSERR, "signals");
}

/* Dies of the signal that ended it, now that all is in order. */
static void
die_of(int signo)
{
	sigset_t set;

	(void)fflush(NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signo);
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- The whole ---- */

static void
turned(void *ctx)
{
	const struct menu *menu = ctx;

	pending_turn(menu->pending);
}

static void
menu_talk(struct menu *menu)
{
	uint32_t left;

	printf("strife-pay for %s. Numbers or names; Ctrl-C gives up.\n",
	    user_of(menu));
	show_entries();
	pending_start(menu->pending);
	while (menu->signo == 0 && choose(menu))
		;
	left = pending_count(menu->pending);
	if (left > 0)
		printf("Pending: %u; strife-queue flush delivers them.\n",
		    (unsigned)left);
}

int
menu_run(struct pay *pay, int argc, char **argv)
{
	enum { OPTION_PLAIN = OPTIONS_FIRST };
	static const struct option longs[] = {
	    {"plain", no_argument, NULL, OPTION_PLAIN}, OPTIONS_LONG};
	struct menu menu = {.pay = pay};
	bool plain = false;
	int result, option;

	while ((option = pay_option(pay, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		if (option != OPTION_PLAIN)
			return EXIT_USAGE;
		plain = true;
	}
	if (optind != argc)
		return options_usage(&pay->options, "menu takes no operand");
	result = pay_start_with(pay,
	    &(struct client_options){
		.window = 16, .login_advice = "1 logs in"});
	if (result != EXIT_OK)
		return result;
	if (editor_new(&menu.editor, client_loop(pay->client), plain, turned,
		&menu) == -1)
		err(EXIT_OSERR, "terminal");
	menu.pending = pending_new(&menu);
	catch_signals(&menu);
	menu_talk(&menu);
	pending_free(menu.pending);
	editor_free(menu.editor);
	free(menu.accounts.at);
	if (menu.signo != 0)
		die_of(menu.signo);
	return EXIT_OK;
}
