/*
 * Reading lines from a person, while the event loop goes on.
 *
 * On a terminal: a minimal line editor, in non-canonical mode while a line is
 * being typed and only then, so that something can be announced above the line
 * and the line redrawn. UTF-8; the arrow keys, Home, End, Delete, and what the
 * shells do for Ctrl-A B D E F H K L U W. Elsewhere (a pipe, TERM=dumb): plain
 * lines, as they come.
 *
 * The terminal is given back as it was found: after each line, on Ctrl-Z until
 * the program goes on, at exit(3), and on SIGABRT. There is one terminal a
 * process, so there is one editor.
 */
#ifndef STRIFE_PAY_EDITOR_H
#define STRIFE_PAY_EDITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

#define EDITOR_LINE_MAX 1024 /* octets of a line, and its NUL */

struct editor;

enum editor_event {
	EDITOR_LINE,      /* a line, without its line feed */
	EDITOR_INTERRUPT, /* editor_interrupt: the line is given up */
	EDITOR_END,       /* the input's end, or Ctrl-D on an empty line */
};

/*
 * plain: no line editing on a terminal either. turned is called after each turn
 * of the loop while a line is waited for. 0, or -1 with errno.
 */
int editor_new(struct editor **, struct loop *, bool plain,
    void (*turned)(void *ctx), void *ctx);
void editor_free(struct editor *);

/*
 * Reads one line into `into`, at least EDITOR_LINE_MAX octets. What is typed
 * beyond, and what is no text, is refused with a bell; a plain line that is too
 * long or no UTF-8 is refused with a word, and asked for again. hidden: it is
 * not shown. Standard output is flushed first.
 */
enum editor_event editor_read(struct editor *, const char *prompt, bool hidden,
    char into[EDITOR_LINE_MAX]);
/* Is a line being typed on a terminal? */
bool editor_reading(const struct editor *);

/*
 * One line on standard output: above a line that is being typed, which stays
 * as it is. Where the editor cannot see what is typed (TERM=dumb), it waits
 * for the next prompt.
 */
void editor_announce(struct editor *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For the callbacks of signals. */
void editor_interrupt(struct editor *); /* the line is given up */
void editor_end(struct editor *);       /* as at the input's end, for good */
void editor_suspend(struct editor *);   /* SIGTSTP: stops the program */
void editor_redraw(struct editor *);    /* SIGCONT, SIGWINCH */

#endif
