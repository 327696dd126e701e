/* The byte queue: order, bounds, growth, and giving memory back. */
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "capture.h"
#include "tap.h"

static void
test_bounds(void)
{
	struct buffer b;
	char octets[100];

	memset(octets, 'o', sizeof(octets));
	buffer_init(&b, 100);
	ok(buffer_len(&b) == 0, "a new buffer is empty");
	ok(buffer_at(&b) != NULL, "even then it points somewhere");
	ok(buffer_append(&b, NULL, 0) == 0, "nothing can be appended");
	ok(buffer_append(&b, octets, 60) == 0, "60 of 100 octets fit");
	errno = 0;
	ok(buffer_append(&b, octets, 41) == -1 && errno == ENOBUFS,
	    "41 more do not");
	ok(buffer_len(&b) == 60, "and what did not fit left no trace");
	ok(buffer_append(&b, octets, 40) == 0, "40 more do");
	ok(buffer_reserve(&b, 1) == NULL, "full is full");
	ok(buffer_reserve(&b, SIZE_MAX) == NULL, "a huge length does not wrap");
	ok(buffer_reserve(&b, 0) != NULL, "room for nothing is always there");
	buffer_consume(&b, 1);
	ok(buffer_append(&b, "z", 1) == 0 && buffer_at(&b)[99] == 'z',
	    "consuming one makes room for one");
	buffer_consume(&b, 100);
	ok(buffer_len(&b) == 0, "all of it can be consumed");
	buffer_free(&b);
	ok(b.size == 0 && b.max == 100, "after free it is as after init");
	ok(buffer_append(&b, "again", 5) == 0, "and can be used again");
	buffer_free_secret(&b);
	buffer_free(&b);
	ok(true, "freeing twice is harmless");
}

static void
test_memory(void)
{
	const size_t large = 1u << 20;
	struct buffer b;
	char *into;

	buffer_init(&b, large);
	into = buffer_reserve(&b, large);
	ok(into != NULL, "all of max can be reserved at once");
	ok(b.size == large, "no more than max is allocated");
	memset(into, 'x', large);
	buffer_commit(&b, large);
	buffer_consume(&b, large);
	ok(b.size == 0, "a large buffer gives its memory back once empty");
	buffer_append(&b, "small", 5);
	buffer_consume(&b, 5);
	ok(b.size > 0, "a small one keeps it");
	buffer_free(&b);
}

/* Random appends and consumptions of a known sequence, in a fixed order. */
static void
test_queue(void)
{
	struct buffer b;
	uint8_t put = 0, got = 0;
	size_t held = 0, refused = 0;
	bool same = true;

	srandom(1);
	buffer_init(&b, 5000);
	for (int i = 0; i < 100000 && same; i++) {
		size_t len = (size_t)random() % 700;

		if (random() % 2 == 0) {
			char *into = buffer_reserve(&b, len);

			if ((into == NULL) != (held + len > 5000))
				same = false;
			if (into == NULL) {
				refused++;
				continue;
			}
			for (size_t j = 0; j < len; j++)
				into[j] = (char)put++;
			buffer_commit(&b, len);
			held += len;
		} else {
			if (len > held)
				len = held;
			for (size_t j = 0; j < len; j++)
				if ((uint8_t)buffer_at(&b)[j] != got++)
					same = false;
			buffer_consume(&b, len);
			held -= len;
		}
		if (buffer_len(&b) != held || b.size > 5000)
			same = false;
	}
	ok(same, "100000 random steps keep every octet in order");
	ok(refused > 0, "and the maximum was met on the way");
	buffer_free(&b);
}

static void
consume_too_much(void *ctx)
{
	struct buffer b;

	(void)ctx;
	buffer_init(&b, 10);
	if (buffer_append(&b, "abc", 3) == 0)
		buffer_consume(&b, 4);
}

static void
commit_too_much(void *ctx)
{
	struct buffer b;

	(void)ctx;
	buffer_init(&b, 10);
	buffer_commit(&b, 1);
}

static void
test_checks(void)
{
	struct capture c;

	capture_run(&c, consume_too_much, NULL);
	ok(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGABRT,
	    "consuming more than is held aborts");
	ok(strstr(c.err, "buffer.c:") != NULL &&
		strstr(c.err, ": len <= buffer_len(b) does not hold\n") != NULL,
	    "and says where and why");
	capture_run(&c, commit_too_much, NULL);
	ok(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGABRT,
	    "committing what was not reserved aborts");
}

int
main(void)
{
	test_bounds();
	test_memory();
	test_queue();
	test_checks();
	return tap_done();
}
