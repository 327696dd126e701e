/*
 * A byte queue: appended at the end, consumed at the front, grown on demand up
 * to a fixed maximum. Once empty it gives large memory back.
 */
#ifndef STRIFE_BASE_BUFFER_H
#define STRIFE_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *data;   /* owned */
	size_t start; /* first octet not consumed */
	size_t end;   /* one past the last octet appended */
	size_t size;  /* octets allocated */
	size_t max;   /* octets that may be held at once */
};

void buffer_init(struct buffer *, size_t max);
void buffer_free(struct buffer *); /* wipes nothing; leaves it as after init */
/* As buffer_free, but the octets are wiped first: for what held a secret. */
void buffer_free_secret(struct buffer *);
static inline size_t
buffer_len(const struct buffer *b)
{
	return b->end - b->start;
}
static inline char *
buffer_at(const struct buffer *b)
{
	return b->data + b->start;
}
/*
 * Room for len more octets, contiguous; NULL where max would be passed or
 * memory is short. Valid until the next call. Follow with buffer_commit.
 */
char *buffer_reserve(struct buffer *, size_t len);
void buffer_commit(struct buffer *, size_t len);
int buffer_append(struct buffer *, const void *octets, size_t len); /* 0, -1 */
void buffer_consume(struct buffer *, size_t len);

#endif
