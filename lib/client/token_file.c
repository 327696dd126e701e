#include "client/token_file.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hex.h"
#include "client/config.h"
#include "wire/time.h"

#define TOKEN_FILE_MAX 8192
#define THUMBPRINT_HEX 64

/* As the file has them, before they are checked and copied. */
struct texts {
	char *user, *node, *gateway, *expires, *certificate, *token;
};

static const char *
check_user(struct str value)
{
	struct account account;

	return name_valid(value) || account_parse(&account, value)
	    ? NULL
	    : "a user is NAME or NAME@BANK";
}

static const char *
check_node(struct str value)
{
	return name_valid(value) ? NULL
				 : "a node is 1 to 64 of A-Z a-z 0-9 . _ -";
}

static const char *
check_gateway(struct str value)
{
	char text[ADDRESS_SIZE];
	struct address address;

	if (str_copy(text, sizeof(text), value) &&
	    address_parse(&address, text) == 0)
		return NULL;
	return "a gateway is HOST:PORT";
}

static const char *
check_expires(struct str value)
{
	int64_t us;

	return time_parse(&us, value) ? NULL : "not a time of RFC 3339";
}

static const char *
check_certificate(struct str value)
{
	uint8_t octets[THUMBPRINT_HEX / 2];

	return hex_read(octets, sizeof(octets), value)
	    ? NULL
	    : "not a SHA-256 in hexadecimal";
}

/* base64url and dots: nothing that a line of the protocol would escape. */
static const char *
check_token(struct str value)
{
	uint32_t i;

	for (i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
			return "not a token";
	}
	return NULL;
}

#define AT(member) offsetof(struct texts, member)
static const struct yaml_row rows[] = {
    {"user", YAML_TEXT, AT(user), 1, ACCOUNT_MAX_LEN, NULL, check_user},
    {"node", YAML_TEXT, AT(node), 1, NODE_MAX_LEN, NULL, check_node},
    {"gateway", YAML_TEXT, AT(gateway), 1, ADDRESS_SIZE - 1, NULL,
	check_gateway},
    {"expires", YAML_TEXT, AT(expires), 1, TIME_TEXT_LEN, NULL, check_expires},
    {"certificate", YAML_TEXT, AT(certificate), 1, THUMBPRINT_HEX, NULL,
	check_certificate},
    {"token", YAML_TEXT, AT(token), 1, TOKEN_MAX_LEN, NULL, check_token},
};
#undef AT
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void
copy(char *into, size_t size, const char *text)
{
	bool fits = str_copy(into, size, str_from(text));

	CHECK(fits); /* the row's own maximum saw to it */
}

static void
take_texts(struct token_file *t, const struct texts *texts)
{
	bool legal = hex_read(t->certificate, sizeof(t->certificate),
	    str_from(texts->certificate));

	CHECK(legal);
	copy(t->user, sizeof(t->user), texts->user);
	copy(t->node, sizeof(t->node), texts->node);
	copy(t->gateway, sizeof(t->gateway), texts->gateway);
	copy(t->expires, sizeof(t->expires), texts->expires);
	copy(t->token, sizeof(t->token), texts->token);
}

static enum token_found
token_read(struct token_file *t, const char *path, struct yaml_error *error)
{
	struct texts texts = {NULL, NULL, NULL, NULL, NULL, NULL};
	struct yaml *yaml;
	int result;

	if (yaml_open(&yaml, path, error) == -1)
		return TOKEN_WRONG;
	result =
	    yaml_rows(yaml, yaml_root(yaml), rows, ROW_COUNT, &texts, error);
	yaml_close(yaml);
	if (result == -1)
		return TOKEN_WRONG;
	take_texts(t, &texts);
	explicit_bzero(texts.token, strlen(texts.token));
	yaml_rows_free(rows, ROW_COUNT, &texts);
	return TOKEN_FOUND;
}

/* Is it there, and only ours to read? */
static enum token_found
token_look(const char *path, struct yaml_error *error)
{
	const char *problem;
	char *octets;
	size_t len;

	if (file_read_secret(path, TOKEN_FILE_MAX, &octets, &len) == 0) {
		freezero(octets, len);
		return TOKEN_FOUND;
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return TOKEN_NONE;
	problem = errno == EPERM
	    ? "others than its owner can read it; remove it, and log in again"
	    : strerror(errno);
	(void)snprintf(
	    error->text, sizeof(error->text), "%s: %s", path, problem);
	return errno == EPERM ? TOKEN_UNSAFE : TOKEN_WRONG;
}

enum token_found
token_file_read(struct token_file *t, struct yaml_error *error)
{
	char *path = client_state_find("token");
	struct yaml_error wrong;
	enum token_found found;

	/* Without a home nothing was ever kept. */
	if (path == NULL)
		return TOKEN_NONE;
	found = token_look(path, error);
	if ((found == TOKEN_FOUND || found == TOKEN_UNSAFE) &&
	    token_read(t, path, &wrong) != TOKEN_FOUND) {
		*error = wrong;
		found = TOKEN_WRONG;
	}
	free(path);
	return found;
}

int
token_file_write(const struct token_file *t, struct yaml_error *error)
{
	char *path = client_state_path("token");
	char thumbprint[THUMBPRINT_HEX + 1], *text = NULL;
	int len, result = -1;

	if (path == NULL) {
		(void)snprintf(error->text, sizeof(error->text),
		    "the token cannot be kept in strife/token of the state "
		    "directory, $XDG_STATE_HOME or ~/.local/state: %s",
		    strerror(errno));
		return -1;
	}
	hex_write(thumbprint, t->certificate, sizeof(t->certificate));
	thumbprint[THUMBPRINT_HEX] = '\0';
	len = asprintf(&text,
	    "user: \"%s\"\nnode: \"%s\"\ngateway: \"%s\"\nexpires: \"%s\"\n"
	    "certificate: \"%s\"\ntoken: \"%s\"\n",
	    t->user, t->node, t->gateway, t->expires, thumbprint, t->token);
	if (len != -1) {
		result = file_replace(path, 0600, text, (size_t)len);
		explicit_bzero(text, (size_t)len);
		free(text);
	}
	if (result == -1)
		(void)snprintf(error->text, sizeof(error->text), "%s: %s", path,
		    strerror(errno));
	free(path);
	return result;
}

int
token_file_remove(struct yaml_error *error)
{
	char *path = client_state_find("token");
	int result = 0;

	if (path == NULL)
		return 0;
	if (unlink(path) == -1 && errno != ENOENT && errno != ENOTDIR) {
		(void)snprintf(error->text, sizeof(error->text), "%s: %s", path,
		    strerror(errno));
		result = -1;
	}
	if (result == 0)
		(void)file_flush_dir_of(path);
	free(path);
	return result;
}
