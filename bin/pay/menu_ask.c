/* strife-pay menu: fields that a person fills in, each checked at once. */
#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "menu.h"

/* Without blanks at either end. */
static void
trim(char *text)
{
	size_t start = strspn(text, " \t"), len = strlen(text + start);

	memmove(text, text + start, len + 1);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
}

static void
prompt_of(const struct menu_field *field, char into[PROBLEM_SIZE])
{
	(void)strlcpy(into, field->prompt, PROBLEM_SIZE);
	if (field->standard != NULL && field->standard[0] != '\0') {
		(void)strlcat(into, " [", PROBLEM_SIZE);
		(void)strlcat(into, field->standard, PROBLEM_SIZE);
		(void)strlcat(into, "]", PROBLEM_SIZE);
	}
	(void)strlcat(into, ": ", PROBLEM_SIZE);
}

bool
menu_ask(struct menu *menu, const struct menu_field *field,
    char into[EDITOR_LINE_MAX])
{
	char prompt[PROBLEM_SIZE], problem[PROBLEM_SIZE];

	prompt_of(field, prompt);
	for (;;) {
		if (editor_read(menu->editor, prompt, field->hidden, into) !=
		    EDITOR_LINE) {
			if (menu->signo == 0)
				printf("Given up.\n");
			return false;
		}
		/* Blanks may belong to a password. */
		if (!field->hidden)
			trim(into);
		if (into[0] == '\0' && field->standard != NULL)
			(void)strlcpy(into, field->standard, EDITOR_LINE_MAX);
		if (into[0] == '\0' && field->standard == NULL) {
			printf("  This is needed.\n");
			continue;
		}
		if (into[0] == '\0' || field->check == NULL ||
		    field->check(menu, into, problem))
			return true;
		printf("  %s\n", problem);
	}
}

bool
menu_confirm(struct menu *menu, const char *question)
{
	const struct menu_field field = {.prompt = question, .standard = ""};
	char line[EDITOR_LINE_MAX];

	for (;;) {
		if (!menu_ask(menu, &field, line))
			return false;
		if (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0)
			return true;
		if (line[0] == '\0' || strcasecmp(line, "n") == 0 ||
		    strcasecmp(line, "no") == 0)
			return false;
		printf("  y or n.\n");
	}
}

/* ---- Accounts ---- */

int
menu_accounts(struct menu *menu)
{
	int result;

	if (menu->accounts.at != NULL)
		return EXIT_OK;
	result = accounts_ask(menu->pay, &menu->accounts);
	if (result != EXIT_OK) {
		free(menu->accounts.at);
		menu->accounts = (struct linked_list){NULL, 0};
	}
	return result;
}

bool
menu_check_own(struct menu *menu, const char *text, char problem[PROBLEM_SIZE])
{
	struct account account;
	const char *near;
	uint32_t i;

	for (i = 0; i < menu->accounts.count; i++)
		if (strcmp(menu->accounts.at[i].account, text) == 0)
			return true;
	near = accounts_near(&menu->accounts, text);
	if (!account_parse(&account, str_from(text))) {
		(void)snprintf(problem, PROBLEM_SIZE,
		    "%.97s is not an account, NAME@BANK%s%s.", text,
		    near != NULL ? "; the nearest is " : "",
		    near != NULL ? near : "");
		return false;
	}
	/* Some pay for others, whom no list names. */
	if (near == NULL)
		return true;
	(void)snprintf(problem, PROBLEM_SIZE,
	    "%.97s is none of yours; the nearest is %s.", text, near);
	return false;
}
