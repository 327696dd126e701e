/*
 * gatewayd.yaml, decoded: strife-gatewayd.yaml(5). Every key is a typed row
 * with its limits; nothing behind this module looks at YAML.
 */
#ifndef STRIFE_GATEWAYD_CONFIG_H
#define STRIFE_GATEWAYD_CONFIG_H

#include <stdint.h>

#include "base/log.h"
#include "base/yaml.h"

struct config {
	char *node;
	char *listen_clients, *listen_banks; /* "HOST:PORT" */
	char *tls_ca, *tls_cert, *tls_key;
	char *tls_crl; /* or NULL */
	char *journal_dir;
	int64_t journal_segment;  /* octets */
	int64_t journal_snapshot; /* octets */
	int64_t prepare_timeout_ns, held_expiry_ns;
	int64_t in_flight, per_bank, per_user, held_max, remembered;
	char *users;
	struct yaml_list token_keys; /* files; none: count 0 */
	char *token_secret;          /* or NULL */
	int64_t token_lifetime_ns, login_burst;
	int64_t connections, window, handshakes, banks;
	int64_t handshake_ns, heartbeat_ns, idle_ns;
	char *control;
	char *log_word; /* "info" */
	enum log_level log_level;
	/* What is in flight and held may still write: fits in one segment. */
	int64_t reserve_octets;
};

/* 0, or -1 with *error filled and nothing left allocated. */
int config_read(struct config *, const char *path, struct yaml_error *error);
void config_free(struct config *);

#endif
