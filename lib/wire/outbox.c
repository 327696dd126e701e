#include "wire/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"

/* Goes before each line in the queue. */
struct head {
	uint64_t after_seq;
	struct peer peer;
	uint32_t len;
};

struct outbox {
	struct buffer queue;
	bool releasing;
};

struct outbox *
outbox_new(size_t octets_max)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));

	if (outbox == NULL)
		return NULL;
	buffer_init(&outbox->queue, octets_max);
	return outbox;
}

void
outbox_free(struct outbox *outbox)
{
	if (outbox == NULL)
		return;
	buffer_free_secret(&outbox->queue);
	free(outbox);
}

bool
outbox_empty(const struct outbox *outbox)
{
	return buffer_len(&outbox->queue) == 0;
}

bool
outbox_put(struct outbox *outbox, struct peer peer, uint64_t after_seq,
    const char *line, size_t len)
{
	struct head head = {after_seq, peer, (uint32_t)len};
	char *room;

	/* The lines being delivered must not move. */
	CHECK(!outbox->releasing);
	CHECK(len <= LINE_MAX_LEN);
	room = buffer_reserve(&outbox->queue, sizeof(head) + len);
	if (room == NULL)
		return false;
	memcpy(room, &head, sizeof(head));
	if (len > 0)
		memcpy(room + sizeof(head), line, len);
	buffer_commit(&outbox->queue, sizeof(head) + len);
	return true;
}

void
outbox_release(struct outbox *outbox, uint64_t durable_seq,
    void (*deliver)(void *ctx, struct peer, const char *line, size_t len),
    void *ctx)
{
	CHECK(!outbox->releasing);
	outbox->releasing = true;
	while (!outbox_empty(outbox)) {
		struct head head;

		memcpy(&head, buffer_at(&outbox->queue), sizeof(head));
		if (head.after_seq > durable_seq)
			break;
		deliver(ctx, head.peer,
		    buffer_at(&outbox->queue) + sizeof(head), head.len);
		buffer_consume(&outbox->queue, sizeof(head) + head.len);
	}
	outbox->releasing = false;
}
