/*
 * pay.yaml, for strife-pay and strife-queue (strife-pay.yaml(5)): where it is
 * found, and its values. Blocks on files.
 */
#ifndef STRIFE_CLIENT_CONFIG_H
#define STRIFE_CLIENT_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/tls.h"
#include "base/yaml.h"

/* Every pointer is owned by it. */
struct client_config {
	char *path; /* the file that was read */
	struct yaml_list gateways;
	char *ca, *cert, *key;
	char *user;
	char *password_file; /* or NULL */
	int64_t retries, retry_delay_ns;
	int64_t connect_timeout_ns, reply_timeout_ns;
	char *spool;
	int64_t poll_ns, min_delay_ns, max_delay_ns;
};

/*
 * The file that holds: `option` where it is not NULL, else $STRIFE_PAY_CONFIG,
 * else $XDG_CONFIG_HOME/strife/pay.yaml, else etc/strife/pay.yaml beside the
 * directory of our executable, else the system's. malloced; NULL with ENOMEM.
 */
char *client_config_find(const char *option);
/* 0, or -1 with *error filled and nothing left allocated. */
int client_config_read(
    struct client_config *, const char *path, struct yaml_error *error);
void client_config_free(struct client_config *);

/*
 * The password in `password_file`, its one trailing newline left out: 0, or -1
 * with *error filled (missing, readable by others, empty, too long, not text).
 */
int client_config_password(const struct client_config *, char *into,
    size_t size, struct yaml_error *error);

/*
 * A file below $XDG_STATE_HOME/strife (default ~/.local/state/strife), whose
 * directory is made where it is missing. malloced; NULL with errno.
 */
char *client_state_path(const char *name);
/* As client_state_path, for looking only: nothing is made. */
char *client_state_find(const char *name);

#endif
