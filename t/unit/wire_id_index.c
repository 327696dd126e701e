/* lib/wire/id_index: every id remembered, none confused, none moved. */
#include "wire/id_index.h"

#include <errno.h>
#include <stdlib.h>

#include "tap.h"

#define MANY 100000

static const struct hash_key key = {{1, 2}};

static struct id
id_of(uint32_t n)
{
	struct id id = {{0}};

	memcpy(id.octets, &n, sizeof(n));
	return id;
}

static struct jpos
pos_of(uint32_t n)
{
	return (struct jpos){0, n % 1000 + 1, n * 40};
}

static bool
at_pos(const struct id_index *index, uint64_t entry, struct jpos pos)
{
	struct jpos got = id_index_pos(index, entry);

	return got.segment == pos.segment && got.offset == pos.offset &&
	    got.seq == 0;
}

static void
test_many(void)
{
	struct id_index *index = id_index_new(MANY, &key);
	uint64_t *entries = calloc(MANY, sizeof(*entries));
	unsigned wrong = 0;

	if (index == NULL || entries == NULL)
		abort();
	ok(id_index_count(index) == 0 && !id_index_full(index), "starts empty");
	for (uint32_t n = 0; n < MANY; n++) {
		struct id id = id_of(n);

		wrong += id_index_full(index);
		wrong +=
		    id_index_find(index, &id, ID_INDEX_NONE) != ID_INDEX_NONE;
		entries[n] = id_index_add(index, &id, pos_of(n), n % 16);
	}
	is_i64(wrong, 0, "none is found before it was added");
	is_i64((int64_t)id_index_count(index), MANY, "all are counted");
	ok(id_index_full(index), "and it is full");
	for (uint32_t n = 0; n < MANY; n++) {
		struct id id = id_of(n);
		uint64_t entry = id_index_find(index, &id, ID_INDEX_NONE);

		wrong += entry != entries[n] ||
		    !at_pos(index, entry, pos_of(n)) ||
		    id_index_state(index, entry) != n % 16;
		wrong += entry != ID_INDEX_NONE &&
		    id_index_find(index, &id, entry) != ID_INDEX_NONE;
	}
	is_i64(wrong, 0, "each is found, once, where it was put");
	for (uint32_t n = MANY; n < 2 * MANY; n++) {
		struct id id = id_of(n);

		wrong +=
		    id_index_find(index, &id, ID_INDEX_NONE) != ID_INDEX_NONE;
	}
	is_i64(wrong, 0, "and no other, also when it is full");
	for (uint32_t n = 0; n < MANY; n++)
		id_index_set(
		    index, entries[n], pos_of(n + 1), (uint8_t)((n + 3) % 16));
	for (uint32_t n = 0; n < MANY; n++)
		wrong += !at_pos(index, entries[n], pos_of(n + 1)) ||
		    id_index_state(index, entries[n]) != (n + 3) % 16;
	is_i64(wrong, 0, "each can be changed in place");
	free(entries);
	id_index_free(index);
}

static void
test_equal(void)
{
	struct id_index *index = id_index_new(8, &key);
	const struct id id = id_of(7), other = id_of(8);
	struct jpos edge = {99, (1u << 24) - 1, UINT32_MAX};
	uint64_t seen[4], entry = ID_INDEX_NONE;
	unsigned count = 0;

	if (index == NULL)
		abort();
	seen[0] = id_index_add(index, &id, pos_of(1), 1);
	seen[1] = id_index_add(index, &id, pos_of(2), 2);
	id_index_add(index, &other, pos_of(2), 2);
	seen[2] = id_index_add(index, &id, edge, 15);
	while ((entry = id_index_find(index, &id, entry)) != ID_INDEX_NONE) {
		ok(count < 3 && entry == seen[count],
		    "entries of one hash are told one after another");
		if (++count > 3)
			break;
	}
	is_i64(count, 3, "each of them once");
	ok(id_index_find_at(index, &id, pos_of(2)) == seen[1],
	    "the one at a position is found exactly");
	ok(id_index_find_at(index, &id, edge) == seen[2], "so is the last");
	ok(id_index_find_at(index, &id, pos_of(3)) == ID_INDEX_NONE,
	    "at another position there is none");
	ok(id_index_find_at(index, &other, pos_of(1)) == ID_INDEX_NONE,
	    "nor of another id");
	ok(id_index_find_only(index, &id) == ID_INDEX_NONE,
	    "of several none is the only one");
	entry = id_index_find_only(index, &other);
	ok(entry != ID_INDEX_NONE && at_pos(index, entry, pos_of(2)),
	    "one alone is");
	ok(at_pos(index, seen[2], edge) && id_index_state(index, seen[2]) == 15,
	    "the largest position and state are kept");
	id_index_free(index);
}

static void
test_edges(void)
{
	struct id_index *index = id_index_new(0, &key);
	const struct id id = id_of(1);

	ok(index != NULL && id_index_full(index), "room for none is full");
	ok(index != NULL &&
		id_index_find(index, &id, ID_INDEX_NONE) == ID_INDEX_NONE,
	    "and holds none");
	id_index_free(index);
	index = id_index_new(1, &key);
	ok(index != NULL, "room for one");
	if (index == NULL)
		return;
	id_index_add(index, &id, pos_of(1), 0);
	ok(id_index_full(index) &&
		id_index_find(index, &id, ID_INDEX_NONE) != ID_INDEX_NONE,
	    "is enough for one");
	id_index_free(index);
	id_index_free(NULL);
	errno = 0;
	ok(id_index_new(UINT64_MAX / 16, &key) == NULL && errno == ENOMEM,
	    "more than memory can be is refused");
	index = id_index_new(UINT64_C(1) << 24, &key);
	ok(index != NULL, "the default of 2^24 ids costs nothing until used");
	id_index_free(index);
}

int
main(void)
{
	test_many();
	test_equal();
	test_edges();
	return tap_done();
}
