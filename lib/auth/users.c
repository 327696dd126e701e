#include "auth/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/password.h"
#include "auth/rights.h"
#include "base/digest.h"
#include "base/table.h"

struct users {
	struct table table; /* by name */
	struct user *at;    /* owned */
	uint32_t count;
	const char *dummy; /* verified where a user has no password */
};

/* ---- Checks of single values ---- */

static const char *
check_certificate(struct str text)
{
	return name_valid(text) ? NULL
				: "must be names of client certificates, each "
				  "1 to 64 of A-Za-z0-9._-";
}

static const char *
check_role(struct str text)
{
	return rights_role_valid(text) ? NULL
				       : "must be of balance, pay and history";
}

static const char *
check_account(struct str text)
{
	struct account account;

	return account_parse(&account, text)
	    ? NULL
	    : "must be accounts NAME@BANK: NAME 1 to 64 of A-Za-z0-9._-, "
	      "BANK 1 to 32 of A-Za-z0-9- starting with a letter";
}

static const char *
check_local_account(struct str text)
{
	return name_valid(text) ? NULL
				: "must be an account NAME without @BANK: 1 to "
				  "64 of A-Za-z0-9._-";
}

static const char *
check_pattern(struct str text)
{
	return rights_pattern_valid(text)
	    ? NULL
	    : "must be patterns NAME@BANK, PREFIX*@BANK or *@BANK";
}

/* ---- One entry ---- */

struct entry {
	char *password;
	struct yaml_list certificates, roles, accounts, acts_for;
};

#define AT(member) offsetof(struct entry, member)

static const struct yaml_row gateway_rows[] = {
    {"password", YAML_TEXT, AT(password), 1, PASSWORD_HASH_MAX - 1, "~",
	password_hash_problem},
    {"certificates", YAML_TEXT_LIST, AT(certificates), 0, USERS_LIST_MAX, "~",
	check_certificate},
    {"roles", YAML_TEXT_LIST, AT(roles), 0, 3, "~", check_role},
    {"accounts", YAML_TEXT_LIST, AT(accounts), 0, USERS_LIST_MAX, "~",
	check_account},
    {"acts_for", YAML_TEXT_LIST, AT(acts_for), 0, USERS_LIST_MAX, "~",
	check_pattern},
};
/* The same, but that a bank's customer acts for nobody else. */
static const struct yaml_row local_rows[] = {
    {"password", YAML_TEXT, AT(password), 1, PASSWORD_HASH_MAX - 1, "~",
	password_hash_problem},
    {"certificates", YAML_TEXT_LIST, AT(certificates), 0, USERS_LIST_MAX, "~",
	check_certificate},
    {"roles", YAML_TEXT_LIST, AT(roles), 0, 3, "~", check_role},
    {"accounts", YAML_TEXT_LIST, AT(accounts), 1, 1, NULL, check_local_account},
};

/* What is being read, for helpers. */
struct reading {
	const struct yaml *yaml;
	struct yaml_error *error;
	bool local;
};

/* The bank of an account that was checked; the whole of one without a bank. */
static struct str
bank_of(struct str text)
{
	struct account account;

	return account_parse(&account, text) ? account.bank : text;
}

/*
 * Points at the second of two equal entries or, of accounts, of two at one
 * bank. Lists are short enough (USERS_LIST_MAX) to compare each with each.
 */
static int
refuse_repeated(
    const struct reading *r, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *list = yaml_get(map, key);
	bool accounts = strcmp(key, "accounts") == 0;

	if (list == NULL || list->kind != YAML_LIST)
		return 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next)
		for (const struct yaml_node *m = list->first; m != n;
		     m = m->next) {
			if (str_eq(m->text, n->text))
				return yaml_fail(r->yaml, n, r->error,
				    "\"%s\": \"%.*s\" is repeated", key,
				    STR_ARG(n->text));
			if (accounts &&
			    str_eq(bank_of(m->text), bank_of(n->text)))
				return yaml_fail(r->yaml, n, r->error,
				    "\"accounts\": a second account at %.*s; "
				    "a user has one a bank",
				    STR_ARG(bank_of(n->text)));
		}
	return 0;
}

/* A list's length as elements of a JSON array: quotes and a comma each. */
static size_t
json_len(const struct yaml_list *list)
{
	size_t len = 0;

	for (uint32_t i = 0; i < list->count; i++)
		len += strlen(list->at[i]) + 3;
	return len;
}

/* malloced; NULL on ENOMEM. */
static char *
join(const struct yaml_list *list)
{
	char *text = malloc(json_len(list) + 1), *end = text;

	if (text == NULL)
		return NULL;
	for (uint32_t i = 0; i < list->count; i++) {
		size_t len = strlen(list->at[i]);

		if (i > 0)
			*end++ = ',';
		memcpy(end, list->at[i], len);
		end += len;
	}
	*end = '\0';
	return text;
}

static int
check_entry(const struct reading *r, const struct yaml_node *map,
    const struct entry *entry)
{
	static const char *const lists[] = {
	    "certificates", "roles", "accounts", "acts_for"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (refuse_repeated(r, map, lists[i]) < 0)
			return -1;
	if (entry->password == NULL && entry->certificates.count == 0)
		return yaml_fail_key(r->yaml, map, r->error,
		    "user \"%.*s\" must have a password or certificates",
		    STR_ARG(map->key));
	if (json_len(&entry->accounts) + json_len(&entry->acts_for) >
	    USERS_TOKEN_LISTS_MAX)
		return yaml_fail_key(r->yaml, map, r->error,
		    "user \"%.*s\": more accounts and acts_for than fit in a "
		    "token (%d octets)",
		    STR_ARG(map->key), USERS_TOKEN_LISTS_MAX);
	return 0;
}

/* On failure the caller frees what was set. */
static int
take_entry(struct user *user, const struct reading *r,
    const struct yaml_node *map, struct entry *entry)
{
	user->name = strndup(map->key.at, map->key.len);
	user->roles = join(&entry->roles);
	user->accounts = join(&entry->accounts);
	user->acts_for = join(&entry->acts_for);
	if (user->name == NULL || user->roles == NULL ||
	    user->accounts == NULL || user->acts_for == NULL)
		return yaml_fail(
		    r->yaml, map, r->error, "%s", strerror(ENOMEM));
	user->password = entry->password;
	user->certificates = entry->certificates;
	entry->password = NULL;
	entry->certificates = (struct yaml_list){0};
	return 0;
}

static int
read_user(
    struct user *user, const struct reading *r, const struct yaml_node *map)
{
	const struct yaml_row *rows = r->local ? local_rows : gateway_rows;
	size_t count = r->local ? sizeof(local_rows) / sizeof(rows[0])
				: sizeof(gateway_rows) / sizeof(rows[0]);
	struct entry entry = {.password = NULL};
	int result;

	if (!name_valid(map->key))
		return yaml_fail_key(r->yaml, map, r->error,
		    "a user's name must be 1 to 64 of A-Za-z0-9._-");
	if (yaml_rows(r->yaml, map, rows, count, &entry, r->error) < 0)
		return -1;
	result = check_entry(r, map, &entry);
	if (result == 0)
		result = take_entry(user, r, map, &entry);
	if (entry.password != NULL)
		explicit_bzero(entry.password, strlen(entry.password));
	yaml_rows_free(rows, count, &entry);
	return result;
}

static void
free_user(struct user *user)
{
	for (uint32_t i = 0; i < user->certificates.count; i++)
		free(user->certificates.at[i]);
	free(user->certificates.at);
	if (user->password != NULL)
		explicit_bzero(user->password, strlen(user->password));
	free(user->password);
	free(user->name);
	free(user->roles);
	free(user->accounts);
	free(user->acts_for);
}

/* ---- The file ---- */

static bool
same_user(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct users *users = pool;

	return strlen(users->at[index].name) == len &&
	    memcmp(users->at[index].name, key, len) == 0;
}

static int
read_users(
    struct users *users, const struct reading *r, const struct yaml_node *map)
{
	struct hash_key key;

	digest_random(&key, sizeof(key));
	users->at = calloc(map->count + 1, sizeof(*users->at));
	if (users->at == NULL ||
	    table_init(&users->table, map->count + 1, &key, same_user, users) <
		0)
		return yaml_fail(
		    r->yaml, map, r->error, "%s", strerror(ENOMEM));
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
		struct user *user = &users->at[users->count];

		users->count++;
		if (read_user(user, r, n) < 0)
			return -1;
		/* The reader has refused repeated keys. */
		table_insert(
		    &users->table, n->key.at, n->key.len, users->count - 1);
		if (users->dummy == NULL)
			users->dummy = user->password;
	}
	if (users->dummy == NULL)
		users->dummy = password_dummy();
	return 0;
}

int
users_open(struct users **opened, const char *path, bool local,
    struct yaml_error *error)
{
	struct top {
		const struct yaml_node *users;
	} top;
	static const struct yaml_row row = {
	    "users", YAML_NODE, offsetof(struct top, users), 0, 0, NULL, NULL};
	struct reading r = {.error = error, .local = local};
	struct users *users = NULL;
	struct yaml *yaml;
	int result = -1;

	if (yaml_open(&yaml, path, error) < 0)
		return -1;
	r.yaml = yaml;
	if (yaml_rows(yaml, yaml_root(yaml), &row, 1, &top, error) < 0)
		goto done;
	if (top.users->kind != YAML_MAP) {
		yaml_fail(yaml, top.users, error,
		    "\"users\" must be a map, as in {alice: {...}}; {} for "
		    "none");
		goto done;
	}
	if (top.users->count > USERS_MAX) {
		yaml_fail(yaml, top.users, error,
		    "\"users\" must have at most %u entries, not %u", USERS_MAX,
		    top.users->count);
		goto done;
	}
	users = calloc(1, sizeof(*users));
	if (users == NULL) {
		yaml_fail(yaml, top.users, error, "%s", strerror(ENOMEM));
		goto done;
	}
	if (read_users(users, &r, top.users) < 0)
		goto done;
	*opened = users;
	users = NULL;
	result = 0;
done:
	users_free(users);
	yaml_close(yaml);
	return result;
}

void
users_free(struct users *users)
{
	if (users == NULL)
		return;
	for (uint32_t i = 0; i < users->count; i++)
		free_user(&users->at[i]);
	free(users->at);
	table_free(&users->table);
	free(users);
}

uint32_t
users_count(const struct users *users)
{
	return users->count;
}

const struct user *
users_find(const struct users *users, struct str name)
{
	uint32_t index;

	if (!name_valid(name))
		return NULL;
	index = table_find(&users->table, name.at, name.len);
	return index == TABLE_NONE ? NULL : &users->at[index];
}

const struct user *
users_password(const struct users *users, struct str name, struct str password)
{
	const struct user *user = users_find(users, name);
	bool known = user != NULL && user->password != NULL;
	bool good =
	    password_verify(password, known ? user->password : users->dummy);

	return known && good ? user : NULL;
}

const struct user *
users_certificate(
    const struct users *users, struct str name, struct str certificate)
{
	const struct user *user = users_find(users, name);

	if (user == NULL)
		return NULL;
	for (uint32_t i = 0; i < user->certificates.count; i++)
		if (str_is(certificate, user->certificates.at[i]))
			return user;
	return NULL;
}

bool
users_exposed(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}
