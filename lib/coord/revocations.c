/*
 * Tokens that are no longer good (PROTOCOL.md section 7): one of them by its
 * number, after LOGOUT, or all that a user had been given, after REVOKE.
 * REVOKE records make and rebuild them; they are forgotten, the oldest first,
 * when the tokens would have expired by themselves. A fixed number of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

#define USER_SIZE (NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1)
#define TOKENS_US ((TOKEN_LIFETIME_MAX_S + 1) * US_PER_SECOND)

struct revocation {
	TAILQ_ENTRY(revocation)
	entry; /* tokens or users, the oldest first; or free */
	/* Forgotten when both clocks have passed these. */
	int64_t until_us, until_ns;
	struct jti jti;       /* the token, or the user's newest one */
	char user[USER_SIZE]; /* "": one token */
};
TAILQ_HEAD(revocation_list, revocation);

struct revocations {
	struct revocation *pool;
	uint32_t max, fresh; /* from `fresh` on it was never used */
	struct revocation_list tokens, users, free;
	struct table by_jti, by_user;
	char jti[JTI_TEXT_MAX + 1]; /* borrowed by a step's action */
};

static bool
same_jti(const void *pool, uint32_t i, const void *key, size_t len)
{
	const struct revocation *r = (const struct revocation *)pool + i;

	return len == sizeof(r->jti) && memcmp(&r->jti, key, len) == 0;
}

static bool
same_name(const void *pool, uint32_t i, const void *key, size_t len)
{
	const struct revocation *r = (const struct revocation *)pool + i;

	return strlen(r->user) == len && memcmp(r->user, key, len) == 0;
}

struct revocations *
revocations_new(uint32_t tokens, uint32_t users, const struct hash_key *key)
{
	struct revocations *rs = calloc(1, sizeof(*rs));

	if (rs == NULL)
		return NULL;
	TAILQ_INIT(&rs->tokens);
	TAILQ_INIT(&rs->users);
	TAILQ_INIT(&rs->free);
	rs->max = tokens + users;
	rs->pool = calloc(rs->max, sizeof(*rs->pool));
	if (rs->pool == NULL ||
	    table_init(&rs->by_jti, tokens, key, same_jti, rs->pool) < 0 ||
	    table_init(&rs->by_user, users, key, same_name, rs->pool) < 0) {
		revocations_free(rs);
		return NULL;
	}
	return rs;
}

void
revocations_free(struct revocations *rs)
{
	if (rs == NULL)
		return;
	table_free(&rs->by_jti);
	table_free(&rs->by_user);
	free(rs->pool);
	free(rs);
}

/* ---- The table ---- */

static struct revocation *
find(const struct revocations *rs, struct str user, struct jti jti)
{
	uint32_t i = user.len > 0 ? table_find(&rs->by_user, user.at, user.len)
				  : table_find(&rs->by_jti, &jti, sizeof(jti));

	return i == TABLE_NONE ? NULL : &rs->pool[i];
}

/* The list that it is in while it is known. */
static struct revocation_list *
list_of(struct revocations *rs, const struct revocation *r)
{
	return r->user[0] != '\0' ? &rs->users : &rs->tokens;
}

static void
forget(struct revocations *rs, struct revocation *r)
{
	if (r->user[0] != '\0')
		table_remove(&rs->by_user, r->user, strlen(r->user));
	else
		table_remove(&rs->by_jti, &r->jti, sizeof(r->jti));
	TAILQ_REMOVE(list_of(rs, r), r, entry);
	TAILQ_INSERT_HEAD(&rs->free, r, entry);
}

/* One that is behind a longer-lived one waits for that. */
static void
forget_old_of(const struct coord *c, struct revocation_list *list)
{
	struct revocation *r;

	while ((r = TAILQ_FIRST(list)) != NULL && r->until_us <= c->wall_us &&
	    r->until_ns <= c->mono_ns)
		forget(c->revocations, r);
}

static void
forget_old(const struct coord *c)
{
	forget_old_of(c, &c->revocations->tokens);
	forget_old_of(c, &c->revocations->users);
}

static bool
is_full(const struct revocations *rs, struct str user)
{
	return table_full(user.len > 0 ? &rs->by_user : &rs->by_jti);
}

/* NULL: there is no room. */
static struct revocation *
add(struct revocations *rs, struct str user, struct jti jti)
{
	struct revocation *r = TAILQ_FIRST(&rs->free);
	uint32_t i;

	if (is_full(rs, user))
		return NULL;
	if (r != NULL)
		TAILQ_REMOVE(&rs->free, r, entry);
	else
		r = &rs->pool[rs->fresh++];
	i = (uint32_t)(r - rs->pool);
	memset(r, 0, sizeof(*r));
	r->jti = jti;
	CHECK(str_copy(r->user, sizeof(r->user), user));
	if (user.len > 0)
		table_insert(&rs->by_user, user.at, user.len, i);
	else
		table_insert(&rs->by_jti, &jti, sizeof(jti), i);
	TAILQ_INSERT_TAIL(list_of(rs, r), r, entry);
	return r;
}

/* ---- Sessions ---- */

struct jti
coord_next_jti(struct coord *c)
{
	return (struct jti){c->epoch, ++c->sessions};
}

uint32_t
coord_revocations(const struct coord *c)
{
	return c->revocations->by_jti.count + c->revocations->by_user.count;
}

bool
coord_revoked(const struct coord *c, struct str user, struct jti jti)
{
	const struct revocation *r;

	if (find(c->revocations, STR_NONE, jti) != NULL)
		return true;
	r = find(c->revocations, user, jti);
	/*
	 * A number from a start that this journal does not know of was given
	 * out before the journal began: it is older than all of them.
	 */
	return r != NULL && (jti.epoch > c->epoch || !jti_newer(jti, r->jti));
}

/* ---- Requests ---- */

static void
append_jti(struct revocations *rs, const struct event *ev, struct actions *as)
{
	struct msg *m = &emit(as, AC_APPEND)->msg;

	jti_text(ev->jti, rs->jti);
	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_REVOKE, "0");
	msg_set_str(m, KEY_jti, str_from(rs->jti));
	msg_set_i64(m, KEY_expires, ev->expires_us);
}

/* What was given out up to now, whoever's it is: numbers only grow. */
static void
append_user(struct coord *c, const struct event *ev, struct actions *as)
{
	struct revocations *rs = c->revocations;
	struct msg *m = &emit(as, AC_APPEND)->msg;

	jti_text((struct jti){c->epoch, c->sessions}, rs->jti);
	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_REVOKE, "0");
	msg_set_str(m, KEY_user, ev->msg->v[KEY_user].str);
	msg_set_str(m, KEY_upto, str_from(rs->jti));
	msg_set_i64(m, KEY_expires, ev->wall_us + TOKENS_US);
	msg_set_str(m, KEY_who, ev->who);
}

void
revocations_request(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	struct revocations *rs = c->revocations;
	bool of_user = ev->msg->verb == VERB_CONTROL_REVOKE;
	struct str user = of_user ? ev->msg->v[KEY_user].str : STR_NONE;
	struct asker asker = asker_of(ev);

	forget_old(c);
	if (!c->room)
		emit_error(actions, &asker, CODE_READ_ONLY,
		    "this gateway's journal has no room");
	else if (is_full(rs, user) && find(rs, user, ev->jti) == NULL)
		emit_error(actions, &asker, CODE_OVERLOADED,
		    of_user ? "too many users were revoked in a day"
			    : "too many tokens are revoked");
	else if (of_user)
		append_user(c, ev, actions);
	else
		append_jti(rs, ev, actions);
}

/* ---- Records ---- */

static bool
read_record(const struct msg *m, struct str *user, struct jti *jti)
{
	if (msg_has(m, jti) == msg_has(m, user) ||
	    msg_has(m, user) != msg_has(m, upto))
		return false;
	*user = msg_has(m, user) ? m->v[KEY_user].str : STR_NONE;
	return jti_parse(
	    jti, msg_has(m, user) ? m->v[KEY_upto].str : m->v[KEY_jti].str);
}

static void
answer(const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);

	(void)emit_reply(actions, &asker, MSG_OK, ev->record->pos.seq);
}

/* NULL: there are too many. */
static struct revocation *
note(struct revocations *rs, struct str user, struct jti jti)
{
	struct revocation *r = find(rs, user, jti);

	if (r == NULL)
		return add(rs, user, jti);
	if (jti_newer(jti, r->jti))
		r->jti = jti;
	TAILQ_REMOVE(list_of(rs, r), r, entry);
	TAILQ_INSERT_TAIL(list_of(rs, r), r, entry);
	return r;
}

void
revocations_apply(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct revocations *rs = c->revocations;
	struct revocation *r;
	struct str user;
	struct jti jti;

	if (c->replaying && m->v[KEY_expires].i64 <= c->wall_us)
		return;
	forget_old(c);
	if (!read_record(m, &user, &jti)) {
		records_refuse(ev, actions, "revokes nothing");
		return;
	}
	r = note(rs, user, jti);
	if (r == NULL && user.len > 0) {
		records_refuse(ev, actions, "revokes one user too many");
		return;
	}
	if (r == NULL) {
		records_misfit(ev, actions,
		    "revokes one token too many: raise sessions.revoked");
		return;
	}
	if (r->until_us < m->v[KEY_expires].i64)
		r->until_us = m->v[KEY_expires].i64;
	if (c->replaying)
		return;
	if (msg_has(m, user))
		emit_log(actions, ACTION_INFO, NULL,
		    "tokens of %s up to %.*s are revoked by %.*s", r->user,
		    STR_ARG(m->v[KEY_upto].str), STR_ARG(ev->who));
	/*
	 * Sessions that began with the same token last for as long as it was
	 * made for by the monotonic clock, wherever the other one jumps.
	 */
	if (msg_has(m, jti))
		r->until_ns =
		    ev->mono_ns + (ev->expires_us - ev->issued_us) * NS_PER_US;
	answer(ev, actions);
}

/* ---- Snapshots, and for tests ---- */

static bool
write_list(const struct coord *c, const struct revocation_list *list,
    snapshot_line *line, void *ctx)
{
	const struct revocation *r;
	char jti[JTI_TEXT_MAX + 1];
	struct msg m;

	TAILQ_FOREACH (r, list, entry) {
		/* A replay does not know of those that are over. */
		if (r->until_us <= c->wall_us)
			continue;
		jti_text(r->jti, jti);
		msg_init(&m, MSG_REQUEST, VERB_SNAPSHOT_REVOKE, "0");
		if (r->user[0] != '\0') {
			msg_set_str(&m, KEY_user, str_from(r->user));
			msg_set_str(&m, KEY_upto, str_from(jti));
		} else {
			msg_set_str(&m, KEY_jti, str_from(jti));
		}
		msg_set_i64(&m, KEY_expires, r->until_us);
		if (!line(ctx, &m))
			return false;
	}
	return true;
}

bool
revocations_snapshot(const struct coord *c, snapshot_line *line, void *ctx)
{
	return write_list(c, &c->revocations->tokens, line, ctx) &&
	    write_list(c, &c->revocations->users, line, ctx);
}

static uint32_t
check_list(const struct revocations *rs, const struct revocation_list *list)
{
	const struct revocation *r;
	uint32_t count = 0;

	TAILQ_FOREACH (r, list, entry) {
		count++;
		CHECK(list == &rs->free ||
		    find(rs, str_from(r->user), r->jti) == r);
	}
	return count;
}

void
revocations_check(const struct coord *c)
{
	const struct revocations *rs = c->revocations;

	CHECK(check_list(rs, &rs->tokens) == rs->by_jti.count);
	CHECK(check_list(rs, &rs->users) == rs->by_user.count);
	CHECK(check_list(rs, &rs->free) + coord_revocations(c) == rs->fresh);
	CHECK(rs->fresh <= rs->max);
}
