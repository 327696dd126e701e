#include "turn/settings.h"

#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/check.h"
#include "journal/journal.h"

/* A control socket's path must fit sockaddr_un, NUL included. */
#define CONTROL_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
/* useradd(8) */
#define USER_MAX_LEN 32
/* What the chain adds to a record: " check=" and 32 digits, and LF. */
#define CHECK_OCTETS (7 + 32 + 1)
/* A seq has 19 digits at most, a tag 16. */
#define SEQ_OCTETS (19 - TAG_MAX_LEN)

const char *
settings_check_address(struct str value)
{
	char text[ADDRESS_SIZE];
	struct address address;

	return str_copy(text, sizeof(text), value) &&
		address_parse(&address, text) == 0
	    ? NULL
	    : "an address is HOST:PORT, or [IPV6]:PORT";
}

static const char *
check_level(struct str value)
{
	enum log_level level;

	return log_level_from(value, &level)
	    ? NULL
	    : "must be one of error, warn, info, debug";
}

#define AT(member) offsetof(struct settings, member)
static const struct yaml_row rows[] = {
    {"tls.ca", YAML_FILE, AT(tls_ca), 1, PATH_MAX, NULL, NULL},
    {"tls.cert", YAML_FILE, AT(tls_cert), 1, PATH_MAX, NULL, NULL},
    {"tls.key", YAML_FILE, AT(tls_key), 1, PATH_MAX, NULL, NULL},
    {"tls.crl", YAML_FILE, AT(tls_crl), 1, PATH_MAX, "~", NULL},
    {"journal.dir", YAML_FILE, AT(journal_dir), 1, PATH_MAX, NULL, NULL},
    {"journal.segment", YAML_SIZE, AT(journal_segment), MIB, GIB, "64MiB",
	NULL},
    {"journal.snapshot", YAML_SIZE, AT(journal_snapshot), MIB, 1024 * GIB,
	"256MiB", NULL},
    {"payments.in_flight", YAML_INTEGER, AT(in_flight), 1, 1048576, "32768",
	NULL},
    {"payments.remembered", YAML_INTEGER, AT(remembered), 1024, 1073741824,
	"16777216", NULL},
    {"limits.window", YAML_INTEGER, AT(window), 1, 65536, "1024", NULL},
    {"limits.handshake", YAML_DURATION, AT(handshake_ns), 100 * NS_PER_MS,
	MINUTE_NS, "5s", NULL},
    {"limits.heartbeat", YAML_DURATION, AT(heartbeat_ns), 100 * NS_PER_MS,
	HOUR_NS, "5s", NULL},
    {"limits.idle", YAML_DURATION, AT(idle_ns), NS_PER_S, 24 * HOUR_NS, "10m",
	NULL},
    {"control", YAML_FILE, AT(control), 1, PATH_MAX, NULL, NULL},
    {"user", YAML_TEXT, AT(user), 1, USER_MAX_LEN, "~", NULL},
    {"log.level", YAML_TEXT, AT(log_word), 1, 16, "info", check_level},
};
#undef AT
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The daemon's own rows, then the shared ones; returns how many. */
static size_t
all_rows(
    struct yaml_row all[SETTINGS_ROWS_MAX], const struct settings_table *table)
{
	CHECK(table->count + ROWS <= SETTINGS_ROWS_MAX);
	memcpy(all, table->rows, table->count * sizeof(rows[0]));
	memcpy(all + table->count, rows, sizeof(rows));
	return table->count + ROWS;
}

static int
check_together(void *config, const struct settings_table *table,
    const struct yaml *yaml, struct yaml_error *error)
{
	struct settings *s = config;

	if (table->check(config, yaml, error) < 0)
		return -1;
	CHECK(s->reserve_octets <= settings_reserve_max(s));
	if (strlen(s->control) > CONTROL_PATH_MAX)
		return yaml_fail(yaml, yaml_get(yaml_root(yaml), "control"),
		    error, "\"control\": a socket's path is at most %zu octets",
		    CONTROL_PATH_MAX);
	CHECK(log_level_from(str_from(s->log_word), &s->log_level));
	return 0;
}

int
settings_read(void *config, const struct settings_table *table,
    const char *path, struct yaml_error *error)
{
	struct yaml_row all[SETTINGS_ROWS_MAX];
	size_t count = all_rows(all, table);
	struct yaml *yaml;
	int result = -1;

	if (yaml_open(&yaml, path, error) < 0)
		return -1;
	if (yaml_rows(yaml, yaml_root(yaml), all, count, config, error) == 0) {
		result = check_together(config, table, yaml, error);
		if (result < 0)
			yaml_rows_free(all, count, config);
	}
	yaml_close(yaml);
	return result;
}

void
settings_free(void *config, const struct settings_table *table)
{
	struct yaml_row all[SETTINGS_ROWS_MAX];
	size_t count = all_rows(all, table);

	yaml_rows_free(all, count, config);
}

const struct yaml_node *
settings_blame(const struct yaml *yaml, const char *group, const char *key)
{
	const struct yaml_node *map = yaml_get(yaml_root(yaml), group), *node;

	if (map == NULL || map->kind != YAML_MAP)
		return yaml_root(yaml);
	node = yaml_get(map, key);
	return node != NULL ? node : map;
}

int64_t
settings_reserve_max(const struct settings *s)
{
	return s->journal_segment - JOURNAL_OVERHEAD;
}

int64_t
settings_record_octets(const struct msg *record)
{
	char line[LINE_MAX_LEN];
	size_t len = msg_encode_bare(record, line, sizeof(line));

	CHECK(len > 0);
	return (int64_t)len + SEQ_OCTETS + CHECK_OCTETS;
}
