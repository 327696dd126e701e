#include "links.h"

#include <stdlib.h>

#include "base/check.h"
#include "link.h"

struct links *
links_new(struct bankd *b)
{
	struct links *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	ls->bankd = b;
	ls->count = b->config.gateways.count;
	ls->at = calloc(ls->count, sizeof(*ls->at));
	if (ls->at == NULL) {
		free(ls);
		return NULL;
	}
	for (uint32_t i = 0; i < ls->count; i++)
		link_init(&ls->at[i], ls, i);
	return ls;
}

void
links_free(struct links *ls)
{
	if (ls == NULL)
		return;
	for (uint32_t i = 0; i < ls->count; i++)
		loop_timer_clear(ls->bankd->server.loop, &ls->at[i].dial);
	free(ls->at);
	free(ls);
}

uint32_t
links_count(const struct links *ls)
{
	return ls->count;
}

uint32_t
links_registered(const struct links *ls)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		if (link_is_up(&ls->at[i]) &&
		    ls->at[i].state == LINK_REGISTERED)
			count++;
	return count;
}

uint64_t
links_lines_in(const struct links *ls)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		sum += ls->at[i].talk.lines_in;
	return sum;
}

uint64_t
links_lines_out(const struct links *ls)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		sum += ls->at[i].talk.lines_out;
	return sum;
}

/* The link that this peer is, or NULL where it is gone. */
static struct link *
link_of(struct links *ls, struct peer peer)
{
	struct link *k;

	if (peer.slot >= ls->count)
		return NULL;
	k = &ls->at[peer.slot];
	return talk_is(&k->talk, peer) ? k : NULL;
}

void
links_registering(struct links *ls, struct peer peer, const char *tag)
{
	struct link *k = link_of(ls, peer);

	if (k != NULL)
		CHECK(str_copy(
		    k->register_tag, sizeof(k->register_tag), str_from(tag)));
}

void
links_deliver(struct links *ls, struct peer peer, const char *line, size_t len)
{
	CHECK(peer.slot < ls->count);
	talk_deliver(&ls->at[peer.slot].talk, peer, line, len);
}

void
links_close(struct links *ls, struct peer peer, const char *why)
{
	struct link *k = link_of(ls, peer);

	if (k == NULL)
		return;
	/* Fenced or refused: it stays so until somebody repairs something. */
	if (k->state != LINK_REGISTERED)
		k->delay_ns = LINK_RETRY_MAX_NS;
	link_give_up(k, why, k->node);
}

void
links_recheck(struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++)
		if (link_is_up(&ls->at[i]))
			link_recheck(&ls->at[i]);
}

void
links_retry(struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++) {
		struct link *k = &ls->at[i];

		if (k->state != LINK_WAITING)
			continue;
		k->delay_ns = LINK_RETRY_MIN_NS;
		link_dial_at(k, 0);
	}
}

void
links_stop(struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++) {
		struct link *k = &ls->at[i];

		k->state = LINK_STOPPED;
		loop_timer_clear(ls->bankd->server.loop, &k->dial);
		if (k->talk.conn != NULL)
			talk_end(&k->talk);
	}
}

void
links_drop(struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++)
		talk_drop(&ls->at[i].talk);
}

bool
links_idle(const struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++)
		if (ls->at[i].talk.conn != NULL)
			return false;
	return true;
}
