/*
 * What audit and explain share: amounts and lists of records in words, and
 * memory that grows. Out of memory ends the program (EXIT_OSERR).
 */
#ifndef STRIFE_JOURNAL_WORDS_H
#define STRIFE_JOURNAL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/msg.h"

/* "12.50 CZK"; by value, so that one line can hold several. */
struct money_words {
	char text[48];
};
struct money_words money_words(__int128 minor, uint32_t currency);

/* Takes the next HEAD:REST off a comma list: false at its end. */
bool list_next(struct str *list, struct str *head, struct str *rest);
/* SEQ:CHECK */
bool proof_read(struct str text, uint64_t *seq, struct check *);

/* A growing array: makes room for one more and returns it, zeroed. */
void *array_add(void **at, uint32_t *count, uint32_t *room, size_t size);
/* Never NULL; the caller frees it. */
char *text_keep(struct str);
void out_of_memory(void) __attribute__((noreturn));

#endif
