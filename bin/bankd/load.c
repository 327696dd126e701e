#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "wire/money.h"

#define KEY_PREFIX "open:"
/* Accounts between two looks at whether a flush is due. */
#define BATCH 64
/* Currencies of one file: more than ISO 4217 has. */
#define CURRENCIES_MAX 256

struct openings {
	struct yaml *yaml; /* NULL: none were configured */
	uint32_t count;
	struct ledger_opening *at;
	const struct yaml_node **nodes; /* where each stands in the file */
};

/* One entry as it stands in the file. */
struct entry {
	const struct yaml_node *currency, *balance, *overdraft;
};

static const struct yaml_row entry_rows[] = {
    {"currency", YAML_NODE, offsetof(struct entry, currency), 0, 0, NULL, NULL},
    {"balance", YAML_NODE, offsetof(struct entry, balance), 0, 0, "~", NULL},
    {"overdraft", YAML_NODE, offsetof(struct entry, overdraft), 0, 0, "~",
	NULL},
};

static const struct yaml_row file_rows[] = {
    {"accounts", YAML_NODE, 0, 0, 0, NULL, NULL},
};

/* Opening balances so far, by currency: the equity account mirrors them. */
struct sums {
	uint32_t count;
	struct {
		uint32_t currency;
		int64_t sum;
	} at[CURRENCIES_MAX];
};

static bool
sums_add(struct sums *sums, uint32_t currency, int64_t balance)
{
	uint32_t i = 0;

	while (i < sums->count && sums->at[i].currency != currency)
		i++;
	if (i == sums->count) {
		CHECK(sums->count < CURRENCIES_MAX);
		sums->at[i].currency = currency;
		sums->at[i].sum = 0;
		sums->count++;
	}
	return money_add(sums->at[i].sum, balance, &sums->at[i].sum);
}

/* A decimal amount in the account's currency; *minor stays 0 where absent. */
static int
read_money(const struct yaml *yaml, const struct yaml_node *node,
    uint32_t currency, int64_t *minor, struct yaml_error *error)
{
	char code[4];

	*minor = 0;
	if (node == NULL)
		return 0;
	if (node->kind != YAML_SCALAR)
		return yaml_fail(
		    yaml, node, error, "must be an amount, as in \"12.50\"");
	currency_text(currency, code);
	switch (money_parse(minor, node->text, currency)) {
	case MONEY_OK:
		if (*minor > MONEY_AMOUNT_MAX || *minor < -MONEY_AMOUNT_MAX)
			break;
		return 0;
	case MONEY_MALFORMED:
		return yaml_fail(yaml, node, error,
		    "\"%.*s\" is not an amount, as in \"12.50\"",
		    node->text.len < 60 ? (int)node->text.len : 60,
		    node->text.at);
	case MONEY_TOO_PRECISE:
		return yaml_fail(yaml, node, error,
		    "%s has %d decimals, not more", code,
		    currency_exponent(currency));
	case MONEY_RANGE:
		break;
	}
	return yaml_fail(yaml, node, error,
	    "an amount is at most 10^15 of the currency's smallest unit");
}

static int
read_entry(const struct yaml *yaml, const struct yaml_node *node,
    struct ledger_opening *opening, struct sums *sums, struct yaml_error *error)
{
	struct entry e;

	if (!name_valid(node->key))
		return yaml_fail(yaml, node, error,
		    "\"%.*s\" is not an account's name: 1 to %d of A-Z a-z 0-9 "
		    ". _ and -",
		    node->key.len < 80 ? (int)node->key.len : 80, node->key.at,
		    NAME_MAX_LEN);
	if (yaml_rows(yaml, node, entry_rows,
		sizeof(entry_rows) / sizeof(entry_rows[0]), &e, error) < 0)
		return -1;
	opening->name = node->key;
	if (e.currency->kind != YAML_SCALAR ||
	    !currency_parse(&opening->currency, e.currency->text))
		return yaml_fail(yaml, e.currency, error,
		    "not an ISO 4217 currency code, as in CZK");
	if (read_money(yaml, e.overdraft, opening->currency,
		&opening->overdraft, error) < 0 ||
	    read_money(yaml, e.balance, opening->currency, &opening->balance,
		error) < 0)
		return -1;
	if (opening->overdraft < 0)
		return yaml_fail(
		    yaml, e.overdraft, error, "an overdraft is not negative");
	if (opening->balance < -opening->overdraft)
		return yaml_fail(yaml, e.balance, error,
		    "the opening balance is below the overdraft");
	if (!sums_add(sums, opening->currency, opening->balance))
		return yaml_fail(yaml, e.balance, error,
		    "the opening balances of this currency add up to more than "
		    "10^18 of its smallest unit");
	return 0;
}

static struct id
opening_id(struct str bank, struct str name)
{
	char key[sizeof(KEY_PREFIX) + NAME_MAX_LEN];
	int len = snprintf(key, sizeof(key), KEY_PREFIX "%.*s", STR_ARG(name));

	CHECK(len > 0 && (size_t)len < sizeof(key));
	return id_from_key(bank, (struct str){key, (uint32_t)len});
}

static int
read_all(struct openings *o, const struct yaml_node *map, struct str bank,
    int64_t accounts_max, struct yaml_error *error)
{
	const struct yaml_node *node;
	struct sums sums = {0};

	o->at = calloc(map->count + 1, sizeof(*o->at));
	o->nodes = calloc(map->count + 1, sizeof(*o->nodes));
	if (o->at == NULL || o->nodes == NULL)
		return yaml_fail(o->yaml, map, error, "out of memory");
	for (node = map->first; node != NULL; node = node->next) {
		struct ledger_opening *opening = &o->at[o->count];

		if (read_entry(o->yaml, node, opening, &sums, error) < 0)
			return -1;
		opening->id = opening_id(bank, opening->name);
		o->nodes[o->count++] = node;
	}
	/* Each currency brings an equity account of the bank's own. */
	if (o->count + sums.count > accounts_max)
		return yaml_fail(o->yaml, map, error,
		    "%" PRIu32 " accounts in %" PRIu32 " currencies are more "
		    "than limits.accounts allows, %" PRId64,
		    o->count, sums.count, accounts_max);
	return 0;
}

static int
read_file(struct openings *o, struct str bank, int64_t accounts_max,
    struct yaml_error *error)
{
	const struct yaml_node *map = NULL;

	if (yaml_rows(o->yaml, yaml_root(o->yaml), file_rows, 1, &map, error) <
	    0)
		return -1;
	/* "accounts:" with nothing below it is an empty list of accounts. */
	if (map->kind == YAML_SCALAR && map->plain &&
	    (map->text.len == 0 || str_is(map->text, "~")))
		return 0;
	if (map->kind != YAML_MAP)
		return yaml_fail(o->yaml, map, error,
		    "must be a map, as in \"alice: {currency: CZK}\"");
	return read_all(o, map, bank, accounts_max, error);
}

int
openings_read(struct openings **out, const char *path, struct str bank,
    int64_t accounts_max, struct yaml_error *error)
{
	struct openings *o = calloc(1, sizeof(*o));

	*out = NULL;
	if (o == NULL) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return -1;
	}
	if (path != NULL &&
	    (yaml_open(&o->yaml, path, error) < 0 ||
		read_file(o, bank, accounts_max, error) < 0)) {
		openings_free(o);
		return -1;
	}
	*out = o;
	return 0;
}

void
openings_free(struct openings *o)
{
	if (o == NULL)
		return;
	free(o->at);
	free(o->nodes);
	yaml_close(o->yaml);
	free(o);
}

uint32_t
openings_count(const struct openings *o)
{
	return o->count;
}

static int
refuse(const struct openings *o, uint32_t index, enum code code,
    struct yaml_error *error)
{
	const char *why = code_words(code);

	if (code == CODE_ID_REUSED || code == CODE_CURRENCY_MISMATCH)
		why = "the journal has it with another currency or opening "
		      "balance; the file must stay as it was until all its "
		      "accounts are loaded";
	if (code == CODE_LIMIT_EXCEEDED || code == CODE_OVERLOADED)
		why = "no room for it: raise limits.accounts or "
		      "payments.remembered";
	return yaml_fail(o->yaml, o->nodes[index], error,
	    "cannot open account \"%.*s\": %s", STR_ARG(o->at[index].name),
	    why);
}

int
openings_load(const struct openings *o, struct ledger *ledger,
    struct turn *turn, struct journal *journal, struct yaml_error *error)
{
	struct actions actions;

	for (uint32_t i = 0; i < o->count; i++) {
		enum code code;

		actions.count = 0;
		code = ledger_load(ledger, &o->at[i], &actions);
		if (code != CODE_NONE)
			return refuse(o, i, code, error);
		turn_carry(turn, &actions);
		if (i % BATCH == BATCH - 1)
			turn_end(turn);
	}
	actions.count = 0;
	ledger_load_done(ledger, o->count, &actions);
	turn_carry(turn, &actions);
	while (journal_dirty(journal))
		turn_end(turn);
	return 0;
}
