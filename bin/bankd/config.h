/*
 * bankd.yaml, decoded: strife-bankd.yaml(5). Every key is a typed row with its
 * limits; nothing behind this module looks at YAML, but load.c at
 * accounts.yaml.
 */
#ifndef STRIFE_BANKD_CONFIG_H
#define STRIFE_BANKD_CONFIG_H

#include <stdint.h>

#include "base/log.h"
#include "base/yaml.h"

struct config {
	char *bank;
	struct yaml_list gateways; /* "HOST:PORT" */
	char *tls_ca, *tls_cert, *tls_key;
	char *tls_crl; /* or NULL */
	char *journal_dir;
	int64_t journal_segment;  /* octets */
	int64_t journal_snapshot; /* octets */
	int64_t in_flight, remembered;
	int64_t accounts_max, window, tellers_max, logins_max, queries_max;
	int64_t gateways_max, output_octets;
	int64_t handshake_ns, heartbeat_ns, idle_ns, resolve_ns;
	char *accounts;  /* or NULL */
	char *customers; /* or NULL */
	char *control;
	char *log_word; /* "info" */
	enum log_level log_level;
	/* What in-flight branches may still write; it fits in one segment. */
	int64_t reserve_octets;
};

/* 0, or -1 with *error filled and nothing left allocated. */
int config_read(struct config *, const char *path, struct yaml_error *error);
void config_free(struct config *);

#endif
