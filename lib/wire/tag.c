#include "wire/tag.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct {
	char letter;
	enum verb verb;
} letters[] = {
    {'p', VERB_DOWN_PREPARE},
    {'c', VERB_DOWN_COMMIT},
    {'a', VERB_DOWN_ABORT},
    {'b', VERB_DOWN_BALANCE},
    {'h', VERB_DOWN_HISTORY},
    {'u', VERB_DOWN_AUTHENTICATE},
    {'g', VERB_DOWN_PING},
    {'i', VERB_UP_HELLO},
    {'j', VERB_UP_REGISTER},
    {'r', VERB_UP_RESOLVE},
    {'k', VERB_UP_PING},
};

/* Fifteen digits beside the letter: more than any connection will ever send. */
#define NUMBER_MAX UINT64_C(999999999999999)

void
tag_make(char tag[TAG_MAX_LEN + 1], enum verb verb, uint64_t number)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].verb == verb) {
			snprintf(tag, TAG_MAX_LEN + 1, "%c%llu",
			    letters[i].letter,
			    (unsigned long long)(number % (NUMBER_MAX + 1)));
			return;
		}
	CHECK_UNREACHABLE("a verb of the bank link");
}

enum verb
tag_verb(enum side side, const char *tag)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].letter == tag[0] &&
		    verb_info(letters[i].verb)->side == side)
			return letters[i].verb;
	return VERB_UNKNOWN;
}

bool
tag_number(const char *tag, uint64_t *number)
{
	uint64_t n = 0;

	if (tag[0] == '\0' || tag[1] == '\0' || strlen(tag) > TAG_MAX_LEN)
		return false;
	for (const char *p = tag + 1; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || (n == 0 && p != tag + 1))
			return false;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	*number = n;
	return true;
}
