#include "client/ids.h"

#include <bsd/stdlib.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "client/config.h"
#include "wire/msg.h"

bool
ids_parse(struct id *id, struct str text)
{
	char lower[ID_TEXT_LEN];

	if (text.len != sizeof(lower))
		return false;
	for (uint32_t i = 0; i < text.len; i++)
		lower[i] = (char)tolower((unsigned char)text.at[i]);
	/* The nil UUID is no payment's, and servers refuse it. */
	return id_parse(id, (struct str){lower, sizeof(lower)}) &&
	    !id_is_nil(id);
}

bool
ids_key_valid(struct str key)
{
	return key.len >= 1 && key.len <= IDS_KEY_MAX && text_valid(key);
}

const char *
ids_parse_field(struct id *id, struct str text, struct str scope)
{
	struct str key;

	if (ids_parse(id, text))
		return NULL;
	if (text.len <= 4 || memcmp(text.at, "key:", 4) != 0)
		return "is neither a UUID nor key:TEXT";
	key = (struct str){text.at + 4, text.len - 4};
	if (!ids_key_valid(key))
		return "has more than 1024 octets, or is not UTF-8 text "
		       "without control characters";
	*id = id_from_key(scope, key);
	return NULL;
}

void
ids_init(struct ids *ids, const struct tls_identity *self)
{
	memset(ids, 0, sizeof(*ids));
	memcpy(ids->node, self->thumbprint, sizeof(ids->node));
}

/* Half of the range is left even to the unluckiest start. */
static uint64_t
random_start(void)
{
	uint64_t start;

	digest_random(&start, sizeof(start));
	return start & (ID_COUNTER_MAX >> 1);
}

static int
counter_read(const char *path, uint64_t *counter)
{
	const char *problem;
	char *text;
	size_t len;

	if (file_read(path, 32, &text, &len) == -1) {
		if (errno == EFBIG)
			errno = EBADMSG;
		if (errno != ENOENT)
			return -1;
		*counter = random_start();
		return 0;
	}
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	*counter = (uint64_t)strtonum(
	    text, 0, (long long)ID_COUNTER_MAX + 1, &problem);
	free(text);
	if (problem != NULL)
		return errno = EBADMSG, -1;
	return 0;
}

/* With the lock held: takes count numbers out of the file. */
static int
counter_take(const char *path, uint32_t count, uint64_t *first)
{
	char text[32];
	int len;

	if (counter_read(path, first) == -1)
		return -1;
	if (*first > ID_COUNTER_MAX + 1 - count)
		return errno = ENOSPC, -1;
	len = snprintf(
	    text, sizeof(text), "%llu\n", (unsigned long long)(*first + count));
	CHECK(len > 0 && (size_t)len < sizeof(text));
	return file_replace(path, 0600, text, (size_t)len);
}

/*
 * The lock is a file of its own: the counter's is replaced by renaming, and a
 * lock on a file that is no longer there would lock nobody out.
 */
static int
lock_open(const char *path)
{
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	while (flock(fd, LOCK_EX) == -1) {
		if (errno != EINTR) {
			(void)close(fd);
			return -1;
		}
	}
	return fd;
}

int
ids_reserve(struct ids *ids, uint32_t count)
{
	char *lock_path = client_state_path("ids.lock");
	char *path = client_state_path("ids");
	uint64_t first = 0;
	int fd = -1, result = -1, error;

	CHECK(count >= 1 && count <= ID_BLOCK_MAX);
	CHECK(ids->next == ids->end);
	if (lock_path == NULL || path == NULL)
		goto out;
	fd = lock_open(lock_path);
	if (fd == -1)
		goto out;
	result = counter_take(path, count, &first);
	if (result == 0) {
		ids->next = first;
		ids->end = first + count;
	}
out:
	error = errno;
	if (fd != -1)
		(void)close(fd);
	free(path);
	free(lock_path);
	errno = error;
	return result;
}

void
ids_warn(void)
{
	int error = errno;
	char *path = client_state_find("ids");
	const char *shown = path != NULL ? path : "strife/ids";

	if (error == EBADMSG)
		warnx("cannot make a new id: %s is not a counter; move it away",
		    shown);
	else
		warnx("cannot make a new id: %s: %s", shown, strerror(error));
	free(path);
}

struct id
ids_next(struct ids *ids)
{
	uint32_t random;

	CHECK(ids->next < ids->end);
	digest_random(&random, sizeof(random));
	return id_generate(ids->node, ids->next++, random);
}
