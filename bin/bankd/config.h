/*
 * bankd.yaml, decoded: strife-bankd.yaml(5). Every key is a typed row with its
 * limits; nothing behind this module looks at YAML, but load.c at
 * accounts.yaml.
 */
#ifndef STRIFE_BANKD_CONFIG_H
#define STRIFE_BANKD_CONFIG_H

#include <stdint.h>

#include "turn/settings.h"

struct config {
	struct settings settings; /* first: see turn/settings.h */
	char *bank;
	struct yaml_list gateways; /* "HOST:PORT" */
	int64_t accounts_max, tellers_max, logins_max, queries_max;
	int64_t gateways_max, output_octets, resolve_ns;
	int64_t handshakes; /* of gatewayd's form: a bank dials, one each */
	char *accounts;     /* or NULL */
	char *customers;    /* or NULL */
};

/* 0, or -1 with *error filled and nothing left allocated. */
int config_read(struct config *, const char *path, struct yaml_error *error);
void config_free(struct config *);

#endif
