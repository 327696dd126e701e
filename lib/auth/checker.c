#include <bsd/stdlib.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/checker_private.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/msg.h"
#include "wire/reader.h"

/* tag, verb, user, escaped password and what stands between them */
#define REQUEST_MAX 1024
/*
 * authd does one check after another, so a few requests keep it busy. They fit
 * in any socket's buffer: a send never has to wait.
 */
#define SENT_MAX 4
#define IN_MAX ((size_t)2 * LINE_MAX_LEN)
/* One that died sooner than this was not well started: the next one waits. */
#define QUICK_NS (2 * NS_PER_S)
#define RESTART_MIN_NS NS_PER_S
#define RESTART_MAX_NS (30 * NS_PER_S)

_Static_assert(TAG_MAX_LEN + WORD_MAX_LEN + 2 * (KEY_MAX_LEN + 2) +
	    NAME_MAX_LEN + 3 * PASSWORD_MAX_LEN + 1 <=
	REQUEST_MAX,
    "a request must fit");

struct request {
	uint64_t cookie;
	enum verb verb;
	char tag[TAG_MAX_LEN + 1];
	uint32_t len;
	char line[REQUEST_MAX]; /* holds a password until it was sent */
};

/* An outcome known at once, told from the next turn. */
struct refusal {
	uint64_t cookie;
	enum checker_outcome outcome;
};

struct checker {
	struct loop *loop;
	char *program, *users;
	bool local;
	checker_done *done;
	void *ctx;

	struct request *ring; /* owned: the oldest at first */
	uint32_t waiting_max, first, count, sent;
	uint64_t tag;

	struct refusal *refusals; /* owned */
	size_t refusals_count, refusals_size;
	struct timer refuse;

	pid_t pid; /* -1: no child */
	struct watch socket;
	int64_t started_ns, delay_ns, patience_ns;
	struct timer restart, answer;
	struct line_reader reader;
	size_t in_len;
	char in[IN_MAX];
	/* Here because they are large. */
	struct line line;
	struct msg msg;
	struct rights rights;
};

/* ---- Outcomes ---- */

/* Only the loop's first few timers could fail, for want of memory. */
static void
set_timer(struct checker *c, struct timer *timer, int64_t at_ns)
{
	CHECK(loop_timer_set(c->loop, timer, at_ns) == 0);
}

static void
refuse_later(struct checker *c, uint64_t cookie, enum checker_outcome outcome)
{
	if (c->refusals_count == c->refusals_size) {
		size_t size = c->refusals_size * 2;
		struct refusal *larger =
		    reallocarray(c->refusals, size, sizeof(*larger));

		CHECK(larger != NULL);
		c->refusals = larger;
		c->refusals_size = size;
	}
	c->refusals[c->refusals_count++] = (struct refusal){cookie, outcome};
	set_timer(c, &c->refuse, 0);
}

static void
tell_refusals(void *ctx)
{
	struct checker *c = ctx;
	size_t count = c->refusals_count;

	/* What done asks for meanwhile is told from the next turn. */
	for (size_t i = 0; i < count; i++)
		c->done(c->ctx, c->refusals[i].cookie, c->refusals[i].outcome,
		    NULL);
	c->refusals_count -= count;
	memmove(c->refusals, c->refusals + count,
	    c->refusals_count * sizeof(*c->refusals));
}

static void
send_waiting(struct checker *c)
{
	while (c->pid != -1 && c->sent < c->count && c->sent < SENT_MAX) {
		struct request *r =
		    &c->ring[(c->first + c->sent) % c->waiting_max];
		ssize_t put = send(
		    c->socket.fd, r->line, r->len, MSG_DONTWAIT | MSG_NOSIGNAL);

		/* A whole line, or the socket is not what it should be. */
		if (put != (ssize_t)r->len) {
			set_timer(c, &c->answer, 0);
			return;
		}
		explicit_bzero(r->line, r->len);
		if (c->sent++ == 0)
			set_timer(
			    c, &c->answer, clock_mono_ns() + c->patience_ns);
	}
}

/* Takes the oldest request off the ring; its done callback comes last. */
static void
finish_first(struct checker *c, enum checker_outcome outcome)
{
	struct request *r = &c->ring[c->first];
	uint64_t cookie = r->cookie;

	explicit_bzero(r, sizeof(*r));
	c->first = (c->first + 1) % c->waiting_max;
	c->count--;
	if (c->sent > 0)
		c->sent--;
	if (c->sent > 0)
		set_timer(c, &c->answer, clock_mono_ns() + c->patience_ns);
	else
		loop_timer_clear(c->loop, &c->answer);
	c->done(c->ctx, cookie, outcome,
	    outcome == CHECKER_GRANTED ? &c->rights : NULL);
}

/* ---- Death ---- */

static int
end_child(struct checker *c)
{
	int status;

	loop_unwatch(c->loop, &c->socket);
	close(c->socket.fd);
	loop_timer_clear(c->loop, &c->answer);
	kill(c->pid, SIGKILL);
	status = checker_wait(c->pid);
	c->pid = -1;
	c->in_len = 0;
	c->reader = (struct line_reader){0};
	explicit_bzero(c->in, sizeof(c->in));
	return status;
}

static void
restart_later(struct checker *c)
{
	int64_t now = clock_mono_ns();

	if (now - c->started_ns >= QUICK_NS)
		c->delay_ns = 0;
	else if (c->delay_ns == 0)
		c->delay_ns = RESTART_MIN_NS;
	else if (c->delay_ns < RESTART_MAX_NS / 2)
		c->delay_ns *= 2;
	else
		c->delay_ns = RESTART_MAX_NS;
	set_timer(c, &c->restart, now + c->delay_ns);
}

static void
broken(struct checker *c, const char *why)
{
	uint32_t count = c->count;
	int status = end_child(c);

	if (WIFEXITED(status))
		log_error(why, LOG_I("exit", WEXITSTATUS(status)));
	else
		log_error(why, LOG_I("signal", WTERMSIG(status)));
	restart_later(c);
	c->sent = 0;
	while (count-- > 0)
		finish_first(c, CHECKER_BROKEN);
}

/* ---- Replies ---- */

static bool
copy_field(char *into, size_t size, const struct msg *msg, enum key key)
{
	return str_copy(into, size, msg->v[key].str);
}

static bool
read_rights(struct rights *rights, const struct msg *msg)
{
	return copy_field(rights->user, sizeof(rights->user), msg, KEY_user) &&
	    copy_field(rights->roles, sizeof(rights->roles), msg, KEY_roles) &&
	    copy_field(rights->accounts, sizeof(rights->accounts), msg,
		KEY_accounts) &&
	    copy_field(
		rights->acts_for, sizeof(rights->acts_for), msg, KEY_acts_for);
}

/* False where the line is no answer to the request. */
static bool
read_reply(
    struct checker *c, const struct request *r, enum checker_outcome *outcome)
{
	struct msg_problem problem;
	const struct msg *msg = &c->msg;
	enum code code;

	if (strcmp(c->line.tag, r->tag) != 0 ||
	    msg_reply(&c->msg, &c->line, r->verb, &problem) != LINE_OK)
		return false;
	if (msg->word == MSG_OK) {
		*outcome = CHECKER_GRANTED;
		return read_rights(&c->rights, msg);
	}
	if (msg->word != MSG_ERR)
		return false;
	code = (enum code)msg->v[KEY_code].u64;
	if (code == CODE_BAD_CREDENTIALS)
		*outcome = CHECKER_REFUSED;
	else if (code == CODE_OVERLOADED)
		*outcome = CHECKER_OVERLOADED;
	else {
		*outcome = CHECKER_BROKEN;
		log_error(
		    "strife-authd failed", LOG_S("text", msg->v[KEY_text].str));
	}
	return true;
}

static void
take_lines(struct checker *c)
{
	size_t used = 0;

	for (;;) {
		enum checker_outcome outcome;
		enum line_next next =
		    line_next(&c->reader, &c->line, c->in, c->in_len, &used);

		if (next == LINE_NEXT_NONE)
			break;
		if (next != LINE_NEXT_LINE || c->sent == 0 ||
		    !read_reply(c, &c->ring[c->first], &outcome)) {
			broken(c, "strife-authd made no sense");
			return;
		}
		finish_first(c, outcome);
	}
	memmove(c->in, c->in + used, c->in_len - used);
	c->in_len -= used;
	send_waiting(c);
}

static void
readable(void *ctx, uint32_t events)
{
	struct checker *c = ctx;
	ssize_t got = recv(
	    c->socket.fd, c->in + c->in_len, IN_MAX - c->in_len, MSG_DONTWAIT);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		broken(c, "strife-authd ended");
		return;
	}
	c->in_len += (size_t)got;
	take_lines(c);
}

static void
unanswered(void *ctx)
{
	broken(ctx, "strife-authd does not answer");
}

/* ---- Start ---- */

static int
spawn_authd(struct checker *c)
{
	const struct checker_command command = {
	    c->program, c->users, c->local, false};
	int fds[2], saved_errno;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	c->socket.fd = fds[0];
	c->socket.events = EPOLLIN;
	if (loop_watch(c->loop, &c->socket) < 0)
		goto fail;
	if (checker_spawn(&c->pid, &command, fds[1]) < 0) {
		saved_errno = errno;
		loop_unwatch(c->loop, &c->socket);
		errno = saved_errno;
		goto fail;
	}
	close(fds[1]);
	c->started_ns = clock_mono_ns();
	return 0;
fail:
	saved_errno = errno;
	c->pid = -1;
	close(fds[0]);
	close(fds[1]);
	errno = saved_errno;
	return -1;
}

static void
start(struct checker *c)
{
	if (spawn_authd(c) == 0) {
		log_info("strife-authd started again");
		return;
	}
	log_error("cannot start strife-authd", LOG_E(errno));
	c->started_ns = clock_mono_ns();
	restart_later(c);
}

static void
restart_due(void *ctx)
{
	start(ctx);
}

/* ---- The interface ---- */

int
checker_new(struct checker **made, struct loop *loop, const char *program,
    const char *users, bool local, uint32_t waiting_max, checker_done *done,
    void *ctx)
{
	struct checker *c = calloc(1, sizeof(*c));
	int saved_errno;

	CHECK(waiting_max > 0);
	if (c == NULL)
		return -1;
	c->loop = loop;
	c->local = local;
	c->waiting_max = waiting_max;
	c->done = done;
	c->ctx = ctx;
	c->pid = -1;
	c->patience_ns = CHECKER_PATIENCE_NS;
	c->socket = (struct watch){.ready = readable, .ctx = c};
	c->refuse = (struct timer){.due = tell_refusals, .ctx = c};
	c->restart = (struct timer){.due = restart_due, .ctx = c};
	c->answer = (struct timer){.due = unanswered, .ctx = c};
	c->refusals_size = 16;
	c->program = strdup(program);
	c->users = strdup(users);
	c->ring = calloc(waiting_max, sizeof(*c->ring));
	c->refusals = calloc(c->refusals_size, sizeof(*c->refusals));
	if (c->program != NULL && c->users != NULL && c->ring != NULL &&
	    c->refusals != NULL && spawn_authd(c) == 0) {
		*made = c;
		return 0;
	}
	saved_errno = errno;
	checker_free(c);
	errno = saved_errno;
	return -1;
}

void
checker_free(struct checker *c)
{
	if (c == NULL)
		return;
	if (c->pid != -1)
		end_child(c);
	loop_timer_clear(c->loop, &c->refuse);
	loop_timer_clear(c->loop, &c->restart);
	loop_timer_clear(c->loop, &c->answer);
	free(c->program);
	free(c->users);
	free(c->refusals);
	if (c->ring != NULL)
		freezero(c->ring, c->waiting_max * sizeof(*c->ring));
	freezero(c, sizeof(*c));
}

static void
submit(struct checker *c, enum verb verb, uint64_t cookie, struct str user,
    struct str proof)
{
	struct request *r;
	struct msg *msg = &c->msg;
	char line[LINE_MAX_LEN], tag[TAG_MAX_LEN + 1];
	size_t len;

	if (c->pid == -1) {
		refuse_later(c, cookie, CHECKER_BROKEN);
		return;
	}
	if (c->count == c->waiting_max) {
		refuse_later(c, cookie, CHECKER_OVERLOADED);
		return;
	}
	c->tag = (c->tag + 1) % UINT64_C(10000000000000000);
	CHECK(snprintf(tag, sizeof(tag), "%" PRIu64, c->tag) > 0);
	msg_init(msg, MSG_REQUEST, verb, tag);
	msg_set_str(msg, KEY_user, user);
	msg_set_str(msg,
	    verb == VERB_AUTH_CHECK ? KEY_password : KEY_certificate, proof);
	len = msg_encode(msg, line);
	/* What no line can carry is nobody's name or password. */
	if (len == 0) {
		refuse_later(c, cookie, CHECKER_REFUSED);
		return;
	}
	CHECK(len <= REQUEST_MAX);
	r = &c->ring[(c->first + c->count++) % c->waiting_max];
	r->cookie = cookie;
	r->verb = verb;
	r->len = (uint32_t)len;
	memcpy(r->tag, tag, sizeof(tag));
	memcpy(r->line, line, len);
	explicit_bzero(line, len);
	send_waiting(c);
}

void
checker_password(
    struct checker *c, uint64_t cookie, struct str user, struct str password)
{
	submit(c, VERB_AUTH_CHECK, cookie, user, password);
}

void
checker_certificate(
    struct checker *c, uint64_t cookie, struct str user, struct str certificate)
{
	submit(c, VERB_AUTH_CERTIFICATE, cookie, user, certificate);
}

void
checker_set_patience(struct checker *c, int64_t patience_ns)
{
	c->patience_ns = patience_ns;
}

void
checker_reload(struct checker *c)
{
	/* One that starts later reads the new file anyway. */
	if (c->pid != -1)
		kill(c->pid, SIGHUP);
}
