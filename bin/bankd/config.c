#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
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

static const char *
check_bank(struct str value)
{
	return bank_valid(value)
	    ? NULL
	    : "a bank is 1 to 32 of A-Z a-z 0-9 and -, starting with a letter";
}

static const char *
check_address(struct str value)
{
	char text[ADDRESS_SIZE];
	struct address address;

	if (!str_copy(text, sizeof(text), value) ||
	    address_parse(&address, text) < 0)
		return "an address is HOST:PORT, or [IPV6]:PORT";
	return strcmp(address.port, "0") == 0
	    ? "a gateway's port is from 1 to 65535"
	    : NULL;
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
    {"bank", YAML_TEXT, AT(bank), 1, BANK_MAX_LEN, NULL, check_bank},
    {"gateways", YAML_TEXT_LIST, AT(gateways), 1, 16, NULL, check_address},
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
    {"limits.accounts", YAML_INTEGER, AT(accounts_max), 16, 16777216, "1048576",
	NULL},
    {"limits.window", YAML_INTEGER, AT(window), 1, 65536, "1024", NULL},
    {"limits.handshake", YAML_DURATION, AT(handshake_ns), 100 * NS_PER_MS,
	MINUTE_NS, "5s", NULL},
    {"limits.heartbeat", YAML_DURATION, AT(heartbeat_ns), 100 * NS_PER_MS,
	HOUR_NS, "5s", NULL},
    {"limits.output", YAML_SIZE, AT(output_octets), MIB, 2 * GIB - 1, "64MiB",
	NULL},
    {"limits.gateways", YAML_INTEGER, AT(gateways_max), 1, 4096, "64", NULL},
    {"limits.queries", YAML_INTEGER, AT(queries_max), 1, 65536, "256", NULL},
    {"limits.logins", YAML_INTEGER, AT(logins_max), 1, 65536, "256", NULL},
    {"limits.tellers", YAML_INTEGER, AT(tellers_max), 1, 1024, "16", NULL},
    {"limits.idle", YAML_DURATION, AT(idle_ns), NS_PER_S, 24 * HOUR_NS, "10m",
	NULL},
    {"accounts", YAML_FILE, AT(accounts), 1, PATH_MAX, "~", NULL},
    {"customers", YAML_FILE, AT(customers), 1, PATH_MAX, "~", NULL},
    {"control", YAML_FILE, AT(control), 1, PATH_MAX, NULL, NULL},
    {"resolve", YAML_DURATION, AT(resolve_ns), 100 * NS_PER_MS, HOUR_NS, "2s",
	NULL},
    {"log.level", YAML_TEXT, AT(log_word), 1, 16, "info", check_level},
};
#undef AT
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/*
 * The longest COMMITTED that can be, found by encoding one whose every field is
 * at its largest: so the reserve follows the schema, not a number beside it.
 */
static int64_t
committed_octets_max(void)
{
	char name[NAME_MAX_LEN], bank[BANK_MAX_LEN], memo[MEMO_MAX_LEN];
	char peer[ACCOUNT_MAX_LEN], line[LINE_MAX_LEN];
	const struct jpos far = {0, UINT32_MAX, UINT32_MAX};
	const struct check check = {{0}};
	const struct id id = {{0}};
	struct str longest = {name, sizeof(name)};
	struct msg m;
	size_t len;

	memset(name, 'n', sizeof(name));
	memset(bank, 'b', sizeof(bank));
	memset(memo, '%', sizeof(memo));
	memcpy(peer, name, sizeof(name));
	peer[sizeof(name)] = '@';
	memcpy(peer + sizeof(name) + 1, bank, sizeof(bank));
	msg_init(
	    &m, MSG_REQUEST, VERB_BANK_JOURNAL_COMMITTED, "9223372036854775");
	msg_set_i64(&m, KEY_time, 0);
	msg_set_u64(&m, KEY_flushed, INT64_MAX);
	msg_set_id(&m, KEY_id, &id);
	msg_set_branch(
	    &m, KEY_branch, (struct branch){longest, INT64_MAX, INT64_MAX});
	msg_set_str(&m, KEY_from, longest);
	msg_set_str(&m, KEY_to, longest);
	msg_set_i64(&m, KEY_amount, INT64_C(1000000000000000));
	msg_set_u64(&m, KEY_currency, 'C' << 16 | 'Z' << 8 | 'K');
	msg_set_str(&m, KEY_peer, (struct str){peer, sizeof(peer)});
	msg_set_str(&m, KEY_memo, (struct str){memo, sizeof(memo)});
	msg_set_i64(&m, KEY_from_balance, -INT64_C(1000000000000000000));
	msg_set_i64(&m, KEY_to_balance, -INT64_C(1000000000000000000));
	msg_set_jpos(&m, KEY_from_prev, far);
	msg_set_jpos(&m, KEY_to_prev, far);
	msg_set_u64(&m, KEY_gateway_seq, INT64_MAX);
	msg_set_check(&m, KEY_gateway_check, &check);
	msg_set_jpos(&m, KEY_again, far);
	len = msg_encode_bare(&m, line, sizeof(line));
	CHECK(len > 0);
	/* A tag is 16 digits at most, a seq 19. */
	return (int64_t)len + 3 + CHECK_OCTETS;
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

/* What no row alone can check. */
static int
check_together(
    struct config *c, const struct yaml *yaml, struct yaml_error *error)
{
	int64_t each = committed_octets_max();

	c->reserve_octets = c->in_flight * each;
	/* A segment also holds its own first record. */
	if (c->reserve_octets > c->journal_segment - LINE_MAX_LEN)
		return yaml_fail(yaml, blame(yaml, "payments", "in_flight"),
		    error,
		    "%lld payments in flight may need %lld octets of journal, "
		    "more than a segment of %lld: raise journal.segment, or "
		    "lower payments.in_flight to %lld",
		    (long long)c->in_flight, (long long)c->reserve_octets,
		    (long long)c->journal_segment,
		    (long long)((c->journal_segment - LINE_MAX_LEN) / each));
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
