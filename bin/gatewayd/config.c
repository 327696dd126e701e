#include "config.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"
#include "wire/msg.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)
/* A control socket's path must fit sockaddr_un, NUL included. */
#define CONTROL_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
/* What the chain adds to a record: " check=" and 32 digits, and LF. */
#define CHECK_OCTETS (7 + 32 + 1)
/* A tag has 16 digits at most, a seq 19. */
#define SEQ_OCTETS 3

static const char *
check_node(struct str value)
{
	return name_valid(value) ? NULL
				 : "a node is 1 to 64 of A-Z a-z 0-9 . _ and -";
}

static const char *
check_address(struct str value)
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

#define AT(member) offsetof(struct config, member)
static const struct yaml_row rows[] = {
    {"node", YAML_TEXT, AT(node), 1, NODE_MAX_LEN, NULL, check_node},
    {"listen.clients", YAML_TEXT, AT(listen_clients), 1, ADDRESS_SIZE - 1,
	"127.0.0.1:7440", check_address},
    {"listen.banks", YAML_TEXT, AT(listen_banks), 1, ADDRESS_SIZE - 1,
	"127.0.0.1:7441", check_address},
    {"tls.ca", YAML_FILE, AT(tls_ca), 1, PATH_MAX, NULL, NULL},
    {"tls.cert", YAML_FILE, AT(tls_cert), 1, PATH_MAX, NULL, NULL},
    {"tls.key", YAML_FILE, AT(tls_key), 1, PATH_MAX, NULL, NULL},
    {"tls.crl", YAML_FILE, AT(tls_crl), 1, PATH_MAX, "~", NULL},
    {"journal.dir", YAML_FILE, AT(journal_dir), 1, PATH_MAX, NULL, NULL},
    {"journal.segment", YAML_SIZE, AT(journal_segment), MIB, GIB, "64MiB",
	NULL},
    {"journal.snapshot", YAML_SIZE, AT(journal_snapshot), MIB, 1024 * GIB,
	"256MiB", NULL},
    {"payments.prepare_timeout", YAML_DURATION, AT(prepare_timeout_ns),
	100 * NS_PER_MS, 10 * MINUTE_NS, "5s", NULL},
    {"payments.held_expiry", YAML_DURATION, AT(held_expiry_ns), NS_PER_S,
	8784 * HOUR_NS, "24h", NULL},
    {"payments.in_flight", YAML_INTEGER, AT(in_flight), 1, 1048576, "32768",
	NULL},
    {"payments.per_bank", YAML_INTEGER, AT(per_bank), 1, 1048576, "16384",
	NULL},
    {"payments.per_user", YAML_INTEGER, AT(per_user), 1, 1048576, "16384",
	NULL},
    {"payments.held_max", YAML_INTEGER, AT(held_max), 1, 1048576, "65536",
	NULL},
    {"payments.remembered", YAML_INTEGER, AT(remembered), 1024, 1073741824,
	"16777216", NULL},
    {"sessions.users", YAML_FILE, AT(users), 1, PATH_MAX, NULL, NULL},
    {"sessions.token_keys", YAML_FILE_LIST, AT(token_keys), 1, 16, "~", NULL},
    {"sessions.token_secret", YAML_FILE, AT(token_secret), 1, PATH_MAX, "~",
	NULL},
    {"sessions.token_lifetime", YAML_DURATION, AT(token_lifetime_ns), NS_PER_S,
	24 * HOUR_NS, "5m", NULL},
    {"sessions.login_burst", YAML_INTEGER, AT(login_burst), 1, 1000, "5", NULL},
    {"limits.connections", YAML_INTEGER, AT(connections), 1, 1048576, "10000",
	NULL},
    {"limits.window", YAML_INTEGER, AT(window), 1, 65536, "1024", NULL},
    {"limits.handshakes", YAML_INTEGER, AT(handshakes), 1, 4096, "64", NULL},
    {"limits.banks", YAML_INTEGER, AT(banks), 1, 4096, "256", NULL},
    {"limits.handshake", YAML_DURATION, AT(handshake_ns), 100 * NS_PER_MS,
	MINUTE_NS, "5s", NULL},
    {"limits.heartbeat", YAML_DURATION, AT(heartbeat_ns), 100 * NS_PER_MS,
	HOUR_NS, "5s", NULL},
    {"limits.idle", YAML_DURATION, AT(idle_ns), NS_PER_S, 24 * HOUR_NS, "10m",
	NULL},
    {"control", YAML_FILE, AT(control), 1, PATH_MAX, NULL, NULL},
    {"log.level", YAML_TEXT, AT(log_word), 1, 16, "info", check_level},
};
#undef AT
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- The reserve ---- */

/*
 * The longest records that a payment may still write, found by encoding ones
 * whose every field is at its largest: so the reserve follows the schema, not
 * numbers beside it.
 */
struct longest {
	const char *node;
	char bank[BANK_MAX_LEN + 1], user[NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1];
	char branches[512], proofs[256];
};

/* Appends to a list of two elements; returns its length so far. */
static void
append(char *list, size_t size, const char *bank, const char *rest)
{
	size_t len = strlen(list);
	int more = snprintf(
	    list + len, size - len, "%s%s:%s", len > 0 ? "," : "", bank, rest);

	CHECK(more > 0 && (size_t)more < size - len);
}

static void
make_longest(struct longest *l, const char *node)
{
	char name[NAME_MAX_LEN + 1] = "", branch[BRANCH_TEXT_MAX + 1],
				 proof[80];
	int len;

	memset(l, 0, sizeof(*l));
	l->node = node;
	memset(l->bank, 'b', BANK_MAX_LEN);
	memset(name, 'n', NAME_MAX_LEN);
	len = snprintf(l->user, sizeof(l->user), "%s@%s", name, l->bank);
	CHECK(len > 0 && (size_t)len < sizeof(l->user));
	len = snprintf(branch, sizeof(branch), "%s.%lld.%lld", node,
	    (long long)INT64_MAX, (long long)INT64_MAX);
	CHECK(len > 0 && (size_t)len < sizeof(branch));
	len = snprintf(
	    proof, sizeof(proof), "%lld:%032d", (long long)INT64_MAX, 0);
	CHECK(len > 0 && (size_t)len < sizeof(proof));
	for (int i = 0; i < 2; i++) {
		append(l->branches, sizeof(l->branches), l->bank, branch);
		append(l->proofs, sizeof(l->proofs), l->bank, proof);
	}
}

static void
start_record(struct msg *m, enum verb kind)
{
	const struct id id = {{0}};

	msg_init(m, MSG_REQUEST, kind, "9223372036854775");
	msg_set_i64(m, KEY_time, 0);
	msg_set_u64(m, KEY_flushed, INT64_MAX);
	msg_set_id(m, KEY_id, &id);
}

static int64_t
record_octets(const struct msg *m)
{
	char line[LINE_MAX_LEN];
	size_t len = msg_encode_bare(m, line, sizeof(line));

	CHECK(len > 0);
	return (int64_t)len + SEQ_OCTETS + CHECK_OCTETS;
}

/* COMMIT and END together. */
static int64_t
decision_octets_max(const struct longest *l)
{
	const struct jpos far = {0, UINT32_MAX, UINT32_MAX};
	struct msg m;
	int64_t octets;

	start_record(&m, VERB_GATEWAY_JOURNAL_COMMIT);
	msg_set_str(&m, KEY_branches, str_from(l->branches));
	msg_set_str(&m, KEY_proofs, str_from(l->proofs));
	msg_set_jpos(&m, KEY_received, far);
	octets = record_octets(&m);
	start_record(&m, VERB_GATEWAY_JOURNAL_END);
	msg_set_str(&m, KEY_proofs, str_from(l->proofs));
	return octets + record_octets(&m);
}

static int64_t
abort_octets_max(const struct longest *l)
{
	const struct jpos far = {0, UINT32_MAX, UINT32_MAX};
	size_t longest = 0;
	struct msg m;

	start_record(&m, VERB_GATEWAY_JOURNAL_ABORT);
	for (unsigned code = CODE_NONE + 1; code < CODE_COUNT; code++)
		if (strlen(code_text((enum code)code)) > longest) {
			longest = strlen(code_text((enum code)code));
			msg_set_u64(&m, KEY_reason, code);
		}
	msg_set_u64(&m, KEY_final, 1);
	msg_set_str(&m, KEY_user, str_from(l->user));
	msg_set_str(&m, KEY_bank, str_from(l->bank));
	msg_set_u64(&m, KEY_attempts, INT64_MAX);
	msg_set_jpos(&m, KEY_received, far);
	msg_set_jpos(&m, KEY_again, far);
	return record_octets(&m);
}

/* The node to blame for a key of a group, or the group, or the whole file. */
static const struct yaml_node *
blame(const struct yaml *yaml, const char *group, const char *key)
{
	const struct yaml_node *map = yaml_get(yaml_root(yaml), group), *node;

	if (map == NULL || map->kind != YAML_MAP)
		return yaml_root(yaml);
	node = yaml_get(map, key);
	return node != NULL ? node : map;
}

static int
check_reserve(
    struct config *c, const struct yaml *yaml, struct yaml_error *error)
{
	struct longest longest;
	int64_t in_flight, held;

	make_longest(&longest, c->node);
	in_flight = c->in_flight * decision_octets_max(&longest);
	held = c->held_max * abort_octets_max(&longest);
	c->reserve_octets = in_flight + held;
	/* A segment also holds its own first record. */
	if (c->reserve_octets <= c->journal_segment - LINE_MAX_LEN)
		return 0;
	return yaml_fail(yaml, blame(yaml, "payments", "in_flight"), error,
	    "%lld payments in flight may need %lld octets of journal and %lld "
	    "held ones %lld, together more than a segment of %lld: raise "
	    "journal.segment, or lower payments.in_flight or "
	    "payments.held_max",
	    (long long)c->in_flight, (long long)in_flight,
	    (long long)c->held_max, (long long)held,
	    (long long)c->journal_segment);
}

/* What no row alone can check. */
static int
check_together(
    struct config *c, const struct yaml *yaml, struct yaml_error *error)
{
	if (check_reserve(c, yaml, error) < 0)
		return -1;
	if (c->token_keys.count > 0 && c->token_secret != NULL)
		return yaml_fail(yaml, blame(yaml, "sessions", "token_secret"),
		    error,
		    "\"sessions.token_secret\" takes the place of "
		    "\"sessions.token_keys\": only one of them can be given");
	if (strlen(c->control) > CONTROL_PATH_MAX)
		return yaml_fail(yaml, yaml_get(yaml_root(yaml), "control"),
		    error, "\"control\": a socket's path is at most %zu octets",
		    CONTROL_PATH_MAX);
	CHECK(log_level_from(str_from(c->log_word), &c->log_level));
	return 0;
}

int
config_read(struct config *c, const char *path, struct yaml_error *error)
{
	struct yaml *yaml;
	int result = -1;

	memset(c, 0, sizeof(*c));
	if (yaml_open(&yaml, path, error) < 0)
		return -1;
	if (yaml_rows(yaml, yaml_root(yaml), rows, ROWS, c, error) == 0) {
		result = check_together(c, yaml, error);
		if (result < 0)
			config_free(c);
	}
	yaml_close(yaml);
	return result;
}

void
config_free(struct config *c)
{
	yaml_rows_free(rows, ROWS, c);
}
