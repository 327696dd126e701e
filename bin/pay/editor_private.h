/* The two halves of the editor: keys and the screen. */
#ifndef STRIFE_PAY_EDITOR_PRIVATE_H
#define STRIFE_PAY_EDITOR_PRIVATE_H

#include "editor.h"

/* A line that is being typed, and where its cursor is: octets of UTF-8. */
struct typed {
	char text[EDITOR_LINE_MAX];
	size_t len, cursor;
	/* A key of several octets that has not come whole. */
	char pending[8];
	size_t pending_len;
	bool refused; /* the last key: the bell */
};

enum typed_key {
	TYPED_MORE,  /* go on */
	TYPED_ENTER, /* the line is complete */
	TYPED_END,   /* Ctrl-D on an empty line */
	TYPED_CLEAR, /* Ctrl-L: the screen */
};

/* Wipes it: it may have held a password. */
void typed_clear(struct typed *);
/* One octet from the terminal. */
enum typed_key typed_octet(struct typed *, char octet);

/*
 * The escape sequences that draw prompt and line on one row of `columns`; a
 * longer one is scrolled so that the cursor is seen. Returns the length.
 */
#define SCREEN_MAX (2 * EDITOR_LINE_MAX + 256)
size_t screen_draw(const char *prompt, const struct typed *, bool hidden,
    size_t columns, char into[SCREEN_MAX]);

#endif
