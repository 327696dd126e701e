#include "base/nearest.h"

/* Longer words are not looked at, so that rows have a fixed size. */
#define NEAREST_WORD_MAX 128

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Edit distance with transpositions of neighbours (Damerau 1964, in the
 * restricted form of optimal string alignment).
 */
static size_t
distance(struct str a, struct str b)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b.len; j++)
		above[j] = j;
	memset(rows[0], 0, sizeof(rows[0]));
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = a.at[i - 1] == b.at[j - 1];

			row[j] = least(least(above[j] + 1, row[j - 1] + 1),
			    above[j - 1] + (same ? 0 : 1));
			if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
			    a.at[i - 2] == b.at[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b.len];
}

const char *
nearest_word(struct str word, const char *const *candidates, size_t count)
{
	const char *nearest = NULL;
	/* A short word must be almost right to be recognised. */
	size_t far = 2 + word.len / 4;

	if (word.len > NEAREST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct str candidate = str_from(candidates[i]);
		size_t d;

		if (candidate.len > NEAREST_WORD_MAX)
			continue;
		d = distance(word, candidate);
		/* Where every letter differs nothing was meant alike. */
		if (d < far && d < candidate.len) {
			far = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}
