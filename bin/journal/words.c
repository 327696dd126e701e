#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exitcode.h"
#include "base/hex.h"
#include "journal.h"
#include "wire/money.h"

void
out_of_memory(void)
{
	complain("out of memory");
	exit(EXIT_OSERR);
}

void *
array_add(void **at, uint32_t *count, uint32_t *room, size_t size)
{
	uint32_t more = *room == 0 ? 16 : *room * 2;
	void *grown;

	if (*count == *room) {
		grown = more < *room ? NULL : reallocarray(*at, more, size);
		if (grown == NULL)
			out_of_memory();
		*at = grown;
		*room = more;
	}
	return memset((char *)*at + (size_t)(*count)++ * size, 0, size);
}

char *
text_keep(struct str text)
{
	char *copy = strndup(text.at, text.len);

	if (copy == NULL)
		out_of_memory();
	return copy;
}

bool
list_next(struct str *list, struct str *head, struct str *rest)
{
	const char *comma, *colon;
	struct str item;

	if (list->len == 0)
		return false;
	comma = memchr(list->at, ',', list->len);
	item = *list;
	if (comma == NULL) {
		*list = STR_NONE;
	} else {
		item.len = (uint32_t)(comma - list->at);
		*list = (struct str){comma + 1, list->len - item.len - 1};
	}
	colon = memchr(item.at, ':', item.len);
	if (colon == NULL)
		return false;
	*head = (struct str){item.at, (uint32_t)(colon - item.at)};
	*rest = (struct str){colon + 1, item.len - head->len - 1};
	return true;
}

bool
proof_read(struct str text, uint64_t *seq, struct check *check)
{
	const char *colon = memchr(text.at, ':', text.len);
	struct str digits = {text.at, 0};

	if (colon == NULL)
		return false;
	digits.len = (uint32_t)(colon - text.at);
	*seq = 0;
	for (uint32_t i = 0; i < digits.len; i++) {
		char digit = digits.at[i];

		if (digit < '0' || digit > '9' || *seq > UINT64_MAX / 10 - 1)
			return false;
		*seq = *seq * 10 + (uint64_t)(digit - '0');
	}
	return digits.len > 0 && *seq > 0 &&
	    hex_read(check->octets, sizeof(check->octets),
		(struct str){colon + 1, text.len - digits.len - 1});
}

struct money_words
money_words(__int128 minor, uint32_t currency)
{
	struct money_words words = {""};
	char letters[4], number[MONEY_TEXT_MAX];

	currency_text(currency, letters);
	if (minor > MONEY_BALANCE_MAX || minor < -MONEY_BALANCE_MAX)
		(void)snprintf(number, sizeof(number), "%s10^18 and more",
		    minor < 0 ? "-" : "");
	else
		(void)money_text((int64_t)minor, currency, number);
	(void)snprintf(
	    words.text, sizeof(words.text), "%s %s", number, letters);
	return words;
}
