/*
 * Lines that wait for a flush: encoded, in the order they were made, each for a
 * peer and a record that must be durable first. Lines to one peer leave in
 * order, also those that wait for nothing. Grows up to a fixed maximum.
 */
#ifndef STRIFE_WIRE_OUTBOX_H
#define STRIFE_WIRE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/event.h"

struct outbox;

struct outbox *outbox_new(size_t octets_max); /* NULL with errno ENOMEM */
void outbox_free(struct outbox *);
bool outbox_empty(const struct outbox *);
/* False when full: flush the journal, release, and put again. after_seq never
 * decreases from one put to the next but for 0. */
bool outbox_put(struct outbox *, struct peer, uint64_t after_seq,
    const char *line, size_t len);
/* Gives every line whose record is durable to deliver, in order. An entry that
 * waits holds back those behind it: everything put in a turn leaves after the
 * one flush of that turn. */
void outbox_release(struct outbox *, uint64_t durable_seq,
    void (*deliver)(void *ctx, struct peer, const char *line, size_t len),
    void *ctx);

#endif
