#include "turn/certificates.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

#define ERROR_MAX 1024
/* What has ended is told again after so long, and looked for as often. */
#define LOOK_S INT64_C(3600)

static int
read_set(struct tls **tls, const struct settings *c, enum tls_role role,
    const char *name, char *error, size_t error_size)
{
	const struct tls_files files = {
	    .ca = c->tls_ca,
	    .cert = c->tls_cert,
	    .key = c->tls_key,
	    .crl = c->tls_crl,
	};
	const char *word = role == TLS_ROLE_BANK ? "bank" : "gateway";
	const struct tls_identity *self;

	if (tls_new(tls, &files, role == TLS_ROLE_GATEWAY, error, error_size) <
	    0)
		return -1;
	self = tls_self(*tls);
	if (self->role == role && strcmp(self->name, name) == 0)
		return 0;
	/* Cut short where it does not fit: still the best we can say. */
	if (snprintf(error, error_size,
		"%s: the certificate is not that of %s %s: its URI SAN must "
		"be strife://%s/%s",
		c->tls_cert, word, name, word, name) < 0)
		error[0] = '\0';
	tls_free(*tls);
	*tls = NULL;
	return -1;
}

int
certificates_read(struct certificates *cs, const struct settings *c,
    enum tls_role role, const char *name, char *error, size_t error_size)
{
	*cs = (struct certificates){.tls = NULL};
	return read_set(&cs->tls, c, role, name, error, error_size);
}

int
certificates_reload(struct certificates *cs, const struct settings *c,
    char *error, size_t error_size)
{
	const struct tls_identity *self = tls_self(cs->tls);
	struct tls *fresh;

	if (read_set(&fresh, c, self->role, self->name, error, error_size) < 0)
		return -1;
	tls_free(cs->tls);
	cs->tls = fresh;
	cs->generation++;
	if (cs->loop != NULL)
		certificates_watch(cs, cs->loop);
	return 0;
}

const char *
certificates_reject(const struct certificates *cs, const struct conn *conn)
{
	return conn_rejected(conn, cs->tls);
}

void
certificates_free(struct certificates *cs)
{
	if (cs->loop != NULL)
		loop_timer_clear(cs->loop, &cs->look);
	tls_free(cs->tls);
	cs->tls = NULL;
}

/* ---- What ends while it is in use ---- */

static void
look_again(struct certificates *cs)
{
	int64_t left_s = tls_ends_s(cs->tls) - time(NULL);

	/* A second late rather than a moment early. */
	if (left_s <= 0 || left_s > LOOK_S)
		left_s = LOOK_S;
	if (loop_timer_set(cs->loop, &cs->look,
		clock_mono_ns() + (left_s + 1) * NS_PER_S) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

static void
look(void *ctx)
{
	struct certificates *cs = ctx;
	char error[ERROR_MAX];

	if (tls_is_stale(cs->tls, error, sizeof(error)))
		log_error("new connections fail until it is renewed and we "
			  "are sent SIGHUP",
		    LOG_C("error", error));
	look_again(cs);
}

void
certificates_watch(struct certificates *cs, struct loop *loop)
{
	cs->loop = loop;
	loop_timer_clear(loop, &cs->look);
	cs->look = (struct timer){.due = look, .ctx = cs};
	look_again(cs);
}
