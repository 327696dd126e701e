#include "client/slots.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* A tag is the slot's index below a count, in lower-case hex. */
#define INDEX_BITS 16
#define INDEX_MASK ((UINT64_C(1) << INDEX_BITS) - 1)
#define COUNT_MASK ((UINT64_C(1) << 48) - 1)
_Static_assert(SESSION_WINDOW_MAX <= INDEX_MASK, "a tag has no room");
_Static_assert(TAG_MAX_LEN >= (48 + INDEX_BITS) / 4, "a tag is too short");

int
slots_init(struct slots *s, uint32_t count)
{
	uint32_t i;

	*s = (struct slots){.count = count};
	s->at = calloc(count, sizeof(*s->at));
	if (s->at == NULL)
		return -1;
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->free);
	for (i = 0; i < count; i++)
		TAILQ_INSERT_TAIL(&s->free, &s->at[i], link);
	return 0;
}

void
slots_free(struct slots *s)
{
	free(s->at);
	s->at = NULL;
}

struct slot *
slots_take(struct slots *s, struct msg *request)
{
	struct slot *slot = TAILQ_FIRST(&s->free);
	int len;

	CHECK(slot != NULL);
	TAILQ_REMOVE(&s->free, slot, link);
	TAILQ_INSERT_TAIL(&s->waiting, slot, link);
	s->taken++;
	s->tags_given = (s->tags_given + 1) & COUNT_MASK;
	if (s->tags_given == 0)
		s->tags_given = 1;
	slot->tag = s->tags_given << INDEX_BITS | (uint64_t)(slot - s->at);
	len = snprintf(request->tag, sizeof(request->tag), "%llx",
	    (unsigned long long)slot->tag);
	CHECK(len > 0 && len <= TAG_MAX_LEN);
	slot->verb = request->verb;
	slot->has_id = msg_has(request, id);
	if (slot->has_id)
		slot->id = request->v[KEY_id].id;
	return slot;
}

void
slots_give(struct slots *s, struct slot *slot)
{
	TAILQ_REMOVE(&s->waiting, slot, link);
	TAILQ_INSERT_TAIL(&s->free, slot, link);
	slot->tag = 0;
	s->taken--;
}

struct slot *
slots_find(struct slots *s, const char *tag)
{
	uint64_t number = 0;
	struct slot *slot;

	/* Sixteen digits at most: the grammar saw to that. */
	for (; *tag != '\0'; tag++) {
		if (*tag >= '0' && *tag <= '9')
			number = number << 4 | (uint64_t)(*tag - '0');
		else if (*tag >= 'a' && *tag <= 'f')
			number = number << 4 | (uint64_t)(*tag - 'a' + 10);
		else
			return NULL;
	}
	if (number == 0 || (number & INDEX_MASK) >= s->count)
		return NULL;
	slot = &s->at[number & INDEX_MASK];
	return slot->tag == number ? slot : NULL;
}

struct slot *
slots_oldest(struct slots *s)
{
	return TAILQ_FIRST(&s->waiting);
}

bool
slot_fits(const struct slot *slot, const struct msg *reply)
{
	if (reply->word == MSG_ROW)
		return verb_info(slot->verb)->row.count > 0;
	return !slot->has_id || !msg_has(reply, id) ||
	    id_eq(&slot->id, &reply->v[KEY_id].id);
}
