#include "config.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

static const char *
check_bank(struct str value)
{
	return bank_valid(value)
	    ? NULL
	    : "a bank is 1 to 32 of A-Z a-z 0-9 and -, starting with a letter";
}

static const char *
check_gateway(struct str value)
{
	const char *wrong = settings_check_address(value);

	if (wrong != NULL)
		return wrong;
	return value.len >= 2 && memcmp(value.at + value.len - 2, ":0", 2) == 0
	    ? "a gateway's port is from 1 to 65535"
	    : NULL;
}

#define AT(member) offsetof(struct config, member)
static const struct yaml_row rows[] = {
    {"bank", YAML_TEXT, AT(bank), 1, BANK_MAX_LEN, NULL, check_bank},
    {"gateways", YAML_TEXT_LIST, AT(gateways), 1, 16, NULL, check_gateway},
    {"limits.accounts", YAML_INTEGER, AT(accounts_max), 16, 16777216, "1048576",
	NULL},
    {"limits.output", YAML_SIZE, AT(output_octets), MIB, 2 * GIB - 1, "64MiB",
	NULL},
    {"limits.gateways", YAML_INTEGER, AT(gateways_max), 1, 4096, "64", NULL},
    {"limits.queries", YAML_INTEGER, AT(queries_max), 1, 65536, "256", NULL},
    {"limits.logins", YAML_INTEGER, AT(logins_max), 1, 65536, "256", NULL},
    {"limits.connections", YAML_INTEGER, AT(tellers_max), 1, 1048576, "16",
	NULL},
    {"limits.handshakes", YAML_INTEGER, AT(handshakes), 1, 4096, "64", NULL},
    {"accounts", YAML_FILE, AT(accounts), 1, PATH_MAX, "~", NULL},
    {"customers", YAML_FILE, AT(customers), 1, PATH_MAX, "~", NULL},
    {"resolve", YAML_DURATION, AT(resolve_ns), 100 * NS_PER_MS, HOUR_NS, "2s",
	NULL},
};
#undef AT

/*
 * The longest COMMITTED that can be, found by encoding one whose every field is
 * at its largest: so the reserve follows the schema, not a number beside it.
 */
static int64_t
committed_octets_max(void)
{
	char name[NAME_MAX_LEN], bank[BANK_MAX_LEN], memo[MEMO_MAX_LEN];
	char peer[ACCOUNT_MAX_LEN];
	const struct jpos far = {0, UINT32_MAX, UINT32_MAX};
	const struct check check = {{0}};
	const struct id id = {{0}};
	struct str longest = {name, sizeof(name)};
	struct msg m;

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
	return settings_record_octets(&m);
}

/* What no row alone can check. */
static int
check_together(void *config, const struct yaml *yaml, struct yaml_error *error)
{
	struct settings *c = &((struct config *)config)->settings;
	int64_t each = committed_octets_max(), max = settings_reserve_max(c);

	c->reserve_octets = c->in_flight * each;
	if (c->reserve_octets <= max)
		return 0;
	return yaml_fail(yaml, settings_blame(yaml, "payments", "in_flight"),
	    error,
	    "%lld payments in flight may need %lld octets of journal, more "
	    "than a segment of %lld: raise journal.segment, or lower "
	    "payments.in_flight to %lld",
	    (long long)c->in_flight, (long long)c->reserve_octets,
	    (long long)c->journal_segment, (long long)(max / each));
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
