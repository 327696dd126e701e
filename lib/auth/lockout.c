#include "auth/lockout.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/table.h"

/* A user (NAME@BANK at most), a NUL, a certificate's name. */
#define KEY_OCTETS_MAX 192

struct suspect {
	TAILQ_ENTRY(suspect)
	entry; /* by touched_ns; or free */
	uint32_t failures, wait_s;
	int64_t locked_until_ns;
	int64_t touched_ns; /* the last failure or refusal, or the lock's end */
	uint32_t key_len;
	char key[KEY_OCTETS_MAX];
};
TAILQ_HEAD(suspects, suspect);

struct lockout {
	uint32_t burst;
	struct suspect *pool;
	struct suspects known, free;
	struct table by_key;
};

struct key {
	char at[KEY_OCTETS_MAX];
	uint32_t len;
};

static bool
same(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct suspect *s = (const struct suspect *)pool + index;

	return s->key_len == len && memcmp(s->key, key, len) == 0;
}

struct lockout *
lockout_new(
    uint32_t burst, uint32_t entries_max, const struct hash_key *hash_key)
{
	struct lockout *l = calloc(1, sizeof(*l));

	/* A failure touches two entries: both must fit. */
	CHECK(burst > 0 && entries_max >= 2);
	if (l == NULL)
		return NULL;
	l->burst = burst;
	l->pool = calloc(entries_max, sizeof(*l->pool));
	if (l->pool == NULL ||
	    table_init(&l->by_key, entries_max, hash_key, same, l->pool) < 0) {
		free(l->pool);
		free(l);
		return NULL;
	}
	TAILQ_INIT(&l->known);
	TAILQ_INIT(&l->free);
	for (uint32_t i = 0; i < entries_max; i++)
		TAILQ_INSERT_TAIL(&l->free, &l->pool[i], entry);
	return l;
}

void
lockout_free(struct lockout *l)
{
	if (l == NULL)
		return;
	table_free(&l->by_key);
	free(l->pool);
	free(l);
}

/* No user's name is empty, so a certificate alone is a key of its own. */
static struct key
make_key(struct str user, struct str certificate)
{
	struct key key;

	key.len = user.len + 1 + certificate.len;
	CHECK(key.len <= sizeof(key.at));
	if (user.len > 0)
		memcpy(key.at, user.at, user.len);
	key.at[user.len] = '\0';
	memcpy(key.at + user.len + 1, certificate.at, certificate.len);
	return key;
}

static void
forget(struct lockout *l, struct suspect *s)
{
	table_remove(&l->by_key, s->key, s->key_len);
	TAILQ_REMOVE(&l->known, s, entry);
	TAILQ_INSERT_HEAD(&l->free, s, entry);
}

/* Known and not yet quiet for long enough, else NULL. */
static struct suspect *
find(struct lockout *l, const struct key *key, int64_t now_ns)
{
	uint32_t i = table_find(&l->by_key, key->at, key->len);
	struct suspect *s;

	if (i == TABLE_NONE)
		return NULL;
	s = &l->pool[i];
	if (now_ns - s->touched_ns < LOCKOUT_WAIT_MAX_S * NS_PER_S)
		return s;
	forget(l, s);
	return NULL;
}

static void
touch(struct lockout *l, struct suspect *s, int64_t now_ns)
{
	s->touched_ns =
	    s->locked_until_ns > now_ns ? s->locked_until_ns : now_ns;
	TAILQ_REMOVE(&l->known, s, entry);
	TAILQ_INSERT_TAIL(&l->known, s, entry);
}

static struct suspect *
add(struct lockout *l, const struct key *key)
{
	struct suspect *s;

	if (TAILQ_EMPTY(&l->free))
		forget(l, TAILQ_FIRST(&l->known));
	s = TAILQ_FIRST(&l->free);
	TAILQ_REMOVE(&l->free, s, entry);
	memset(s, 0, sizeof(*s));
	memcpy(s->key, key->at, key->len);
	s->key_len = key->len;
	table_insert(&l->by_key, key->at, key->len, (uint32_t)(s - l->pool));
	TAILQ_INSERT_TAIL(&l->known, s, entry);
	return s;
}

static uint32_t
wait_of(struct lockout *l, const struct key *key, int64_t now_ns)
{
	struct suspect *s = find(l, key, now_ns);

	if (s == NULL || s->locked_until_ns <= now_ns)
		return 0;
	touch(l, s, now_ns);
	return (
	    uint32_t)((s->locked_until_ns - now_ns + NS_PER_S - 1) / NS_PER_S);
}

uint32_t
lockout_wait_s(
    struct lockout *l, struct str user, struct str certificate, int64_t now_ns)
{
	struct key pair = make_key(user, certificate);
	struct key alone = make_key(STR_NONE, certificate);
	uint32_t wait_s = wait_of(l, &pair, now_ns);
	uint32_t other_s = wait_of(l, &alone, now_ns);

	return wait_s > other_s ? wait_s : other_s;
}

static void
count(struct lockout *l, const struct key *key, uint32_t burst, int64_t now_ns)
{
	struct suspect *s = find(l, key, now_ns);

	if (s == NULL)
		s = add(l, key);
	if (s->failures < burst)
		s->failures++;
	if (s->failures >= burst) {
		s->wait_s = s->wait_s == 0 ? 1 : 2 * s->wait_s;
		if (s->wait_s > LOCKOUT_WAIT_MAX_S)
			s->wait_s = LOCKOUT_WAIT_MAX_S;
		s->locked_until_ns = now_ns + s->wait_s * NS_PER_S;
	}
	touch(l, s, now_ns);
}

void
lockout_failed(
    struct lockout *l, struct str user, struct str certificate, int64_t now_ns)
{
	struct key pair = make_key(user, certificate);
	struct key alone = make_key(STR_NONE, certificate);

	count(l, &pair, l->burst, now_ns);
	count(l, &alone, LOCKOUT_CERTIFICATE_BURSTS * l->burst, now_ns);
}

void
lockout_good(struct lockout *l, struct str user, struct str certificate)
{
	struct key pair = make_key(user, certificate);
	uint32_t i = table_find(&l->by_key, pair.at, pair.len);

	if (i != TABLE_NONE)
		forget(l, &l->pool[i]);
}
