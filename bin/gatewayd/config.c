#include "config.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "wire/jti.h"

static const char *
check_node(struct str value)
{
	return name_valid(value) ? NULL
				 : "a node is 1 to 64 of A-Z a-z 0-9 . _ and -";
}

#define AT(member) offsetof(struct config, member)
static const struct yaml_row rows[] = {
    {"node", YAML_TEXT, AT(node), 1, NODE_MAX_LEN, NULL, check_node},
    {"listen.clients", YAML_TEXT, AT(listen_clients), 1, ADDRESS_SIZE - 1,
	"127.0.0.1:7440", settings_check_address},
    {"listen.banks", YAML_TEXT, AT(listen_banks), 1, ADDRESS_SIZE - 1,
	"127.0.0.1:7441", settings_check_address},
    {"payments.prepare_timeout", YAML_DURATION, AT(prepare_timeout_ns),
	100 * NS_PER_MS, 10 * MINUTE_NS, "5s", NULL},
    {"payments.held_expiry", YAML_DURATION, AT(held_expiry_ns), NS_PER_S,
	8784 * HOUR_NS, "24h", NULL},
    {"payments.per_bank", YAML_INTEGER, AT(per_bank), 1, 1048576, "16384",
	NULL},
    {"payments.per_user", YAML_INTEGER, AT(per_user), 1, 1048576, "16384",
	NULL},
    {"payments.held_max", YAML_INTEGER, AT(held_max), 1, 1048576, "65536",
	NULL},
    {"sessions.users", YAML_FILE, AT(users), 1, PATH_MAX, NULL, NULL},
    {"sessions.token_keys", YAML_FILE_LIST, AT(token_keys), 1, 16, "~", NULL},
    {"sessions.token_secret", YAML_FILE, AT(token_secret), 1, PATH_MAX, "~",
	NULL},
    {"sessions.token_lifetime", YAML_DURATION, AT(token_lifetime_ns), NS_PER_S,
	TOKEN_LIFETIME_MAX_S *NS_PER_S, "5m", NULL},
    {"sessions.revoked", YAML_INTEGER, AT(revoked), 1, 1048576, "65536", NULL},
    {"sessions.login_burst", YAML_INTEGER, AT(login_burst), 1, 1000, "5", NULL},
    {"limits.connections", YAML_INTEGER, AT(connections), 1, 1048576, "10000",
	NULL},
    {"limits.per_certificate", YAML_INTEGER, AT(per_certificate), 1, 1048576,
	"9000", NULL},
    {"limits.handshakes", YAML_INTEGER, AT(handshakes), 1, 4096, "64", NULL},
    {"limits.banks", YAML_INTEGER, AT(banks), 1, 4096, "256", NULL},
};
#undef AT

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
	msg_set_u64(&m, KEY_attempts, INT64_MAX);
	msg_set_jpos(&m, KEY_received, far);
	msg_set_jpos(&m, KEY_again, far);
	octets = settings_record_octets(&m);
	start_record(&m, VERB_GATEWAY_JOURNAL_END);
	msg_set_str(&m, KEY_proofs, str_from(l->proofs));
	msg_set_jpos(&m, KEY_again, far);
	return octets + settings_record_octets(&m);
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
	return settings_record_octets(&m);
}

static int
check_reserve(
    struct config *config, const struct yaml *yaml, struct yaml_error *error)
{
	struct settings *c = &config->settings;
	struct longest longest;
	int64_t in_flight, held;

	make_longest(&longest, config->node);
	in_flight = c->in_flight * decision_octets_max(&longest);
	held = config->held_max * abort_octets_max(&longest);
	c->reserve_octets = in_flight + held;
	if (c->reserve_octets <= settings_reserve_max(c))
		return 0;
	return yaml_fail(yaml, settings_blame(yaml, "payments", "in_flight"),
	    error,
	    "%lld payments in flight may need %lld octets of journal and %lld "
	    "held ones %lld, together more than a segment of %lld: raise "
	    "journal.segment, or lower payments.in_flight or "
	    "payments.held_max",
	    (long long)c->in_flight, (long long)in_flight,
	    (long long)config->held_max, (long long)held,
	    (long long)c->journal_segment);
}

/* What no row alone can check. */
static int
check_together(void *config, const struct yaml *yaml, struct yaml_error *error)
{
	struct config *c = config;

	if (check_reserve(c, yaml, error) < 0)
		return -1;
	if (c->token_keys.count > 0 && c->token_secret != NULL)
		return yaml_fail(yaml,
		    settings_blame(yaml, "sessions", "token_secret"), error,
		    "\"sessions.token_secret\" takes the place of "
		    "\"sessions.token_keys\": only one of them can be given");
	return 0;
}

static const struct settings_table table = {
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check_together,
};

int
config_read(struct config *c, const char *path, struct yaml_error *error)
{
	memset(c, 0, sizeof(*c));
	return settings_read(c, &table, path, error);
}

void
config_free(struct config *c)
{
	settings_free(c, &table);
}
