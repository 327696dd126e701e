#include "base/buffer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* The first allocation: a few lines. */
#define BUFFER_SIZE_MIN 512

/* An empty buffer larger than this gives its memory back. */
#define BUFFER_SIZE_KEPT (16u << 10)

/* Where data points while nothing is allocated, so that it is never NULL. */
static char nothing[1];

static void
forget(struct buffer *b)
{
	b->data = nothing;
	b->start = b->end = b->size = 0;
}

void
buffer_init(struct buffer *b, size_t max)
{
	forget(b);
	b->max = max;
}

void
buffer_free(struct buffer *b)
{
	if (b->size > 0)
		free(b->data);
	forget(b);
}

void
buffer_free_secret(struct buffer *b)
{
	if (b->size > 0)
		explicit_bzero(b->data, b->size);
	buffer_free(b);
}

/* Slides what is held to the front of the allocation. */
static void
compact(struct buffer *b)
{
	size_t held = buffer_len(b);

	if (held > 0)
		memmove(b->data, b->data + b->start, held);
	b->start = 0;
	b->end = held;
}

/*
 * Moves to an allocation of at least `need` octets. Not by realloc(3), which
 * would leave a copy behind that buffer_free_secret could not wipe.
 */
static bool
grow(struct buffer *b, size_t need)
{
	size_t held = buffer_len(b);
	size_t size = b->size < BUFFER_SIZE_MIN ? BUFFER_SIZE_MIN : b->size;
	size_t max = b->max;
	char *data;

	CHECK(need <= b->max);
	while (size < need)
		size = size > max / 2 ? max : size * 2;
	data = malloc(size);
	if (data == NULL)
		return false;
	if (held > 0)
		memcpy(data, b->data + b->start, held);
	buffer_free_secret(b);
	b->data = data;
	b->end = held;
	b->size = size;
	return true;
}

char *
buffer_reserve(struct buffer *b, size_t len)
{
	size_t held = buffer_len(b);

	CHECK(b->start <= b->end);
	CHECK(b->end <= b->size);
	if (held > b->max || len > b->max - held) {
		errno = ENOBUFS;
		return NULL;
	}
	if (b->size > 0 && len <= b->size - b->end)
		return b->data + b->end;
	/*
	 * Sliding is paid for by the octets consumed since the last time, as
	 * long as they are no fewer than those that move. A buffer that is not
	 * to grow further slides in any case.
	 */
	if (b->size > 0 && held + len <= b->size &&
	    (b->start >= held || b->size >= b->max))
		compact(b);
	else if (!grow(b, held + len))
		return NULL;
	CHECK(len <= b->size - b->end);
	return b->data + b->end;
}

void
buffer_commit(struct buffer *b, size_t len)
{
	CHECK(len <= b->size - b->end);
	b->end += len;
}

int
buffer_append(struct buffer *b, const void *octets, size_t len)
{
	char *into = buffer_reserve(b, len);

	if (into == NULL)
		return -1;
	if (len > 0)
		memcpy(into, octets, len);
	buffer_commit(b, len);
	return 0;
}

void
buffer_consume(struct buffer *b, size_t len)
{
	CHECK(len <= buffer_len(b));
	b->start += len;
	if (b->start < b->end)
		return;
	b->start = b->end = 0;
	if (b->size > BUFFER_SIZE_KEPT)
		buffer_free_secret(b);
}
