/* lib/wire/outbox: what waits for a flush leaves in order, after it. */
#include "wire/outbox.h"

#include "tap.h"

static char log_text[4096];

static void
deliver(void *ctx, struct peer peer, const char *line, size_t len)
{
	size_t used = strlen(log_text);

	(void)ctx;
	snprintf(log_text + used, sizeof(log_text) - used, "%u.%u:%.*s ",
	    peer.slot, peer.generation, (int)len, line);
}

static void
put(struct outbox *outbox, uint32_t slot, uint64_t after_seq, const char *line)
{
	ok(outbox_put(outbox, (struct peer){slot, slot + 1}, after_seq, line,
	       strlen(line)),
	    "%s waits for %d", line, (int)after_seq);
}

static void
released(struct outbox *outbox, uint64_t durable_seq, const char *want,
    const char *what)
{
	log_text[0] = '\0';
	outbox_release(outbox, durable_seq, deliver, NULL);
	is_text(log_text, want, what);
}

static void
test_order(void)
{
	struct outbox *outbox = outbox_new(1 << 16);

	ok(outbox != NULL && outbox_empty(outbox), "a new outbox is empty");
	if (outbox == NULL)
		return;
	released(outbox, 9, "", "an empty outbox gives nothing");
	put(outbox, 1, 0, "a");
	put(outbox, 1, 5, "b");
	put(outbox, 2, 0, "c");
	put(outbox, 1, 7, "d");
	put(outbox, 3, 5, "e");
	ok(!outbox_empty(outbox), "now it is not empty");
	released(outbox, 4, "1.2:a ", "what waits for nothing leaves first");
	released(outbox, 4, "", "what waits holds back those behind it");
	released(outbox, 5, "1.2:b 2.3:c ", "what is durable leaves in order");
	released(outbox, 6, "", "nothing leaves before its record is durable");
	put(outbox, 4, 0, "f");
	released(outbox, 7, "1.2:d 3.4:e 4.5:f ", "at last all has left");
	ok(outbox_empty(outbox), "and it is empty");
	released(outbox, UINT64_MAX, "", "nothing is delivered twice");
	put(outbox, 1, 0, "");
	released(outbox, 0, "1.2: ", "an empty line is a line");
	outbox_free(outbox);
	outbox_free(NULL);
}

static void
count(void *ctx, struct peer peer, const char *line, size_t len)
{
	unsigned *counts = ctx;

	counts[0]++;
	/* Each line is full of its own number. */
	for (size_t i = 0; i < len; i++)
		counts[1] += line[i] != (char)('a' + peer.slot % 26);
}

static void
test_full(void)
{
	struct outbox *outbox = outbox_new(1 << 20);
	static char line[LINE_MAX_LEN];
	unsigned counts[2] = {0, 0};
	uint32_t n = 0;

	if (outbox == NULL)
		return;
	for (;; n++) {
		memset(line, 'a' + (int)(n % 26), sizeof(line));
		if (!outbox_put(
			outbox, (struct peer){n, 0}, n, line, sizeof(line)))
			break;
	}
	ok(n > 200 && n <= 256, "a full outbox says so");
	ok(!outbox_put(outbox, (struct peer){n, 0}, n, line, sizeof(line)),
	    "and again");
	outbox_release(outbox, n / 2, count, counts);
	is_i64(counts[0], n / 2 + 1, "half of it leaves");
	memset(line, 'a' + (int)(n % 26), sizeof(line));
	ok(outbox_put(outbox, (struct peer){n, 0}, n, line, sizeof(line)),
	    "then there is room again");
	outbox_release(outbox, n, count, counts);
	is_i64(counts[0], n + 1, "nothing was lost");
	is_i64(counts[1], 0, "and nothing mixed up");
	ok(outbox_empty(outbox), "all has left");
	outbox_free(outbox);
	outbox = outbox_new(8);
	ok(outbox != NULL && !outbox_put(outbox, PEER_NONE, 0, "x", 1),
	    "what can never fit is refused");
	outbox_free(outbox);
}

int
main(void)
{
	test_order();
	test_full();
	return tap_done();
}
