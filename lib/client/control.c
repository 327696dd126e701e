#include "client/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "wire/reader.h"

#define IN_OCTETS (16 * LINE_MAX_LEN)

struct control {
	int fd; /* -1: not connected */
	int64_t silence_ns, moved_ns;
	struct line_reader reader;
	size_t in_len;
	char in[IN_OCTETS];
	struct buffer out;
	/* A request's tag is its slot's number plus 1. */
	struct {
		bool used;
		uint32_t index;
	} slots[CONTROL_WINDOW];
	uint32_t unanswered;
	struct line line;
	struct msg msg;
	char why[512];
};

__attribute__((format(printf, 3, 4))) static enum control_end
because(struct control *c, enum control_end end, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	/* It is for people: cut where it does not fit. */
	if (vsnprintf(c->why, sizeof(c->why), format, ap) < 0)
		c->why[0] = '\0';
	va_end(ap);
	return end;
}

struct control *
control_new(int64_t silence_ns)
{
	struct control *c = calloc(1, sizeof(*c));

	CHECK(silence_ns > 0);
	if (c == NULL)
		return NULL;
	c->fd = -1;
	c->silence_ns = silence_ns;
	buffer_init(&c->out, (size_t)CONTROL_WINDOW * LINE_MAX_LEN);
	return c;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	if (c->fd != -1)
		(void)close(c->fd);
	buffer_free(&c->out);
	free(c);
}

const char *
control_why(const struct control *c)
{
	return c->why;
}

/* ---- Connecting ---- */

static enum control_end
connect_refused(struct control *c, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return because(c, CONTROL_ABSENT, "there is no such socket");
	case ECONNREFUSED:
		return because(c, CONTROL_ABSENT, "nobody listens there");
	case EACCES:
	case EPERM:
		return because(c, CONTROL_DENIED, "%s", strerror(error));
	case EAGAIN:
	case EINPROGRESS:
		return because(c, CONTROL_SILENT,
		    "nobody took the connection for %lld s",
		    (long long)(c->silence_ns / NS_PER_S));
	default:
		return because(c, CONTROL_ABSENT, "%s", strerror(error));
	}
}

enum control_end
control_connect(struct control *c, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* Where the backlog is full, connect(2) waits as long as a send. */
	const struct timeval patience = {
	    .tv_sec = (time_t)(c->silence_ns / NS_PER_S),
	    .tv_usec = (suseconds_t)(c->silence_ns % NS_PER_S / 1000),
	};
	int result;

	CHECK(c->fd == -1);
	CHECK(str_copy(
	    address.sun_path, sizeof(address.sun_path), str_from(path)));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof(patience)) == -1)
		return because(c, CONTROL_ERROR, "socket: %s", strerror(errno));
	do
		result = connect(
		    c->fd, (const struct sockaddr *)&address, sizeof(address));
	while (result == -1 && errno == EINTR);
	if (result == -1)
		return connect_refused(c, errno);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1)
		return because(c, CONTROL_ERROR, "socket: %s", strerror(errno));
	return CONTROL_OK;
}

/* ---- Requests ---- */

static enum control_end
put_request(struct control *c, enum verb verb, const struct control_work *work,
    uint32_t index)
{
	char tag[TAG_MAX_LEN + 1], line[LINE_MAX_LEN];
	uint32_t slot = 0;
	size_t len;

	CHECK(c->unanswered < CONTROL_WINDOW);
	while (c->slots[slot].used)
		slot++;
	snprintf(tag, sizeof(tag), "%u", (unsigned)slot + 1);
	msg_init(&c->msg, MSG_REQUEST, verb, tag);
	work->request(work->ctx, index, &c->msg);
	len = msg_encode(&c->msg, line);
	CHECK(len > 0);
	if (buffer_append(&c->out, line, len) == -1)
		return because(c, CONTROL_ERROR, "out of memory");
	c->slots[slot].used = true;
	c->slots[slot].index = index;
	c->unanswered++;
	return CONTROL_OK;
}

static enum control_end
write_some(struct control *c)
{
	ssize_t sent =
	    send(c->fd, buffer_at(&c->out), buffer_len(&c->out), MSG_NOSIGNAL);

	if (sent >= 0) {
		buffer_consume(&c->out, (size_t)sent);
		c->moved_ns = clock_mono_ns();
	} else if (errno == EPIPE || errno == ECONNRESET) {
		/* What it has answered so far is still there to be read. */
		buffer_consume(&c->out, buffer_len(&c->out));
	} else if (errno != EAGAIN && errno != EINTR) {
		return because(c, CONTROL_LOST, "%s", strerror(errno));
	}
	return CONTROL_OK;
}

/* ---- Replies ---- */

/* The slot of this tag, CONTROL_WINDOW where it is none that waits. */
static uint32_t
slot_of(const struct control *c, const char *tag)
{
	uint32_t number = 0;

	for (const char *at = tag; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || number > CONTROL_WINDOW)
			return CONTROL_WINDOW;
		number = number * 10 + (uint32_t)(*at - '0');
	}
	if (tag[0] == '0' || number < 1 || number > CONTROL_WINDOW ||
	    !c->slots[number - 1].used)
		return CONTROL_WINDOW;
	return number - 1;
}

static enum control_end
take_line(struct control *c, enum verb verb, const struct control_work *work)
{
	struct msg_problem problem;
	uint32_t slot;

	if (!line_is_reply(&c->line))
		return because(c, CONTROL_BROKEN,
		    "it sent something that is not a reply: %.*s",
		    STR_ARG(c->line.word));
	if (strcmp(c->line.tag, "0") == 0)
		return because(
		    c, CONTROL_BROKEN, "it could not read our request");
	slot = slot_of(c, c->line.tag);
	if (slot == CONTROL_WINDOW)
		return CONTROL_OK;
	if (msg_reply(&c->msg, &c->line, verb, &problem) != LINE_OK)
		return because(c, CONTROL_BROKEN,
		    "its reply to %s cannot be read: %s", verb_info(verb)->word,
		    problem.text);
	if (c->msg.word == MSG_EVENT)
		return CONTROL_OK;
	if (c->msg.word != MSG_ROW) {
		c->slots[slot].used = false;
		c->unanswered--;
	}
	work->reply(work->ctx, c->slots[slot].index, &c->msg);
	return CONTROL_OK;
}

static enum control_end
take_lines(struct control *c, enum verb verb, const struct control_work *work)
{
	enum control_end end = CONTROL_OK;
	size_t used = 0;

	while (end == CONTROL_OK) {
		switch (
		    line_next(&c->reader, &c->line, c->in, c->in_len, &used)) {
		case LINE_NEXT_NONE:
			c->in_len -= used;
			memmove(c->in, c->in + used, c->in_len);
			return CONTROL_OK;
		case LINE_NEXT_LINE:
			end = take_line(c, verb, work);
			break;
		case LINE_NEXT_BROKEN:
		case LINE_NEXT_TOO_LONG:
			end = because(c, CONTROL_BROKEN,
			    "it sent a line that breaks the grammar: %s",
			    c->line.problem);
			break;
		}
	}
	return end;
}

static enum control_end
read_some(struct control *c, enum verb verb, const struct control_work *work)
{
	ssize_t got;

	/* An unfinished line is shorter than LINE_MAX_LEN. */
	CHECK(c->in_len < sizeof(c->in));
	got = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return CONTROL_OK;
	if (got == 0 || (got == -1 && errno == ECONNRESET))
		return because(c, CONTROL_LOST,
		    "it closed the connection before it had answered");
	if (got == -1)
		return because(c, CONTROL_LOST, "%s", strerror(errno));
	c->in_len += (size_t)got;
	c->moved_ns = clock_mono_ns();
	return take_lines(c, verb, work);
}

/* ---- Both ways ---- */

static enum control_end
wait_and_move(
    struct control *c, enum verb verb, const struct control_work *work)
{
	struct pollfd fd = {.fd = c->fd, .events = POLLIN};
	int64_t left_ns = c->moved_ns + c->silence_ns - clock_mono_ns();
	int64_t left_ms = left_ns / NS_PER_MS + 1;
	enum control_end end = CONTROL_OK;
	int ready;

	if (left_ns <= 0)
		return because(c, CONTROL_SILENT, "it was silent for %lld s",
		    (long long)(c->silence_ns / NS_PER_S));
	if (buffer_len(&c->out) > 0)
		fd.events = POLLIN | POLLOUT;
	ready = poll(&fd, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
	if (ready == -1 && errno != EINTR)
		return because(c, CONTROL_ERROR, "poll: %s", strerror(errno));
	if (ready <= 0)
		return CONTROL_OK;
	if ((fd.revents & POLLOUT) != 0)
		end = write_some(c);
	if (end == CONTROL_OK && (fd.revents & ~POLLOUT) != 0)
		end = read_some(c, verb, work);
	return end;
}

enum control_end
control_run(struct control *c, enum verb verb, const struct control_work *work)
{
	enum control_end end = CONTROL_OK;
	uint32_t next = 0;

	CHECK(c->fd != -1 && c->unanswered == 0);
	c->moved_ns = clock_mono_ns();
	while (next < work->count || c->unanswered > 0) {
		while (end == CONTROL_OK && next < work->count &&
		    c->unanswered < CONTROL_WINDOW)
			end = put_request(c, verb, work, next++);
		if (end == CONTROL_OK)
			end = wait_and_move(c, verb, work);
		if (end != CONTROL_OK)
			return end;
	}
	return CONTROL_OK;
}
