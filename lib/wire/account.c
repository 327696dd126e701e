#include "wire/account.h"

#include "wire/internal.h"
#include "wire/money.h"

bool
name_valid(struct str text)
{
	return text.len >= 1 && text.len <= NAME_MAX_LEN &&
	    octets_are(text, OCTET_NAME);
}

bool
bank_valid(struct str text)
{
	/* A bank's octets that a tag may hold too are letters and digits. */
	return text.len >= 1 && text.len <= BANK_MAX_LEN &&
	    octet_is(text.at[0], OCTET_TAG) &&
	    !(text.at[0] >= '0' && text.at[0] <= '9') &&
	    octets_are(text, OCTET_BANK);
}

/* Takes `head` off the front of *text, if it stands there. */
static bool
skip(struct str *text, struct str head)
{
	if (text->len < head.len || memcmp(text->at, head.at, head.len) != 0)
		return false;
	text->at += head.len;
	text->len -= head.len;
	return true;
}

bool
system_name_valid(struct str text)
{
	struct str bank;
	uint32_t currency;

	if (skip(&text, STR(":equity.")) || skip(&text, STR(":suspense.")))
		return currency_parse(&currency, text);
	/* What follows the bank is a dot, which no bank has, and 3 letters. */
	if (!skip(&text, STR(":clearing.")) || text.len < 5)
		return false;
	bank = (struct str){text.at, text.len - 4};
	text = (struct str){text.at + bank.len, 4};
	return bank_valid(bank) && skip(&text, STR(".")) &&
	    currency_parse(&currency, text);
}

bool
account_parse(struct account *account, struct str text)
{
	const char *sign;
	struct account parsed;

	if (text.len == 0 || text.len > ACCOUNT_MAX_LEN)
		return false;
	sign = memchr(text.at, '@', text.len);
	if (sign == NULL)
		return false;
	parsed.name = (struct str){text.at, (uint32_t)(sign - text.at)};
	parsed.bank = (struct str){sign + 1, text.len - parsed.name.len - 1};
	if (!name_valid(parsed.name) || !bank_valid(parsed.bank))
		return false;
	*account = parsed;
	return true;
}

bool
account_eq(struct account a, struct account b)
{
	return str_eq(a.name, b.name) && str_eq(a.bank, b.bank);
}
