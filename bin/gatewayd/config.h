/*
 * gatewayd.yaml, decoded: strife-gatewayd.yaml(5). Every key is a typed row
 * with its limits; nothing behind this module looks at YAML.
 */
#ifndef STRIFE_GATEWAYD_CONFIG_H
#define STRIFE_GATEWAYD_CONFIG_H

#include <stdint.h>

#include "turn/settings.h"

struct config {
	struct settings settings; /* first: see turn/settings.h */
	char *node;
	char *listen_clients, *listen_banks; /* "HOST:PORT" */
	int64_t prepare_timeout_ns, held_expiry_ns;
	int64_t per_bank, per_user, held_max;
	char *users;
	struct yaml_list token_keys; /* files; none: count 0 */
	char *token_secret;          /* or NULL */
	int64_t token_lifetime_ns, revoked, login_burst;
	int64_t connections, per_certificate, handshakes, banks;
};

/* 0, or -1 with *error filled and nothing left allocated. */
int config_read(struct config *, const char *path, struct yaml_error *error);
void config_free(struct config *);

#endif
