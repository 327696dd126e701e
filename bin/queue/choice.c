#include "choice.h"

#include <err.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"

static bool
same_payer(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct entry *entries = pool;

	return str_eq(str_from(entries[index].spooled.order.from),
	    (struct str){key, (uint32_t)len});
}

void
choice_begin(struct choice *c, const struct entries *entries,
    const struct client_config *config, bool all)
{
	struct hash_key key;

	*c = (struct choice){.entries = entries,
	    .now_us = clock_wall_us(),
	    .longest_us = config->max_delay_ns / 1000,
	    .all = all};
	digest_random(&key, sizeof(key));
	if (table_init(&c->blocked, entries->count, &key, same_payer,
		entries->at) == -1)
		err(EXIT_OSERR, "memory");
}

void
choice_end(struct choice *c)
{
	table_free(&c->blocked);
}

static bool
is_due(const struct choice *c, const struct spool_entry *e)
{
	/* One that is further away was noted before the clock was set back. */
	return c->all || e->next_us <= c->now_us ||
	    e->next_us > c->now_us + c->longest_us;
}

static struct str
payer_of(const struct choice *c, uint32_t index)
{
	return str_from(c->entries->at[index].spooled.order.from);
}

void
choice_block(struct choice *c, uint32_t index)
{
	struct str payer = payer_of(c, index);

	table_insert(&c->blocked, payer.at, payer.len, index);
}

bool
choice_may(struct choice *c, uint32_t index)
{
	const struct entry *entry = &c->entries->at[index];
	struct str payer = payer_of(c, index);

	if (entry->ended ||
	    table_find(&c->blocked, payer.at, payer.len) != TABLE_NONE)
		return false;
	if (!entry->tried && is_due(c, &entry->spooled))
		return true;
	choice_block(c, index);
	return false;
}

int64_t
choice_delay_ns(const struct client_config *config, uint64_t attempts)
{
	int64_t delay_ns = config->min_delay_ns;

	for (; attempts > 1 && delay_ns < config->max_delay_ns; attempts--)
		delay_ns *= 2;
	return delay_ns < config->max_delay_ns ? delay_ns
					       : config->max_delay_ns;
}
