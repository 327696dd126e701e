/*
 * What the modules of lib/wire share among themselves: classes of octets, the
 * look-up of names, and the types of values. Nobody else includes this.
 */
#ifndef STRIFE_WIRE_INTERNAL_H
#define STRIFE_WIRE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

/* ---- octet.c: what the grammar allows where ---- */
#define OCTET_PLAIN 0x01 /* stands for itself in a value */
#define OCTET_TAG 0x02
#define OCTET_UPPER 0x04 /* in a verb, a reply's word, a code */
#define OCTET_KEY 0x08
#define OCTET_NAME 0x10
#define OCTET_BANK 0x20
#define OCTET_WORD 0x40 /* TYPE_WORD */
#define OCTET_HEX 0x80  /* of an escape: upper case only */
extern const uint8_t octet_class[256];

static inline bool
octet_is(char c, uint8_t octet_class_bits)
{
	return (octet_class[(unsigned char)c] & octet_class_bits) != 0;
}
/* Are all octets of this class? True of no octets. */
static inline bool
octets_are(struct str text, uint8_t octet_class_bits)
{
	for (uint32_t i = 0; i < text.len; i++)
		if (!octet_is(text.at[i], octet_class_bits))
			return false;
	return true;
}

/* ---- number.c: decimal, without sign or leading zeros ---- */
#define NUMBER_TEXT_MAX 20
bool number_read(uint64_t *, struct str text);
/* Writes no NUL; returns the end, or NULL where it does not fit. */
char *number_write(char *at, const char *end, uint64_t number);

/* ---- verbs.c ---- */
enum key key_find(struct str name); /* KEY_COUNT: not a key we know */
struct str key_lead(enum key);      /* " amount=" */
struct str verb_word(enum verb);    /* empty for VERB_UNKNOWN */
/* NULL where no schema fits: a verb's row, or anything of VERB_UNKNOWN's. */
const struct schema *verb_schema(enum verb, enum msg_word);

/* ---- line.c ---- */
/* Reads a tag as far as one stands there; else it is "0". */
void line_read_tag(struct line *, struct str text);

/* ---- id_make.c ---- */
/* UUIDv5 of the parts, one after another, in that namespace. */
struct id
id_named(const struct id *space, const struct str *parts, size_t count);

/* ---- value.c ---- */
bool value_read(struct value *, enum type, struct str text);
/* As number_write; NULL too where the value is not legal for its type. */
char *value_write(char *at, const char *end, enum type, const struct value *);
/* What is legal, for people: "1 to 500". */
const char *value_legal(enum type);

#endif
