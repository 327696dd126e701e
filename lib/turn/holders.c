#include "turn/holders.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"

static bool
same(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct holder *h = (const struct holder *)pool + index;

	return strlen(h->key) == len && memcmp(h->key, key, len) == 0;
}

int
holders_init(struct holders *hs, uint32_t connections_max)
{
	struct hash_key key;

	*hs = (struct holders){.first_free = HOLDER_NONE};
	hs->at = calloc(connections_max, sizeof(*hs->at));
	if (hs->at == NULL)
		return -1;
	digest_random(&key, sizeof(key));
	if (table_init(&hs->table, connections_max, &key, same, hs->at) < 0) {
		holders_free(hs);
		return -1;
	}
	for (uint32_t i = connections_max; i > 0; i--) {
		hs->at[i - 1].next_free = hs->first_free;
		hs->first_free = i - 1;
	}
	return 0;
}

void
holders_free(struct holders *hs)
{
	if (hs->at == NULL)
		return;
	table_free(&hs->table);
	free(hs->at);
	hs->at = NULL;
}

static uint32_t
add(struct holders *hs, const char *key, size_t len)
{
	uint32_t i = hs->first_free;
	struct holder *h;

	CHECK(i != HOLDER_NONE);
	h = &hs->at[i];
	hs->first_free = h->next_free;
	memcpy(h->key, key, len + 1);
	table_insert(&hs->table, h->key, len, i);
	return i;
}

uint32_t
holders_join(
    struct holders *hs, const struct tls_identity *peer, uint32_t each_max)
{
	char key[sizeof(hs->at->key)];
	size_t len = 1 + strlen(peer->name);
	uint32_t i;

	CHECK(len < sizeof(key) && peer->role != TLS_ROLE_NONE);
	key[0] = (char)peer->role;
	memcpy(key + 1, peer->name, len);
	i = table_find(&hs->table, key, len);
	if (i == TABLE_NONE)
		i = add(hs, key, len);
	else if (hs->at[i].connections >= each_max)
		return HOLDER_NONE;
	hs->at[i].connections++;
	return i;
}

void
holders_leave(struct holders *hs, uint32_t holder)
{
	struct holder *h = &hs->at[holder];

	CHECK(h->connections > 0);
	if (--h->connections > 0)
		return;
	table_remove(&hs->table, h->key, strlen(h->key));
	h->next_free = hs->first_free;
	hs->first_free = holder;
}
