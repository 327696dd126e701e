/* users.yaml and customers.yaml: what is taken, and where an error points. */
#include "auth/users.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

/* yescrypt of "secret" and of "other" at the least cost */
#define SECRET \
	"$y$j75$GO7HCmyec4ZlyTN2vIoJ/0$" \
	"IvshJooUcg1IinWF8h/NmRRBY1kuCKfWgnexk9B9lIB"
#define OTHER \
	"$y$j75$wUqQUiiVAR3jMJ9yWHk.e/$" \
	"qtNdrDQ4NdpXPlQMURZ5mngd9V5nG0pt2sNR02Sjrb4"
#define PW "password: \"" SECRET "\""

static char directory[PATH_MAX];
static char path[PATH_MAX + 16];

static struct users *
opened(const char *text, bool local, struct yaml_error *error)
{
	struct users *users;
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 ||
	    chmod(path, 0600) < 0)
		abort();
	return users_open(&users, path, local, error) == 0 ? users : NULL;
}

static void
refused_as(bool local, const char *text, const char *want, const char *what)
{
	struct yaml_error error = {""};
	struct users *users = opened(text, local, &error);
	size_t len = strlen(path);

	if (users != NULL) {
		ok(false, "refused: %s", what);
		users_free(users);
	} else if (strncmp(error.text, path, len) == 0)
		is_text(error.text + len + 1, want, what);
	else
		is_text(error.text, want, what);
	if (strstr(error.text, SECRET) != NULL)
		ok(false, "%s: no hash in a message", what);
}

static void
refused(const char *text, const char *want, const char *what)
{
	refused_as(false, text, want, what);
}

static void
test_good(void)
{
	struct yaml_error error = {""};
	struct users *users =
	    opened("users:\n"
		   "  cron: {certificates: [billing-host, b2], roles: [pay],\n"
		   "         accounts: [shop@BankA]}\n"
		   "  alice: {" PW ", roles: [balance, pay, history],\n"
		   "          accounts: [alice@BankA, a.smith@BankB]}\n"
		   "  desk: {password: \"" OTHER "\", acts_for: [\"*@CZ\"]}\n",
		false, &error);
	const struct user *user;

	if (!ok(users != NULL, "a users file")) {
		printf("# %s\n", error.text);
		return;
	}
	is_i64(users_count(users), 3, "has three users");
	user = users_find(users, STR("alice"));
	ok(user != NULL && strcmp(user->name, "alice") == 0 &&
		strcmp(user->roles, "balance,pay,history") == 0 &&
		strcmp(user->accounts, "alice@BankA,a.smith@BankB") == 0 &&
		strcmp(user->acts_for, "") == 0,
	    "a user's lists");
	user = users_find(users, STR("desk"));
	ok(user != NULL && user->roles[0] == '\0' &&
		strcmp(user->acts_for, "*@CZ") == 0,
	    "roles default to none");
	ok(users_find(users, STR("bob")) == NULL &&
		users_find(users, STR_NONE) == NULL &&
		users_find(users, STR("ali")) == NULL,
	    "nobody else is found");

	ok(users_password(users, STR("alice"), STR("secret")) ==
		users_find(users, STR("alice")),
	    "the right password");
	ok(users_password(users, STR("alice"), STR("other")) == NULL,
	    "another user's password");
	ok(users_password(users, STR("desk"), STR("other")) != NULL,
	    "is right for that user");
	ok(users_password(users, STR("cron"), STR("secret")) == NULL,
	    "a user without a password has none, not the first one");
	ok(users_password(users, STR("bob"), STR("secret")) == NULL,
	    "nor has an unknown user");
	ok(users_password(users, STR("no such@"), STR("secret")) == NULL,
	    "nor what is no name");

	ok(users_certificate(users, STR("cron"), STR("b2")) ==
		users_find(users, STR("cron")),
	    "a listed certificate");
	ok(users_certificate(users, STR("cron"), STR("b")) == NULL &&
		users_certificate(users, STR("cron"), STR("b22")) == NULL &&
		users_certificate(users, STR("cron"), STR("B2")) == NULL,
	    "and no other");
	ok(users_certificate(users, STR("alice"), STR("b2")) == NULL &&
		users_certificate(users, STR("bob"), STR("b2")) == NULL,
	    "not for other users");
	users_free(users);
	users_free(NULL);
}

static void
test_local(void)
{
	struct yaml_error error = {""};
	struct users *users =
	    opened("users:\n  alice: {" PW ", roles: [pay], accounts: [al]}\n",
		true, &error);

	ok(users != NULL &&
		strcmp(users_find(users, STR("alice"))->accounts, "al") == 0,
	    "a bank's customers");
	users_free(users);
	users = opened("users: {}\n", true, &error);
	ok(users != NULL && users_count(users) == 0 &&
		users_password(users, STR("alice"), STR("x")) == NULL,
	    "a bank without customers that log in");
	users_free(users);
	refused_as(true, "users:\n  a: {" PW ", accounts: [a, b]}\n",
	    "2:104: \"accounts\" must have 1 entry, not 2",
	    "two accounts of a customer");
	refused_as(true, "users:\n  a: {" PW "}\n",
	    "2:6: missing key \"accounts\"", "a customer without an account");
	refused_as(true, "users:\n  a: {" PW ", accounts: [a@BankA]}\n",
	    "2:105: \"accounts\": must be an account NAME without @BANK: 1 to "
	    "64 "
	    "of A-Za-z0-9._-",
	    "an account of another bank");
	refused_as(true,
	    "users:\n  a: {" PW ", accounts: [a], acts_for: [\"*@CZ\"]}\n",
	    "2:109: unknown key \"acts_for\"", "a customer acts for nobody");
}

static void
test_shapes(void)
{
	refused("user: {}\n",
	    "1:1: unknown key \"user\"; did you mean "
	    "\"users\"?",
	    "the top key spelt wrong");
	refused("{}\n", "1:1: missing key \"users\"", "no top key");
	refused("users: [alice]\n",
	    "1:8: \"users\" must be a map, as in {alice: {...}}; {} for none",
	    "a list of users");
	refused("users:\n  alice:\n",
	    "2:9: must be a map, as in \"key: value\"", "an empty entry");
	refused("users:\n  alice: {}\n",
	    "2:3: user \"alice\" must have a password or certificates",
	    "an entry that could never log in");
	refused("users:\n  alice: {certificates: [], roles: [pay]}\n",
	    "2:3: user \"alice\" must have a password or certificates",
	    "an empty list of certificates");
	refused("users:\n  alice: {" PW "}\n  alice: {" PW "}\n",
	    "3:3: key \"alice\" is repeated; it was first given at 2:3",
	    "a user twice");
	refused("users:\n  \"al ice\": {" PW "}\n",
	    "2:3: a user's name must be 1 to 64 of A-Za-z0-9._-",
	    "a name with a space");
	refused("users:\n  alice@BankA: {" PW "}\n",
	    "2:3: a user's name must be 1 to 64 of A-Za-z0-9._-",
	    "a name with a bank");
	refused("users:\n  alice:\n    passwd: x\n",
	    "3:5: unknown key \"passwd\"; did you mean \"password\"?",
	    "a key spelt wrong");
}

static void
test_values(void)
{
	refused("users:\n  alice: {password: secret}\n",
	    "2:21: \"password\": must be yescrypt, scrypt, bcrypt, sha512crypt "
	    "or sha256crypt: see strife-authd hash",
	    "a password in the clear");
	refused("users:\n  alice: {password: \"$1$abcdefgh$"
		"G4.Y/rjCRRQkOqLbL8qNl0\"}\n",
	    "2:21: \"password\": must be yescrypt, scrypt, bcrypt, sha512crypt "
	    "or sha256crypt: see strife-authd hash",
	    "a weak method");
	refused("users:\n  a: {certificates: [a b]}\n",
	    "2:22: \"certificates\": must be names of client certificates, "
	    "each 1 to 64 of A-Za-z0-9._-",
	    "a certificate's name");
	refused("users:\n  a: {certificates: [x], roles: [pay, admin]}\n",
	    "2:39: \"roles\": must be of balance, pay and history",
	    "an unknown role");
	refused("users:\n  a: {certificates: [x], roles: [pay, pay]}\n",
	    "2:39: \"roles\": \"pay\" is repeated", "a role twice");
	refused("users:\n  a: {certificates: [x], accounts: [a]}\n",
	    "2:37: \"accounts\": must be accounts NAME@BANK: NAME 1 to 64 of "
	    "A-Za-z0-9._-, BANK 1 to 32 of A-Za-z0-9- starting with a letter",
	    "an account without a bank");
	refused("users:\n  a: {certificates: [x], accounts: [a@A, a@B, b@A]}"
		"\n",
	    "2:47: \"accounts\": a second account at A; a user has one a bank",
	    "two accounts at one bank");
	refused("users:\n  a: {certificates: [x], acts_for: [\"*\"]}\n",
	    "2:37: \"acts_for\": must be patterns NAME@BANK, PREFIX*@BANK or "
	    "*@BANK",
	    "a pattern for every bank");
	refused("users:\n  a: {certificates: [x, x]}\n",
	    "2:25: \"certificates\": \"x\" is repeated", "a certificate twice");
}

/* Accounts up to what a token takes, and one octet more. */
static void
test_token_limit(void)
{
	struct yaml_error error = {""};
	struct users *users;

	for (int over = 0; over <= 1; over++) {
		char *text = NULL;
		size_t size = 0;
		FILE *file = open_memstream(&text, &size);

		fprintf(file, "users:\n  a: {certificates: [x], accounts: [");
		/* 28 accounts of 64 octets each, with quotes and comma. */
		for (int i = 0; i < 28; i++)
			fprintf(file, "%s%056d@B%02d%s", i == 0 ? "" : ", ", i,
			    i, over == 1 && i == 27 ? "BX" : "B");
		fprintf(file, "]}\n");
		fclose(file);
		if (over == 1)
			refused(text,
			    "2:3: user \"a\": more accounts and acts_for than "
			    "fit in a token (1792 octets)",
			    "more accounts than fit in a token");
		else {
			users = opened(text, false, &error);
			ok(users != NULL, "as many accounts as fit in a token");
			if (users == NULL)
				printf("# %s\n", error.text);
			users_free(users);
		}
		free(text);
	}
}

static void
test_modes(void)
{
	static const mode_t modes[] = {0644, 0640, 0604, 0620};
	struct yaml_error error;
	struct users *users = opened("users: {}\n", false, &error);

	ok(users != NULL && !users_exposed(path), "mode 600 is nobody else's");
	users_free(users);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		ok(chmod(path, modes[i]) == 0 && users_exposed(path),
		    "mode %o is told", (unsigned)modes[i]);
}

static void
test_many(void)
{
	struct yaml_error error = {""};
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	struct users *users;

	fprintf(file, "users:\n");
	for (int i = 0; i < 20000; i++)
		fprintf(file, "  u%d: {certificates: [c%d]}\n", i, i);
	fclose(file);
	users = opened(text, false, &error);
	ok(users != NULL && users_count(users) == 20000 &&
		users_certificate(users, STR("u19999"), STR("c19999")) != NULL,
	    "twenty thousand users");
	users_free(users);
	free(text);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%s/strife-users-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/users.yaml", directory);
	test_good();
	test_local();
	test_shapes();
	test_values();
	test_token_limit();
	test_modes();
	test_many();
	unlink(path);
	rmdir(directory);
	return tap_done();
}
