/*
 * users.yaml and customers.yaml: each input is read as both. Refused with a
 * message, or users as a session could have them.
 */
#include "in_memory.h"

#include "auth/users.h"

static void
check_file(const char *path, bool local)
{
	struct yaml_error error = {""};
	struct users *users = NULL;
	const struct user *user;

	if (users_open(&users, path, local, &error) < 0) {
		fuzz_message(error.text);
		return;
	}
	CHECK(users_count(users) <= USERS_MAX);
	CHECK(users_find(users, STR("")) == NULL);
	user = users_find(users, STR("alice"));
	if (user != NULL) {
		CHECK(strcmp(user->name, "alice") == 0);
		CHECK(user->certificates.count <= USERS_LIST_MAX);
		CHECK(strlen(user->accounts) + strlen(user->acts_for) <=
		    USERS_TOKEN_LISTS_MAX);
		CHECK(!local || user->acts_for[0] == '\0');
	}
	users_free(users);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	const char *path = in_memory_file(octets, len);

	check_file(path, false);
	check_file(path, true);
	return 0;
}
