#include "client/config.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/file.h"
#include "wire/account.h"
#include "wire/msg.h"

static const char *
check_user(struct str value)
{
	return name_valid(value) ? NULL
				 : "a user is 1 to 64 of A-Z a-z 0-9 . _ -";
}

static const char *
check_address(struct str value)
{
	char text[ADDRESS_SIZE];
	struct address address;

	if (!str_copy(text, sizeof(text), value) ||
	    address_parse(&address, text) != 0)
		return "a gateway is HOST:PORT";
	return strcmp(address.port, "0") != 0
	    ? NULL
	    : "a gateway's port is from 1 to 65535";
}

#define AT(member) offsetof(struct client_config, member)
static const struct yaml_row rows[] = {
    {"gateways", YAML_TEXT_LIST, AT(gateways), 1, 16, "127.0.0.1:7440",
	check_address},
    {"tls.ca", YAML_FILE, AT(ca), 1, 4096, "ca.crt", NULL},
    {"tls.cert", YAML_FILE, AT(cert), 1, 4096, "client.crt", NULL},
    {"tls.key", YAML_FILE, AT(key), 1, 4096, "client.key", NULL},
    {"user", YAML_TEXT, AT(user), 1, NAME_MAX_LEN, NULL, check_user},
    {"password_file", YAML_FILE, AT(password_file), 1, 4096, "~", NULL},
    {"retries", YAML_INTEGER, AT(retries), 0, 1000, "3", NULL},
    {"retry_delay", YAML_DURATION, AT(retry_delay_ns), NS_PER_MS,
	3600 * NS_PER_S, "3s", NULL},
    {"connect_timeout", YAML_DURATION, AT(connect_timeout_ns), 10 * NS_PER_MS,
	3600 * NS_PER_S, "5s", NULL},
    {"reply_timeout", YAML_DURATION, AT(reply_timeout_ns), 10 * NS_PER_MS,
	3600 * NS_PER_S, "15s", NULL},
    {"spool", YAML_FILE, AT(spool), 1, 4096, "var/spool", NULL},
    {"queue.poll", YAML_DURATION, AT(poll_ns), 200 * NS_PER_MS,
	86400 * NS_PER_S, "30s", NULL},
    {"queue.min_delay", YAML_DURATION, AT(min_delay_ns), NS_PER_MS,
	86400 * NS_PER_S, "200ms", NULL},
    {"queue.max_delay", YAML_DURATION, AT(max_delay_ns), NS_PER_MS,
	7 * 86400 * NS_PER_S, "10m", NULL},
};
#undef AT
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

/* ---- Where files are ---- */

/* $variable where that is an absolute path, else HOME/fallback. malloced. */
static char *
home_directory(const char *variable, const char *fallback)
{
	const char *value = getenv(variable), *home;
	const struct passwd *entry;
	char *path;

	/* A relative path there is invalid and ignored, as XDG has it. */
	if (value != NULL && value[0] == '/')
		return strdup(value);
	home = getenv("HOME");
	if (home == NULL || home[0] != '/') {
		entry = getpwuid(getuid());
		if (entry == NULL)
			return errno = ENOENT, NULL;
		home = entry->pw_dir;
	}
	return asprintf(&path, "%s/%s", home, fallback) == -1 ? NULL : path;
}

/* The path where a file is there, else NULL; takes path. */
static char *
if_exists(char *path)
{
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *
user_config(void)
{
	char *home = home_directory("XDG_CONFIG_HOME", ".config"), *path;

	if (home == NULL)
		return NULL;
	if (asprintf(&path, "%s/strife/pay.yaml", home) == -1)
		path = NULL;
	free(home);
	return if_exists(path);
}

/* A checkout is its own prefix: PREFIX/bin/strife-pay, PREFIX/etc. */
static char *
prefix_config(void)
{
	char self[4096], *slash, *path;
	ssize_t len;
	int i;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len <= 0)
		return NULL;
	self[len] = '\0';
	for (i = 0; i < 2; i++) {
		slash = strrchr(self, '/');
		if (slash == NULL)
			return NULL;
		*slash = '\0';
	}
	if (asprintf(&path, "%s/etc/strife/pay.yaml", self) == -1)
		return NULL;
	return if_exists(path);
}

char *
client_config_find(const char *option)
{
	const char *variable = getenv("STRIFE_PAY_CONFIG");
	char *path;

	if (option != NULL)
		return strdup(option);
	if (variable != NULL && variable[0] != '\0')
		return strdup(variable);
	path = user_config();
	if (path == NULL)
		path = prefix_config();
	return path != NULL ? path : strdup(SYSCONFDIR "/strife/pay.yaml");
}

/* The state directory, which need not be there: malloced. */
static char *
state_directory(void)
{
	char *home = home_directory("XDG_STATE_HOME", ".local/state");
	char *directory = NULL;

	if (home != NULL && asprintf(&directory, "%s/strife", home) == -1)
		directory = NULL;
	free(home);
	return directory;
}

char *
client_state_find(const char *name)
{
	char *directory = state_directory(), *path = NULL;

	if (directory != NULL &&
	    asprintf(&path, "%s/%s", directory, name) == -1)
		path = NULL;
	free(directory);
	return path;
}

char *
client_state_path(const char *name)
{
	char *directory = state_directory(), *path = NULL;

	if (directory != NULL && file_mkdirs(directory, 0700) == 0)
		path = client_state_find(name);
	free(directory);
	return path;
}

/* ---- Values ---- */

static int
check_delays(const struct client_config *c, const struct yaml *yaml,
    struct yaml_error *error)
{
	const struct yaml_node *queue = yaml_get(yaml_root(yaml), "queue");

	if (c->min_delay_ns <= c->max_delay_ns)
		return 0;
	return yaml_fail(yaml, queue != NULL ? queue : yaml_root(yaml), error,
	    "queue: min_delay is longer than max_delay");
}

int
client_config_read(
    struct client_config *c, const char *path, struct yaml_error *error)
{
	struct yaml *yaml;
	int result;

	memset(c, 0, sizeof(*c));
	if (yaml_open(&yaml, path, error) == -1)
		return -1;
	result = yaml_rows(yaml, yaml_root(yaml), rows, ROW_COUNT, c, error);
	if (result == 0 && check_delays(c, yaml, error) == -1) {
		yaml_rows_free(rows, ROW_COUNT, c);
		result = -1;
	}
	yaml_close(yaml);
	if (result == -1)
		return -1;
	c->path = strdup(path);
	if (c->path == NULL) {
		yaml_rows_free(rows, ROW_COUNT, c);
		(void)snprintf(error->text, sizeof(error->text),
		    "%s: out of memory", path);
		return -1;
	}
	return 0;
}

void
client_config_free(struct client_config *c)
{
	if (c->path == NULL)
		return;
	yaml_rows_free(rows, ROW_COUNT, c);
	free(c->path);
	memset(c, 0, sizeof(*c));
}

static const char *
password_problem(int error)
{
	if (error == EPERM)
		return "others than its owner can read it: chmod 600 it";
	if (error == EFBIG)
		return "it is longer than a password of 256 octets";
	return strerror(error);
}

int
client_config_password(const struct client_config *c, char *into, size_t size,
    struct yaml_error *error)
{
	const char *problem = NULL;
	char *octets;
	size_t len;

	if (file_read_secret(
		c->password_file, PASSWORD_MAX_LEN + 2, &octets, &len) == -1) {
		(void)snprintf(error->text, sizeof(error->text),
		    "password_file %s: %s", c->password_file,
		    password_problem(errno));
		return -1;
	}
	if (len > 0 && octets[len - 1] == '\n')
		len--;
	if (len == 0)
		problem = "it is empty";
	else if (len > PASSWORD_MAX_LEN || len >= size)
		problem = password_problem(EFBIG);
	else if (!text_valid((struct str){octets, (uint32_t)len}))
		problem = "it is not one line of UTF-8 text";
	else
		(void)str_copy(into, size, (struct str){octets, (uint32_t)len});
	freezero(octets, len);
	if (problem == NULL)
		return 0;
	(void)snprintf(error->text, sizeof(error->text), "password_file %s: %s",
	    c->password_file, problem);
	return -1;
}
