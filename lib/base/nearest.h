/* Which of the known words may have been meant. Pure. */
#ifndef STRIFE_BASE_NEAREST_H
#define STRIFE_BASE_NEAREST_H

#include <stddef.h>

#include "base/str.h"

/*
 * The candidate with the smallest edit distance to word, NULL where none is
 * near. Distances are Damerau's (1964), with transpositions of neighbours, in
 * the restricted form of optimal string alignment.
 */
const char *
nearest_word(struct str word, const char *const *candidates, size_t count);

#endif
