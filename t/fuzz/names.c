/*
 * Accounts, ids, branches, session numbers, addresses, hexadecimal, tags: one
 * text is tried as each of them. What is read prints as it was.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "auth/rights.h"
#include "base/address.h"
#include "base/hex.h"
#include "client/ids.h"
#include "wire/jti.h"
#include "wire/msg.h"
#include "wire/tag.h"

#define HEX_OCTETS_MAX 64

static void
check_account(struct str text)
{
	struct account account;

	if (!account_parse(&account, text)) {
		CHECK(!name_valid(text) || !rights_pattern_valid(text));
		return;
	}
	CHECK(name_valid(account.name) && bank_valid(account.bank));
	CHECK(account.name.len + 1 + account.bank.len == text.len);
	CHECK(account.name.at == text.at);
	CHECK(text.at[account.name.len] == '@');
	CHECK(account_eq(account, account));
	CHECK(!name_valid(text) && !bank_valid(text));
	/* A pattern without a star covers that account alone. */
	CHECK(rights_pattern_valid(text));
}

static void
check_names(struct str text)
{
	CHECK(!(name_valid(text) && system_name_valid(text)));
	if (name_valid(text))
		CHECK(text.len >= 1 && text.len <= NAME_MAX_LEN);
	if (bank_valid(text))
		CHECK(text.len <= BANK_MAX_LEN && name_valid(text));
	if (system_name_valid(text))
		CHECK(text.len <= SYSTEM_NAME_MAX_LEN && text.at[0] == ':');
}

static void
check_ids(struct str text)
{
	char again[ID_TEXT_LEN + 1];
	struct id id, any;

	if (id_parse(&id, text)) {
		id_text(&id, again);
		CHECK(str_is(text, again));
		CHECK(ids_parse(&any, text) == !id_is_nil(&id));
	}
	if (ids_parse(&any, text)) {
		CHECK(!id_is_nil(&any) && text.len == ID_TEXT_LEN);
		id_text(&any, again);
		CHECK(id_parse(&id, str_from(again)) && id_eq(&id, &any));
	}
	if (ids_parse_field(&any, text, STR("alice")) == NULL)
		CHECK(!id_is_nil(&any));
}

static void
check_numbers(struct str text)
{
	char again[BRANCH_TEXT_MAX + 1];
	char of_jti[JTI_TEXT_MAX + 1];
	struct branch branch, newer;
	struct jti jti;

	if (branch_parse(&branch, text)) {
		CHECK(branch_text(&branch, again) == text.len);
		CHECK(str_is(text, again));
		newer = branch;
		newer.counter++;
		CHECK(newer.counter == 0 || branch_older(&branch, &newer));
		CHECK(branch_eq(&branch, &branch));
	}
	if (jti_parse(&jti, text)) {
		jti_text(jti, of_jti);
		CHECK(str_is(text, of_jti));
		CHECK(jti_eq(jti, jti) && !jti_newer(jti, jti));
	}
}

static void
check_hex(struct str text)
{
	uint8_t octets[HEX_OCTETS_MAX];
	char again[2 * HEX_OCTETS_MAX];

	if (text.len > sizeof(again) || !hex_read(octets, text.len / 2, text))
		return;
	hex_write(again, octets, text.len / 2);
	CHECK(str_eq(text, (struct str){again, text.len}));
}

/* What is configured as text ends with a NUL. */
static void
check_terminated(struct str text)
{
	char copy[ADDRESS_SIZE + 8], again[ADDRESS_SIZE + 8];
	struct address a, b;
	uint64_t number;

	if (!str_copy(copy, sizeof(copy), text))
		return;
	if (strlen(copy) <= TAG_MAX_LEN) {
		(void)tag_verb(SIDE_DOWN, copy);
		if (tag_number(copy, &number))
			CHECK(number == strtoull(copy + 1, NULL, 10));
	}
	if (address_parse(&a, copy) != 0)
		return;
	(void)snprintf(again, sizeof(again),
	    strchr(a.host, ':') != NULL ? "[%s]:%s" : "%s:%s", a.host, a.port);
	CHECK(address_parse(&b, again) == 0);
	CHECK(strcmp(a.host, b.host) == 0 && strcmp(a.port, b.port) == 0);
	CHECK(strtoul(a.port, NULL, 10) <= 65535);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str text = fuzz_text(octets, len);

	if (len == 0)
		return 0;
	check_account(text);
	check_names(text);
	check_ids(text);
	check_numbers(text);
	check_hex(text);
	check_terminated(text);
	return 0;
}
