/*
 * Tags of requests that a core sends over the bank link: a letter for the verb,
 * then a number in decimal, so that a reply can be typed before it is matched.
 * A peer may answer with any tag: the core compares everything again. Pure.
 */
#ifndef STRIFE_WIRE_TAG_H
#define STRIFE_WIRE_TAG_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/msg.h"

/* verb is one of SIDE_UP or SIDE_DOWN. */
void tag_make(char tag[TAG_MAX_LEN + 1], enum verb verb, uint64_t number);
/* The verb that a reply's tag answers, VERB_UNKNOWN if it is none of ours. */
enum verb tag_verb(enum side side, const char *tag);
/* The number; false where the tag is not of that form. */
bool tag_number(const char *tag, uint64_t *number);

#endif
