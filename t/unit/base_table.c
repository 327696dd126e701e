/* The hash table against a model so simple that it cannot be wrong. */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

#include "capture.h"
#include "tap.h"

#define POOL_SIZE 300
#define KEYS 900

/* Entry i of the pool holds a key, or is not in the table. */
struct entry {
	bool there;
	uint32_t key;
};

static struct entry pool[POOL_SIZE];

static bool
same_key(const void *from, uint32_t index, const void *key, size_t len)
{
	const struct entry *entries = from;
	uint32_t wanted;

	if (len != sizeof(wanted))
		return false;
	memcpy(&wanted, key, len);
	return entries[index].key == wanted;
}

static uint32_t
model_find(uint32_t key)
{
	for (uint32_t i = 0; i < POOL_SIZE; i++)
		if (pool[i].there && pool[i].key == key)
			return i;
	return TABLE_NONE;
}

static uint32_t
model_free_entry(void)
{
	for (uint32_t i = 0; i < POOL_SIZE; i++)
		if (!pool[i].there)
			return i;
	return TABLE_NONE;
}

static bool
agree(const struct table *t)
{
	for (uint32_t key = 0; key < KEYS; key++)
		if (table_find(t, &key, sizeof(key)) != model_find(key))
			return false;
	return true;
}

static void
test_random(uint64_t seed, int steps)
{
	const struct hash_key hash_key = {{seed, ~seed}};
	struct table t;
	bool same = true, was_full = false;

	memset(pool, 0, sizeof(pool));
	srandom((unsigned)seed);
	CHECK(table_init(&t, POOL_SIZE, &hash_key, same_key, pool) == 0);
	for (int i = 0; i < steps && same; i++) {
		/* Fill and empty in waves, so that both ends are met. */
		bool filling = i / 1000 % 2 == 0;
		uint32_t key = (uint32_t)random() % KEYS;
		uint32_t at = table_find(&t, &key, sizeof(key));

		same = at == model_find(key);
		if (at == TABLE_NONE && filling && !table_full(&t)) {
			at = model_free_entry();
			pool[at] = (struct entry){true, key};
			table_insert(&t, &key, sizeof(key), at);
		} else if (at != TABLE_NONE && !filling) {
			table_remove(&t, &key, sizeof(key));
			pool[at].there = false;
		}
		was_full |= table_full(&t);
		if (i % 500 == 0)
			same = same && agree(&t);
	}
	ok(same && agree(&t), "%d random steps agree with the model, seed %d",
	    steps, (int)seed);
	ok(was_full && model_free_entry() != TABLE_NONE,
	    "the table was full, and emptied again");
	table_free(&t);
}

static bool
same_never_asked(const void *from, uint32_t index, const void *key, size_t len)
{
	(void)index;
	(void)key;
	(void)len;
	*(bool *)(uintptr_t)from = true;
	return false;
}

static void
test_edges(void)
{
	const struct hash_key hash_key = {{1, 2}};
	bool asked = false;
	struct table t;
	uint32_t key = 7;

	CHECK(table_init(&t, 0, &hash_key, same_key, pool) == 0);
	ok(table_full(&t), "a table for nothing is full");
	ok(table_find(&t, &key, sizeof(key)) == TABLE_NONE,
	    "and finding nothing in it ends");
	table_free(&t);
	table_free(&t);
	table_free(NULL);
	ok(true, "freeing twice, or NULL, is harmless");

	errno = 0;
	ok(table_init(&t, UINT32_MAX, &hash_key, same_key, pool) == -1 &&
		errno == ENOMEM,
	    "a table beyond 32 bits is refused");

	CHECK(table_init(&t, 1, &hash_key, same_never_asked, &asked) == 0);
	table_insert(&t, "a", 1, TABLE_NONE - 1);
	ok(table_find(&t, "b", 1) == TABLE_NONE && !asked,
	    "keys whose hashes differ are not compared");
	ok(table_find(&t, "a", 1) == TABLE_NONE && asked,
	    "keys whose hashes are equal are, and `same` decides");
	table_free(&t);
}

static void
insert_beyond_max(void *ctx)
{
	struct table *t = ctx;
	uint32_t other = 2;

	pool[1] = (struct entry){true, 2};
	table_insert(t, &other, sizeof(other), 1);
}

static void
remove_missing(void *ctx)
{
	struct table *t = ctx;
	uint32_t other = 2;

	table_remove(t, &other, sizeof(other));
}

static void
test_checks(void)
{
	const struct hash_key hash_key = {{1, 2}};
	struct table t;
	struct capture c;
	uint32_t key = 1;

	memset(pool, 0, sizeof(pool));
	pool[0] = (struct entry){true, 1};
	CHECK(table_init(&t, 1, &hash_key, same_key, pool) == 0);
	table_insert(&t, &key, sizeof(key), 0);
	capture_run(&c, insert_beyond_max, &t);
	ok(WIFSIGNALED(c.status) &&
		strstr(c.err, "t->count < t->max does not hold") != NULL,
	    "inserting into a full table aborts");
	capture_run(&c, remove_missing, &t);
	ok(WIFSIGNALED(c.status), "removing what is not there aborts");
	table_free(&t);
}

int
main(void)
{
	test_edges();
	test_checks();
	test_random(1, 100000);
	test_random(20, 100000);
	return tap_done();
}
