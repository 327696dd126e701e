/*
 * A client of a daemon's control socket (PROTOCOL.md section 8,
 * strife-protocol(7)): no HELLO, no login, requests in a row and their replies.
 * Blocks; gives up when nothing has moved for `silence_ns`. Never exits, prints
 * nothing: control_why tells what was wrong.
 */
#ifndef STRIFE_CLIENT_CONTROL_H
#define STRIFE_CLIENT_CONTROL_H

#include <stdint.h>
#include <sys/un.h>

#include "wire/msg.h"

/* A socket's path must fit sockaddr_un, NUL included. */
#define CONTROL_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
/* How many requests are unanswered at most. */
#define CONTROL_WINDOW 64

struct control;

enum control_end {
	CONTROL_OK,
	CONTROL_ABSENT, /* nobody listens at the path */
	CONTROL_DENIED, /* the file modes keep us out */
	CONTROL_LOST,   /* closed before all was answered */
	CONTROL_SILENT, /* nothing moved for silence_ns */
	CONTROL_BROKEN, /* the daemon broke the protocol */
	CONTROL_ERROR,  /* a system call failed here, or memory is short */
};

struct control *control_new(int64_t silence_ns); /* NULL: ENOMEM */
void control_free(struct control *);
/* Once per control. path has at most CONTROL_PATH_MAX octets. */
enum control_end control_connect(struct control *, const char *path);
/* Why the last call did not end with CONTROL_OK, in words. */
const char *control_why(const struct control *);

/*
 * `count` requests of one verb, sent in order, as many at once as the window
 * allows. request fills the fields of a msg that is initialised already; they
 * must be legal, and are borrowed until it returns the next time. reply gets
 * every ROW and the final OK or ERR of each, which it borrows while it runs.
 */
struct control_work {
	uint32_t count;
	void (*request)(void *ctx, uint32_t index, struct msg *);
	void (*reply)(void *ctx, uint32_t index, const struct msg *);
	void *ctx;
};
/*
 * CONTROL_OK when all are answered. After anything else the connection is of
 * no more use, and what was sent and not answered may or may not be done.
 */
enum control_end
control_run(struct control *, enum verb, const struct control_work *);

#endif
