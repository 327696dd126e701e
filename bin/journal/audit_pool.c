/* The auditor's memory: pools, names, and how things are found in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "base/check.h"

/* ---- Pools ---- */

static bool
same_key(const void *pool, uint32_t index, const void *key, size_t len)
{
	return memcmp(pool_at(pool, index), key, len) == 0;
}

void
pool_init(struct pool *p, size_t size, size_t key_len)
{
	CHECK(key_len <= size);
	*p = (struct pool){.size = size, .key_len = key_len};
	/* Clients choose ids, so they must not choose where these collide. */
	arc4random_buf(&p->key, sizeof(p->key));
}

void
pool_free(struct pool *p)
{
	free(p->at);
	table_free(&p->table);
	*p = (struct pool){.at = NULL};
}

void *
pool_at(const struct pool *p, uint32_t index)
{
	CHECK(index < p->count);
	return p->at + (size_t)index * p->size;
}

uint32_t
pool_find(const struct pool *p, const void *key)
{
	return p->room == 0 ? NONE : table_find(&p->table, key, p->key_len);
}

static void
pool_grow(struct pool *p)
{
	uint32_t i, room = p->room == 0 ? 64 : p->room * 2;
	char *at = room < p->room ? NULL : reallocarray(p->at, room, p->size);

	if (at == NULL)
		out_of_memory();
	p->at = at;
	p->room = room;
	table_free(&p->table);
	if (table_init(&p->table, room, &p->key, same_key, p) != 0)
		out_of_memory();
	for (i = 0; i < p->count; i++)
		table_insert(&p->table, pool_at(p, i), p->key_len, i);
}

uint32_t
pool_need(struct pool *p, const void *key, bool *is_new)
{
	uint32_t index = pool_find(p, key);

	*is_new = index == NONE;
	if (index != NONE)
		return index;
	if (p->count == p->room)
		pool_grow(p);
	index = p->count++;
	(void)memset(pool_at(p, index), 0, p->size);
	(void)memcpy(pool_at(p, index), key, p->key_len);
	table_insert(&p->table, key, p->key_len, index);
	return index;
}

/* ---- Names ---- */

uint32_t
name_need(struct audit *a, struct str text)
{
	struct name name = {{0}};
	bool is_new;

	CHECK(text.len < sizeof(name.text));
	(void)memcpy(name.text, text.at, text.len);
	return pool_need(&a->names, &name, &is_new);
}

const char *
name_text(const struct audit *a, uint32_t index)
{
	if (index == NONE)
		return "";
	return ((const struct name *)pool_at(&a->names, index))->text;
}

uint64_t
memo_hash(const struct audit *a, const struct msg *m)
{
	if (!msg_has(m, memo))
		return 0;
	return hash_octets(
	    &a->key, m->v[KEY_memo].str.at, m->v[KEY_memo].str.len);
}

uint32_t
clearing_name(struct audit *a, uint32_t bank, uint32_t currency)
{
	char text[SYSTEM_NAME_MAX_LEN + 1], letters[4];
	int len;

	currency_text(currency, letters);
	len = snprintf(
	    text, sizeof(text), ":clearing.%s.%s", name_text(a, bank), letters);
	CHECK(len > 0 && (size_t)len < sizeof(text));
	return name_need(a, str_from(text));
}

/* ---- Look-ups ---- */

struct volume *
volume_need(struct audit *a, const struct id *journal, uint32_t *number)
{
	struct volume *v;
	bool is_new;

	*number = pool_need(&a->volumes, journal, &is_new);
	v = pool_at(&a->volumes, *number);
	if (is_new)
		v->source = v->bank = NONE;
	return v;
}

struct pair *
pair_need(struct audit *a, uint32_t gateway, uint32_t volume)
{
	struct pair pair = {.key = {gateway, volume}};
	bool is_new;
	uint32_t number = pool_need(&a->pairs, &pair.key, &is_new);

	return pool_at(&a->pairs, number);
}

struct payment *
payment_find(const struct audit *a, uint32_t gateway, const struct id *id)
{
	struct payment wanted = {.key = {gateway, *id}};
	uint32_t number = pool_find(&a->payments, &wanted.key);

	return number == NONE ? NULL : pool_at(&a->payments, number);
}

struct entry *
entry_find(const struct audit *a, uint32_t source, const struct id *id)
{
	struct entry wanted = {.key = {source, *id}};
	uint32_t number = pool_find(&a->entries, &wanted.key);

	return number == NONE ? NULL : pool_at(&a->entries, number);
}

struct entry *
entry_need(struct audit *a, uint32_t source, const struct id *id,
    uint32_t *number, bool *is_new)
{
	struct entry wanted = {.key = {source, *id}}, *e;

	*number = pool_need(&a->entries, &wanted.key, is_new);
	e = pool_at(&a->entries, *number);
	if (*is_new)
		e->newest = e->committed = NONE;
	return e;
}

struct page *
account_at(const struct audit *a, uint32_t index)
{
	return pool_at(&a->accounts, index);
}

struct branch_at *
branch_at(const struct audit *a, uint32_t index)
{
	return pool_at(&a->branches, index);
}

uint32_t
gateway_find(const struct audit *a, uint32_t name)
{
	for (uint32_t i = 0; i < a->source_count; i++)
		if (a->sources[i].side == SIDE_GATEWAY_JOURNAL &&
		    a->sources[i].name == name)
			return i;
	return NONE;
}

const struct id *
branch_id(const struct audit *a, const struct branch_at *b)
{
	return &((const struct entry *)pool_at(&a->entries, b->entry))->key.id;
}

uint32_t
branch_gateway(const struct audit *a, const struct branch_at *b)
{
	return gateway_find(a, b->key.node);
}

/* The payment's leg that is this branch, or NULL. */
struct leg *
branch_leg(const struct audit *a, struct payment *p, const struct branch_at *b)
{
	if (p == NULL || p->state != PAYMENT_COMMITTED)
		return NULL;
	for (uint32_t i = 0; i < p->leg_count; i++)
		if (p->legs[i].bank == a->sources[b->key.source].name &&
		    p->legs[i].epoch == b->key.epoch &&
		    p->legs[i].counter == b->key.counter)
			return &p->legs[i];
	return NULL;
}

struct where
where_of(uint32_t source, const struct record *record)
{
	return (struct where){
	    source, record->pos.segment, record->pos.offset, record->pos.seq};
}
