/* Keys of tokens: known answers, rotation, and files that are refused. */
#include "auth/keyring.h"

#include "auth/base64url.h"
#include "tap.h"
#include "token_fixture.h"

/* RFC 8037, A.4: "Example of Ed25519 signing". */
#define EDDSA_TEXT "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
#define EDDSA_SIGNATURE \
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsP" \
	"t9g7sVvpAr_MuM0KAg"
/* RFC 7515, A.1 */
#define HMAC_TEXT \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." \
	"eyJpc3MiOiJqb2UiLA0KICJleHAi" \
	"OjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define HMAC_SIGNATURE "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

static void
known_answer(const struct keyring *ring, const char *id, const char *algorithm,
    const char *text, const char *want)
{
	const struct token_key *key = keyring_signer(ring);
	uint8_t signature[KEY_SIGNATURE_MAX];
	char encoded[BASE64URL_LEN(KEY_SIGNATURE_MAX) + 1];
	size_t len = token_key_sign(key, str_from(text), signature);

	encoded[base64url_write(encoded, signature, len)] = '\0';
	is_text(encoded, want, "the RFC's signature");
	is_text(token_key_algorithm(key), algorithm, algorithm);
	is_text(token_key_id(key), id, "the key's id");
	ok(keyring_find(ring, str_from(id)) == key, "it is found by it");
	ok(token_key_verify(key, str_from(text), signature, len),
	    "the signature is good");
	ok(!token_key_verify(key,
	       (struct str){text, (uint32_t)strlen(text) - 1}, signature, len),
	    "of another text it is not");
	ok(!token_key_verify(key, str_from(text), signature, len - 1) &&
		!token_key_verify(key, str_from(text), signature, 0),
	    "nor is one that is cut short");
	signature[7] ^= 1;
	ok(!token_key_verify(key, str_from(text), signature, len),
	    "nor one with another bit");
}

static void
test_known(void)
{
	struct keyring *ring = ring_of(KEY_RFC, NULL);

	known_answer(ring, KEY_RFC_ID, "EdDSA", EDDSA_TEXT, EDDSA_SIGNATURE);
	ok(keyring_find(ring, STR("0000000000000000")) == NULL &&
		keyring_find(ring, STR_NONE) == NULL,
	    "no key has another id");
	keyring_free(ring);
	ring = ring_of_secret(SECRET_RFC, sizeof(SECRET_RFC) - 1);
	known_answer(ring, SECRET_RFC_ID, "HS256", HMAC_TEXT, HMAC_SIGNATURE);
	keyring_free(ring);
}

static void
test_rotation(void)
{
	struct keyring *ring = ring_of(KEY_OTHER, KEY_RFC);
	const struct token_key *retired = keyring_find(ring, STR(KEY_RFC_ID));
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t len;

	ok(retired != NULL && retired != keyring_signer(ring),
	    "the first key signs, the second is there");
	len = token_key_sign(keyring_signer(ring), STR("text"), signature);
	ok(token_key_verify(
	       keyring_signer(ring), STR("text"), signature, len) &&
		!token_key_verify(retired, STR("text"), signature, len),
	    "each verifies its own");
	keyring_free(ring);
	keyring_free(NULL);
}

static void
refused(const char *octets, mode_t mode, const char *want, const char *what)
{
	char error[512] = "", *file = key_file(octets, strlen(octets), mode);
	struct keyring *ring;

	ok(keyring_open(&ring, &file, 1, error, sizeof(error)) < 0,
	    "refused: %s", what);
	ok(strncmp(error, file, strlen(file)) == 0 &&
		strstr(error, want) != NULL,
	    "and says so: %s", strstr(error, ": "));
	free(file);
}

static void
refused_secret(size_t len, mode_t mode, const char *want, const char *what)
{
	char octets[KEY_SECRET_MAX + 1], error[512] = "", *file;
	struct keyring *ring;

	memset(octets, 'x', sizeof(octets));
	file = key_file(octets, len, mode);
	ok(keyring_open_secret(&ring, file, error, sizeof(error)) < 0,
	    "refused: %s", what);
	ok(strstr(error, want) != NULL && strstr(error, "xxxx") == NULL,
	    "and says so: %s", strstr(error, ": "));
	free(file);
}

static void
test_refused(void)
{
	char error[512] = "", *files[2], small[8];
	struct keyring *ring;

	refused(
	    KEY_RFC, 0640, "can be read by others", "a key open to a group");
	refused(KEY_RFC, 0604, "can be read by others", "or to all");
	refused(KEY_P256, 0600, "not an Ed25519 key", "another kind of key");
	refused(KEY_ENCRYPTED, 0600, "is encrypted", "an encrypted key");
	refused(KEY_PUBLIC, 0600, "not a private key", "a public key");
	refused("", 0600, "not a private key", "nothing");
	refused_secret(31, 0600, "at least 32 octets", "a short secret");
	refused_secret(4097, 0600, "longer than 4096", "a long secret");
	refused_secret(32, 0644, "can be read by others", "an open secret");
	files[0] = key_file(KEY_RFC, strlen(KEY_RFC), 0600);
	files[1] = key_file(KEY_RFC, strlen(KEY_RFC), 0600);
	ok(keyring_open(&ring, files, 2, error, sizeof(error)) < 0 &&
		strstr(error, "is the same key as") != NULL,
	    "the same key twice");
	unlink(files[0]);
	ok(keyring_open(&ring, files, 1, error, sizeof(error)) < 0 &&
		strstr(error, "No such file") != NULL,
	    "a file that is not there");
	ok(keyring_open(&ring, files, 1, small, sizeof(small)) < 0 &&
		strlen(small) == sizeof(small) - 1,
	    "a message that does not fit is cut short");
	free(files[0]);
	free(files[1]);
}

int
main(void)
{
	keys_begin();
	test_known();
	test_rotation();
	test_refused();
	keys_end();
	return tap_done();
}
