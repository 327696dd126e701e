#include "start.h"

#include <bsd/string.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/checker.h"
#include "base/address.h"
#include "base/daemon.h"
#include "base/exitcode.h"
#include "base/log.h"

static struct tls *
read_tls(const struct config *c)
{
	const struct tls_files files = {
	    .ca = c->tls_ca,
	    .cert = c->tls_cert,
	    .key = c->tls_key,
	    .crl = c->tls_crl,
	};
	const struct tls_identity *self;
	char error[START_ERROR_MAX];
	struct tls *tls;

	if (tls_new(&tls, &files, true, error, sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s", error);
	self = tls_self(tls);
	if (self->role != TLS_ROLE_GATEWAY || strcmp(self->name, c->node) != 0)
		fatal(EXIT_CONFIG,
		    "%s: the certificate is not that of gateway %s: its URI "
		    "SAN must be strife://gateway/%s",
		    c->tls_cert, c->node, c->node);
	return tls;
}

static char *
test_users(const struct config *c)
{
	char error[START_ERROR_MAX], *program;

	program = daemon_sibling("strife-authd");
	if (program == NULL)
		fatal(EXIT_CONFIG,
		    "cannot find strife-authd beside this "
		    "program");
	if (checker_test(program, c->users, false, error, sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s", error);
	return program;
}

/* Could a file be made in this directory, or the directory itself be made? */
static void
test_writable(const char *key, const char *directory)
{
	char path[PATH_MAX], *parent;
	struct stat st;

	if (strlcpy(path, directory, sizeof(path)) >= sizeof(path))
		fatal(EXIT_CONFIG, "%s: the path is too long", key);
	while (stat(path, &st) < 0) {
		if (errno != ENOENT)
			fatal(EXIT_CONFIG, "%s: %s: %s", key, path,
			    strerror(errno));
		parent = dirname(path);
		memmove(path, parent, strlen(parent) + 1);
	}
	if (!S_ISDIR(st.st_mode))
		fatal(EXIT_CONFIG, "%s: %s is not a directory", key, path);
	if (access(path, W_OK | X_OK) < 0)
		fatal(EXIT_CONFIG, "%s: %s: %s", key, path, strerror(errno));
}

static void
test_directories(const struct config *c)
{
	char path[PATH_MAX];

	test_writable("journal.dir", c->journal_dir);
	if (strlcpy(path, c->control, sizeof(path)) >= sizeof(path))
		fatal(EXIT_CONFIG, "control: the path is too long");
	test_writable("control", dirname(path));
}

static void
test_address(const char *key, const char *text)
{
	struct address address;
	struct addrinfo *found;

	if (address_parse(&address, text) < 0 ||
	    address_resolve(&address, AI_PASSIVE, &found) < 0)
		fatal(EXIT_CONFIG, "%s: %s: %s", key, text, strerror(errno));
	freeaddrinfo(found);
}

char *
start_check(const struct config *c, struct tls **tls)
{
	*tls = read_tls(c);
	test_address("listen.clients", c->listen_clients);
	test_address("listen.banks", c->listen_banks);
	test_directories(c);
	return test_users(c);
}
