#include "start.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "tokens.h"

#define ERROR_MAX 1024

static void
read_token_keys(struct gatewayd *g)
{
	char error[ERROR_MAX];

	if (tokens_new(&g->tokens, &g->config, error, sizeof(error)) < 0)
		fatal_plain(EXIT_CONFIG, "%s", error);
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
start_check(struct gatewayd *g)
{
	const struct config *c = &g->config;

	server_read_tls(&g->server, TLS_ROLE_GATEWAY, c->node);
	test_address("listen.clients", c->listen_clients);
	test_address("listen.banks", c->listen_banks);
	read_token_keys(g);
	server_test_directories(&g->server);
	return checker_find(c->users, false);
}
