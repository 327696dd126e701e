/* crypt(3) strings: which are taken, how they are checked and made. */
#include "auth/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include "tap.h"
#include "wire/msg.h"

/* yescrypt of "secret" at the least cost */
#define SECRET \
	"$y$j75$GO7HCmyec4ZlyTN2vIoJ/0$" \
	"IvshJooUcg1IinWF8h/NmRRBY1kuCKfWgnexk9B9lIB"

static void
test_verify(void)
{
	ok(password_verify(STR("secret"), SECRET), "the password");
	ok(!password_verify(STR("Secret"), SECRET), "another");
	ok(!password_verify(STR("secre"), SECRET), "a shorter one");
	ok(!password_verify(STR("secret "), SECRET), "a longer one");
	ok(!password_verify(STR_NONE, SECRET), "an empty one");
	ok(!password_verify(STR("secret\0x"), SECRET),
	    "a NUL does not end a password");
	ok(!password_verify(STR("x"), "*0"), "a failure token is no hash");
	ok(!password_verify(STR("x"), ""), "nor is nothing");
}

static void
test_dummy(void)
{
	char made[CRYPT_OUTPUT_SIZE] = "";
	struct crypt_data data = {.initialized = 0};
	const char *hash;

	ok(password_hash_problem(str_from(password_dummy())) == NULL,
	    "the dummy is a complete hash");
	hash = crypt_rn("x", password_dummy(), &data, (int)sizeof(data));
	ok(hash != NULL && strncmp(hash, password_dummy(), 30) == 0,
	    "that crypt really computes");
	ok(snprintf(made, sizeof(made), "%s", hash) > 0 &&
		strlen(made) == strlen(password_dummy()),
	    "of the usual length");
	ok(!password_verify(STR("x"), password_dummy()), "and nobody's");
}

static void
test_make(void)
{
	char a[PASSWORD_HASH_MAX], b[PASSWORD_HASH_MAX];
	char longest[PASSWORD_MAX_LEN + 1];

	ok(password_hash(STR("pass word"), 1, a) == 0 &&
		password_hash(STR("pass word"), 1, b) == 0,
	    "two hashes of a password");
	ok(strncmp(a, "$y$j75$", 7) == 0, "are yescrypt of that cost");
	ok(strcmp(a, b) != 0, "with salts of their own");
	ok(password_hash_problem(str_from(a)) == NULL, "pass the check");
	ok(password_verify(STR("pass word"), a) &&
		password_verify(STR("pass word"), b),
	    "and verify");
	memset(longest, 'x', sizeof(longest));
	ok(password_hash((struct str){longest, PASSWORD_MAX_LEN}, 1, a) == 0 &&
		password_verify((struct str){longest, PASSWORD_MAX_LEN}, a) &&
		!password_verify(
		    (struct str){longest, PASSWORD_MAX_LEN - 1}, a),
	    "the longest password counts to its last octet");
	errno = 0;
	ok(password_hash((struct str){longest, PASSWORD_MAX_LEN + 1}, 1, a) <
		    0 &&
		errno == EINVAL,
	    "longer is refused");
	ok(password_hash(STR_NONE, 1, a) < 0 && errno == EINVAL, "so is none");
	ok(password_hash(STR("x"), 0, a) < 0 &&
		password_hash(STR("x"), 12, a) < 0,
	    "and a cost out of range");
}

/* Every strong method that this system's libcrypt has. */
static void
test_methods(void)
{
	static const struct {
		const char *prefix;
		unsigned long cost;
	} methods[] = {{"$y$", 1}, {"$gy$", 1}, {"$7$", 6}, {"$2b$", 4},
	    {"$2y$", 4}, {"$6$", 1000}, {"$5$", 1000}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char setting[CRYPT_GENSALT_OUTPUT_SIZE];
		struct crypt_data data = {.initialized = 0};
		const char *hash;

		if (crypt_gensalt_rn(methods[i].prefix, methods[i].cost, NULL,
			0, setting, (int)sizeof(setting)) == NULL) {
			ok(true, "%s # SKIP not in this libcrypt",
			    methods[i].prefix);
			continue;
		}
		hash = crypt_rn("secret", setting, &data, (int)sizeof(data));
		ok(hash != NULL &&
			password_hash_problem(str_from(hash)) == NULL &&
			password_verify(STR("secret"), hash) &&
			!password_verify(STR("secreT"), hash),
		    "%s is taken and verifies", methods[i].prefix);
		ok(password_hash_problem(str_from(setting)) != NULL,
		    "%s: a setting without a hash is refused",
		    methods[i].prefix);
	}
}

static void
refused(const char *hash, const char *what)
{
	const char *problem = password_hash_problem(str_from(hash));

	ok(problem != NULL && strstr(problem, "strife-authd hash") != NULL,
	    "refused: %s", what);
}

static void
test_refused(void)
{
	char text[PASSWORD_HASH_MAX + 8];

	refused("", "nothing");
	refused("secret", "a password in the clear");
	refused("*", "a locked account");
	refused("!" SECRET, "a disabled one");
	refused("rl.3StKT.4T8M", "descrypt");
	refused("_J9..rasmBYk8r9AiWNc", "bsdicrypt");
	refused("$1$abcdefgh$G4.Y/rjCRRQkOqLbL8qNl0", "md5crypt");
	refused("$3$$8846f7eaee8fb117ad06bdd830b7586c", "NT");
	refused(
	    "$sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq", "sha1crypt");
	refused("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	    "bcrypt with the sign bug");
	refused("$y$j9T$", "a prefix alone");
	refused("$y$j75$GO7HCmyec4ZlyTN2vIoJ/0$IvshJooUcg1IinWF8h", "cut");
	snprintf(text, sizeof(text), "%sA", SECRET);
	refused(text, "an octet too many");
	snprintf(text, sizeof(text), "%s", SECRET);
	text[40] = ' ';
	refused(text, "a space inside");
	text[40] = '\n';
	refused(text, "a line feed inside");
	memset(text, '$', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	refused(text, "longer than any hash");
	ok(password_hash_problem((struct str){SECRET "\0", sizeof(SECRET)}) !=
		NULL,
	    "refused: a NUL at the end");
	ok(password_hash_problem(str_from(SECRET)) == NULL,
	    "the same without fault is taken");
}

int
main(void)
{
	test_verify();
	test_dummy();
	test_make();
	test_methods();
	test_refused();
	return tap_done();
}
