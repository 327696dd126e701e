/*
 * An unknown user costs as much as a known one: each check of a password makes
 * one hash, by the method and the cost of the users' own. Counted, not timed:
 * crypt_rn here stands before libcrypt's.
 */
#include "auth/users.h"

#include <crypt.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/password.h"
#include "tap.h"

/* sha256crypt of "secret" with two costs: quick, and told apart. */
#define FIRST "$5$rounds=1000$first$OMPf6OvDc7XCwWdcrRSTSq4XWlTjzQpwEEqGkSRkZ0/"
#define SECOND \
	"$5$rounds=2000$second$OMPf6OvDc7XCwWdcrRSTSq4XWlTjzQpwEEqGkSRkZ0/"

static unsigned made;
static char made_with[PASSWORD_HASH_MAX];

char *
crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	union {
		void *found;
		char *(*call)(const char *, const char *, void *, int);
	} real = {.found = dlsym(RTLD_NEXT, "crypt_rn")};

	made++;
	snprintf(made_with, sizeof(made_with), "%s", setting);
	if (real.found == NULL)
		abort();
	return real.call(phrase, setting, data, size);
}

static struct users *
opened(const char *text)
{
	char path[] = "/tmp/strife-unit-XXXXXX";
	struct yaml_error error = {""};
	struct users *users = NULL;
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
	if (users_open(&users, path, false, &error) < 0)
		printf("# %s\n", error.text);
	unlink(path);
	if (users == NULL)
		abort();
	return users;
}

static void
costs(const struct users *users, struct str name, const char *setting,
    const char *what)
{
	made = 0;
	made_with[0] = '\0';
	ok(users_password(users, name, STR("a guess")) == NULL,
	    "%s is not let in", what);
	is_i64(made, 1, "and costs one hash");
	is_text(made_with, setting, "of that method and cost");
}

int
main(void)
{
	struct users *users =
	    opened("users:\n"
		   "  cron: {certificates: [host], roles: [pay]}\n"
		   "  alice: {password: \"" FIRST "\"}\n"
		   "  bob: {password: \"" SECOND "\"}\n");

	costs(users, STR("alice"), FIRST, "a user with the wrong password");
	costs(users, STR("bob"), SECOND, "another one");
	costs(users, STR("mallory"), FIRST, "an unknown user");
	costs(users, STR("cron"), FIRST, "a user without a password");
	costs(users, STR("no name\n"), FIRST, "what is no name at all");
	users_free(users);
	users = opened("users:\n  cron: {certificates: [host]}\n");
	costs(users, STR("mallory"), password_dummy(),
	    "an unknown user, where nobody has a password,");
	users_free(users);
	return tap_done();
}
