/*
 * strife-pay menu: what its parts share. One editor and one client in one event
 * loop; payments that are pending are delivered while a line is being typed.
 */
#ifndef STRIFE_PAY_MENU_H
#define STRIFE_PAY_MENU_H

#include <stdbool.h>

#include "accounts.h"
#include "editor.h"
#include "pay.h"

struct pending;

struct menu {
	struct pay *pay;
	struct editor *editor;
	struct pending *pending;
	struct linked_list accounts; /* of the user; at NULL: not asked yet */
	bool out;                    /* logged out by hand: ask nothing */
	int signo;                   /* the signal that ends it, or 0 */
};

/* ---- Asking a person (menu_ask.c) ---- */

#define PROBLEM_SIZE 256

/* False, with a sentence in problem, where text is not to be had. */
typedef bool
menu_check(struct menu *, const char *text, char problem[PROBLEM_SIZE]);

/* What a field is: NULL where there is none. */
struct menu_field {
	const char *prompt;
	const char *standard; /* what an empty line stands for; "": nothing */
	bool hidden;
	menu_check *check;
};
/*
 * Asks until the answer is right. False where the entry is given up (Ctrl-C)
 * or the input has ended.
 */
bool
menu_ask(struct menu *, const struct menu_field *, char into[EDITOR_LINE_MAX]);
bool menu_confirm(struct menu *, const char *question);
/* The user's accounts, asked for once; EXIT_OK, or it has said why not. */
int menu_accounts(struct menu *);
/* An account NAME@BANK, one of the user's where they are known. */
menu_check menu_check_own;

/* ---- Entries ---- */

void menu_login(struct menu *);
void menu_logout(struct menu *);
void menu_balance(struct menu *);
void menu_history(struct menu *);
void menu_pay(struct menu *);
void menu_retry(struct menu *);

#endif
