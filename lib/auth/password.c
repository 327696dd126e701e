#include "auth/password.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>
#include <openssl/crypto.h>

#include "base/check.h"
#include "wire/msg.h"

#define CRYPT_LETTERS \
	"./0123456789" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz"

_Static_assert(PASSWORD_HASH_MAX == CRYPT_OUTPUT_SIZE,
    "a hash must fit where libcrypt's does");
_Static_assert(PASSWORD_MAX_LEN < CRYPT_MAX_PASSPHRASE_SIZE,
    "libcrypt must take every password that the wire carries");

/* Strong methods, with the length of what follows the last "$". */
static const struct {
	const char *prefix;
	size_t hash_len;
} methods[] = {
    {"$y$", 43},                             /* yescrypt */
    {"$gy$", 43},                            /* gost-yescrypt */
    {"$7$", 43},                             /* scrypt */
    {"$2b$", 53},                            /* bcrypt: salt and hash */
    {"$2y$", 53}, {"$2a$", 53}, {"$6$", 86}, /* sha512crypt */
    {"$5$", 43},                             /* sha256crypt */
};

/* What is strong is for the table above to say: libcrypt is stricter. */
static bool
taken_by_libcrypt(const char *hash)
{
	int status = crypt_checksalt(hash);

	return status == CRYPT_SALT_OK || status == CRYPT_SALT_METHOD_LEGACY;
}

const char *
password_hash_problem(struct str hash)
{
	char text[PASSWORD_HASH_MAX];
	const char *problem = "must be yescrypt, scrypt, bcrypt, sha512crypt "
			      "or sha256crypt: see strife-authd hash";

	if (!str_copy(text, sizeof(text), hash) || strlen(text) != hash.len ||
	    strspn(text, CRYPT_LETTERS "$=") != hash.len)
		return "is not a crypt(3) string: see strife-authd hash";
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const char *prefix = methods[i].prefix;

		if (strncmp(text, prefix, strlen(prefix)) != 0)
			continue;
		/* A setting alone would let nobody in; so would a typo. */
		if (strlen(strrchr(text, '$') + 1) != methods[i].hash_len)
			problem = "is a crypt(3) string that is cut short or "
				  "too long: see strife-authd hash";
		else if (!taken_by_libcrypt(text))
			problem = "is not what this system's crypt(3) takes: "
				  "see strife-authd hash";
		else
			problem = NULL;
	}
	explicit_bzero(text, sizeof(text));
	return problem;
}

/* crypt_rn without its ways to leave something behind. NULL with errno. */
static int
run_crypt(struct str password, const char *setting, char *into)
{
	struct crypt_data *data;
	char phrase[PASSWORD_MAX_LEN + 1];
	const char *hash;
	int saved_errno = 0;

	if (!str_copy(phrase, sizeof(phrase), password) ||
	    strlen(phrase) != password.len) {
		errno = EINVAL;
		return -1;
	}
	data = calloc(1, sizeof(*data));
	if (data == NULL) {
		explicit_bzero(phrase, sizeof(phrase));
		return -1;
	}
	hash = crypt_rn(phrase, setting, data, (int)sizeof(*data));
	if (hash == NULL)
		saved_errno = errno == 0 ? EINVAL : errno;
	else
		memcpy(into, hash, strlen(hash) + 1);
	explicit_bzero(data, sizeof(*data));
	explicit_bzero(phrase, sizeof(phrase));
	free(data);
	errno = saved_errno;
	return saved_errno == 0 ? 0 : -1;
}

bool
password_verify(struct str password, const char *hash)
{
	char made[PASSWORD_HASH_MAX];
	size_t len = strlen(hash);
	bool good;

	CHECK(len < sizeof(made));
	memset(made, 0, sizeof(made));
	good = run_crypt(password, hash, made) == 0 &&
	    strnlen(made, sizeof(made)) == len &&
	    CRYPTO_memcmp(made, hash, len) == 0;
	explicit_bzero(made, sizeof(made));
	return good;
}

const char *
password_dummy(void)
{
	/* The hash part is 43 letters that no password is known to make. */
	return "$y$j9T$StrifeAuthDummy1StrifeA/$"
	       "...........................................";
}

int
password_hash(struct str password, unsigned cost, char into[PASSWORD_HASH_MAX])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX ||
	    password.len == 0) {
		errno = EINVAL;
		return -1;
	}
	if (crypt_gensalt_rn(
		"$y$", cost, NULL, 0, setting, (int)sizeof(setting)) == NULL)
		return -1;
	return run_crypt(password, setting, into);
}
