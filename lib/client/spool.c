#include "client/spool.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "client/spool_files.h"

const char *
spool_why(int error)
{
	switch (error) {
	case EPERM:
		return "it, or a directory in it, is another user's, or others "
		       "may write to it";
	case ENOSPC:
		return "it is full, or the disk is";
	case ENAMETOOLONG:
		return "a gateway's address is too long";
	}
	return strerror(error);
}

/* ---- Looking ---- */

/* With the lock held: in which of the first `places` is it? */
static enum spool_status
look(struct spool *s, const struct id *id, int places,
    struct spool_entry *entry, enum spool_place *place)
{
	char name[ID_TEXT_LEN + 1];
	enum spool_status status = SPOOL_ABSENT;
	int i;

	id_text(id, name);
	for (i = 0; i < places && status == SPOOL_ABSENT; i++) {
		*place = (enum spool_place)i;
		status = spool_file_read(s, *place, name, entry);
	}
	return status;
}

enum spool_status
spool_find(struct spool *s, const struct id *id, struct spool_entry *entry,
    enum spool_place *place)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = look(s, id, SPOOL_PLACES, entry, place);
	spool_unlock(s);
	return status;
}

struct each {
	struct spool *spool;
	enum spool_place place;
	spool_visit *visit;
	void *ctx;
	bool failed;
	struct spool_entry entry;
};

static bool
each_name(void *ctx, const char *name)
{
	struct each *each = ctx;

	if (each->place == SPOOL_HOLD && spool_is_bad(name))
		return true;
	switch (spool_file_read(each->spool, each->place, name, &each->entry)) {
	case SPOOL_OK:
		return each->visit(each->ctx, &each->entry);
	case SPOOL_ERROR:
		each->failed = true;
		return false;
	case SPOOL_ABSENT:
	case SPOOL_EXISTS:
	case SPOOL_ELSEWHERE:
		break;
	}
	return true;
}

int
spool_each(
    struct spool *s, enum spool_place place, spool_visit *visit, void *ctx)
{
	struct each each = {
	    .spool = s, .place = place, .visit = visit, .ctx = ctx};

	if (spool_names(s, s->places[place], each_name, &each) == -1)
		return -1;
	return each.failed ? -1 : 0;
}

uint32_t
spool_aside_count(const struct spool *s)
{
	return s->aside_count;
}

struct each_bad {
	void (*visit)(void *ctx, const char *name);
	void *ctx;
};

static bool
bad_name(void *ctx, const char *name)
{
	const struct each_bad *each = ctx;

	if (spool_is_bad(name))
		each->visit(each->ctx, name);
	return true;
}

int
spool_each_bad(
    struct spool *s, void (*visit)(void *ctx, const char *name), void *ctx)
{
	struct each_bad each = {visit, ctx};

	return spool_names(s, s->places[SPOOL_HOLD], bad_name, &each);
}

static bool
count_name(void *ctx, const char *name)
{
	uint32_t *count = ctx;

	(void)name;
	return ++*count < SPOOL_MAX;
}

bool
spool_waiting(struct spool *s)
{
	uint32_t count = 0;

	/* Where it cannot be read, something may be. */
	return spool_names(s, s->places[SPOOL_NEW], count_name, &count) == -1 ||
	    count > 0;
}

/* ---- Changing ---- */

static int
check_room(struct spool *s)
{
	uint32_t count = 0;

	if (spool_names(s, s->places[SPOOL_NEW], count_name, &count) == -1 ||
	    spool_names(s, s->places[SPOOL_HOLD], count_name, &count) == -1)
		return -1;
	return count < SPOOL_MAX ? 0 : (errno = ENOSPC, -1);
}

static enum spool_status
add_locked(struct spool *s, const struct spool_entry *entry,
    struct spool_entry *there, enum spool_place *place)
{
	enum spool_status status =
	    look(s, &entry->id, SPOOL_PLACES, there, place);

	if (status != SPOOL_ABSENT)
		return status == SPOOL_OK ? SPOOL_EXISTS : status;
	if (check_room(s) == -1 ||
	    spool_file_write(s, SPOOL_NEW, entry) == -1 || spool_flush(s) == -1)
		return SPOOL_ERROR;
	*there = *entry;
	*place = SPOOL_NEW;
	return SPOOL_OK;
}

enum spool_status
spool_add(struct spool *s, const struct spool_entry *entry,
    struct spool_entry *there, enum spool_place *place)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = add_locked(s, entry, there, place);
	spool_unlock(s);
	return status;
}

static enum spool_status
claim_locked(struct spool *s, struct spool_entry *entry, const char *gateway)
{
	enum spool_place place;
	enum spool_status status = look(s, &entry->id, 1, entry, &place);

	if (status != SPOOL_OK || strcmp(entry->gateway, gateway) == 0)
		return status;
	if (entry->gateway[0] != '\0')
		return SPOOL_ELSEWHERE;
	if (!str_copy(
		entry->gateway, sizeof(entry->gateway), str_from(gateway)))
		return errno = ENAMETOOLONG, SPOOL_ERROR;
	return spool_file_write(s, SPOOL_NEW, entry) == -1 ? SPOOL_ERROR
							   : SPOOL_OK;
}

enum spool_status
spool_claim(struct spool *s, struct spool_entry *entry, const char *gateway)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = claim_locked(s, entry, gateway);
	spool_unlock(s);
	return status;
}

/* With the lock held: the entry as it is now, in another place. */
static enum spool_status
put(struct spool *s, const struct spool_entry *entry, enum spool_place from,
    enum spool_place to)
{
	if (spool_file_write(s, from, entry) == -1 ||
	    (from != to && spool_file_move(s, &entry->id, from, to) == -1))
		return SPOOL_ERROR;
	return SPOOL_OK;
}

static enum spool_status
settle_locked(
    struct spool *s, const struct spool_entry *entry, enum spool_place to)
{
	struct spool_entry now, merged = *entry;
	enum spool_place from;
	enum spool_status status = look(s, &entry->id, 2, &now, &from);

	if (status != SPOOL_OK)
		return status;
	merged.order = now.order;
	memcpy(merged.user, now.user, sizeof(now.user));
	memcpy(merged.gateway, now.gateway, sizeof(now.gateway));
	merged.added_us = now.added_us;
	return put(s, &merged, from, to == SPOOL_NEW ? from : to);
}

enum spool_status
spool_settle(
    struct spool *s, const struct spool_entry *entry, enum spool_place to)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = settle_locked(s, entry, to);
	spool_unlock(s);
	return status;
}

static enum spool_status
cancel_locked(struct spool *s, struct spool_entry *entry)
{
	enum spool_place from;
	enum spool_status status = look(s, &entry->id, 2, entry, &from);

	if (status != SPOOL_OK)
		return status;
	if (entry->gateway[0] != '\0')
		return SPOOL_ELSEWHERE;
	entry->answered = true;
	entry->answer =
	    (struct answer){.state = PAYMENT_ABORTED, .reason = CODE_CANCELLED};
	status = put(s, entry, from, SPOOL_FAILED);
	return status == SPOOL_OK && spool_flush(s) == -1 ? SPOOL_ERROR
							  : status;
}

enum spool_status
spool_cancel_unsent(struct spool *s, struct spool_entry *entry)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = cancel_locked(s, entry);
	spool_unlock(s);
	return status;
}

static enum spool_status
after(struct spool *s, int result)
{
	if (result == 0)
		result = spool_flush(s);
	else if (errno == ENOENT)
		return SPOOL_ABSENT;
	return result == 0 ? SPOOL_OK : SPOOL_ERROR;
}

enum spool_status
spool_move(struct spool *s, const struct id *id, enum spool_place from,
    enum spool_place to)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = after(s, spool_file_move(s, id, from, to));
	spool_unlock(s);
	return status;
}

static enum spool_status
release_locked(struct spool *s, const struct id *id)
{
	char name[ID_TEXT_LEN + 1];
	struct spool_entry entry;
	enum spool_status status;

	id_text(id, name);
	status = spool_file_read(s, SPOOL_HOLD, name, &entry);
	if (status != SPOOL_OK)
		return status;
	entry.next_us = 0;
	entry.attempts = 0;
	status = put(s, &entry, SPOOL_HOLD, SPOOL_NEW);
	return status == SPOOL_OK && spool_flush(s) == -1 ? SPOOL_ERROR
							  : status;
}

enum spool_status
spool_release(struct spool *s, const struct id *id)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = release_locked(s, id);
	spool_unlock(s);
	return status;
}

enum spool_status
spool_remove(struct spool *s, const struct id *id, enum spool_place place)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = after(s, spool_file_remove(s, place, id));
	spool_unlock(s);
	return status;
}

static enum spool_status
retract_locked(struct spool *s, const struct id *id)
{
	struct spool_entry entry;
	enum spool_place place;
	enum spool_status status = look(s, id, 1, &entry, &place);

	if (status != SPOOL_OK)
		return status;
	if (entry.gateway[0] != '\0')
		return SPOOL_ELSEWHERE;
	return after(s, spool_file_remove(s, SPOOL_NEW, id));
}

enum spool_status
spool_retract(struct spool *s, const struct id *id)
{
	enum spool_status status;

	if (spool_lock(s) == -1)
		return SPOOL_ERROR;
	status = retract_locked(s, id);
	spool_unlock(s);
	return status;
}

/* ---- One flusher at a time ---- */

static bool
remove_name(void *ctx, const char *name)
{
	const struct spool *s = ctx;

	(void)unlinkat(s->tmp, name, 0);
	return true;
}

/* Whoever writes to tmp has the lock: what is there now, a crash left. */
static int
clear_tmp(struct spool *s)
{
	int result;

	if (spool_lock(s) == -1)
		return -1;
	result = spool_names(s, s->tmp, remove_name, s);
	spool_unlock(s);
	return result;
}

int
spool_become_flusher(struct spool *s)
{
	CHECK(s->flusher == -1);
	s->flusher = flopenat(s->root, "flusher",
	    O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->flusher == -1)
		return -1;
	return clear_tmp(s);
}

void
spool_resign_flusher(struct spool *s)
{
	if (s->flusher != -1)
		(void)close(s->flusher);
	s->flusher = -1;
}
