#include "auth/rights.h"

#include <stdio.h>

#include "base/check.h"

static const struct {
	enum role role;
	const char *name;
} roles[] = {
    {ROLE_BALANCE, "balance"},
    {ROLE_PAY, "pay"},
    {ROLE_HISTORY, "history"},
};
#define ROLES (sizeof(roles) / sizeof(roles[0]))

/* Takes the next element off a comma-separated list: false at its end. */
static bool
next_element(const char *list, size_t *at, struct str *element)
{
	const char *start = list + *at;
	size_t len = strcspn(start, ",");

	if (*start == '\0')
		return false;
	*element = (struct str){start, (uint32_t)len};
	*at += len + (start[len] == ',' ? 1 : 0);
	return true;
}

/* NAME@BANK, or NAME alone within a bank. */
static struct account
split_account(struct str text)
{
	const char *sign =
	    text.len == 0 ? NULL : memchr(text.at, '@', text.len);
	uint32_t len;

	if (sign == NULL)
		return (struct account){text, STR_NONE};
	len = (uint32_t)(sign - text.at);
	return (struct account){{text.at, len}, {sign + 1, text.len - len - 1}};
}

static bool
list_has(const char *list, const char *name)
{
	struct str element;
	size_t at = 0;

	while (next_element(list, &at, &element))
		if (str_is(element, name))
			return true;
	return false;
}

bool
rights_role_valid(struct str name)
{
	for (size_t i = 0; i < ROLES; i++)
		if (str_is(name, roles[i].name))
			return true;
	return false;
}

bool
rights_roles_valid(const char *list)
{
	struct str element;
	size_t at = 0;

	while (next_element(list, &at, &element))
		if (!rights_role_valid(element))
			return false;
	return true;
}

void
rights_set_roles(struct rights *rights, const char *list)
{
	size_t len = 0;

	rights->roles[0] = '\0';
	for (size_t i = 0; i < ROLES; i++) {
		int more;

		if (!list_has(list, roles[i].name))
			continue;
		more =
		    snprintf(rights->roles + len, sizeof(rights->roles) - len,
			"%s%s", len > 0 ? "," : "", roles[i].name);
		CHECK(more > 0 && (size_t)more < sizeof(rights->roles) - len);
		len += (size_t)more;
	}
}

bool
rights_has_role(const struct rights *rights, enum role role)
{
	/* Whoever has rights at all has a session. */
	if (role == ROLE_NONE || role == ROLE_ANY)
		return true;
	for (size_t i = 0; i < ROLES; i++)
		if (roles[i].role == role)
			return list_has(rights->roles, roles[i].name);
	return false;
}

/* The pattern was checked when the users file was read. */
static bool
pattern_covers(struct str pattern, struct account account)
{
	struct account p = split_account(pattern);

	if (!str_eq(p.bank, account.bank) || p.name.len == 0)
		return false;
	if (p.name.at[p.name.len - 1] != '*')
		return str_eq(p.name, account.name);
	p.name.len--;
	return account.name.len >= p.name.len &&
	    memcmp(account.name.at, p.name.at, p.name.len) == 0;
}

bool
rights_cover(const struct rights *rights, struct account account)
{
	struct account linked;
	struct str pattern;
	size_t at = 0;

	/* No pattern reaches a bank's own ":..." accounts. */
	if (!name_valid(account.name))
		return false;
	while (rights_next_account(rights, &at, &linked))
		if (account_eq(linked, account))
			return true;
	at = 0;
	while (next_element(rights->acts_for, &at, &pattern))
		if (pattern_covers(pattern, account))
			return true;
	return false;
}

bool
rights_next_account(
    const struct rights *rights, size_t *at, struct account *account)
{
	struct str element;

	if (!next_element(rights->accounts, at, &element))
		return false;
	*account = split_account(element);
	return true;
}

bool
rights_pattern_valid(struct str pattern)
{
	struct account p = split_account(pattern);

	if (!bank_valid(p.bank) || p.name.len == 0)
		return false;
	if (p.name.at[p.name.len - 1] == '*')
		p.name.len--;
	return p.name.len == 0 || name_valid(p.name);
}
