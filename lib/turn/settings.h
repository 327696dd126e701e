/*
 * The part of gatewayd.yaml and bankd.yaml that is the same (certificates,
 * journal, limits, control socket, log), and reading either file: the shared
 * rows are appended to those of the daemon's own. What the rows mean is in
 * strife-gatewayd.yaml(5) and strife-bankd.yaml(5).
 */
#ifndef STRIFE_TURN_SETTINGS_H
#define STRIFE_TURN_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/yaml.h"
#include "wire/msg.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)

/* The first member of a daemon's struct config. */
struct settings {
	char *tls_ca, *tls_cert, *tls_key;
	char *tls_crl; /* or NULL */
	char *journal_dir;
	int64_t journal_segment;  /* octets */
	int64_t journal_snapshot; /* octets */
	int64_t in_flight, remembered, window;
	int64_t handshake_ns, heartbeat_ns, idle_ns;
	char *control;
	char *user;     /* to run as, or NULL: as it was started */
	char *log_word; /* "info" */
	enum log_level log_level;
	/* What is under way may still write; it fits in one segment. */
	int64_t reserve_octets;
};

/* The daemon's own rows, of the struct config that begins with settings. */
struct settings_table {
	const struct yaml_row *rows;
	size_t count;
	/* What no row alone can check; sets reserve_octets. 0 or -1. */
	int (*check)(
	    void *config, const struct yaml *, struct yaml_error *error);
};
#define SETTINGS_ROWS_MAX 64

/*
 * config is a struct that begins with settings. 0, or -1 with *error filled and
 * nothing left allocated.
 */
int settings_read(void *config, const struct settings_table *, const char *path,
    struct yaml_error *error);
void settings_free(void *config, const struct settings_table *);

/* ---- For rows and checks ---- */
/* yaml_row's check of "HOST:PORT". */
const char *settings_check_address(struct str value);
/* The node to blame for a key of a group, or the group, or the whole file. */
const struct yaml_node *
settings_blame(const struct yaml *, const char *group, const char *key);
/* How much of the journal a segment has for the reserve. */
int64_t settings_reserve_max(const struct settings *);
/* What a record takes at most, however large its seq. */
int64_t settings_record_octets(const struct msg *record);

#endif
