#include "turn/snapshots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define ERROR_MAX 512
/* A snapshot that is due and fails is tried again after this. */
#define RETRY_NS (60 * NS_PER_S)

/* ---- Answers ---- */

/* seq 0: it failed. */
static void
answer(struct snapshots *ss, const struct snapshot_asker *a, uint64_t seq,
    const char *error)
{
	struct msg m;

	if (seq == 0) {
		msg_error(&m, a->verb, a->tag, CODE_INTERNAL, error);
	} else {
		msg_init(&m, MSG_OK, a->verb, a->tag);
		msg_set_u64(&m, KEY_seq, seq);
	}
	turn_send(ss->turn, a->peer, &m);
}

/* Those that this one was taken for; the others want a later one. */
static void
answer_all(struct snapshots *ss, uint64_t seq, const char *error)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < ss->asker_count; i++) {
		if (ss->askers[i].served)
			answer(ss, &ss->askers[i], seq, error);
		else
			ss->askers[left++] = ss->askers[i];
	}
	ss->asker_count = left;
}

static void
failed(struct snapshots *ss, const char *error)
{
	log_error("no snapshot could be taken", LOG_C("why", error));
	ss->retry_ns = clock_mono_ns() + RETRY_NS;
	answer_all(ss, 0, error);
}

/* ---- Taking one ---- */

static void
ended(void *ctx, uint32_t events)
{
	struct snapshots *ss = ctx;
	char error[ERROR_MAX], text[ERROR_MAX + 64];
	uint64_t seq;

	(void)events;
	loop_unwatch(ss->loop, &ss->watch);
	ss->taking = false;
	if (!journal_snapshot_end(ss->journal, &seq, error, sizeof(error))) {
		(void)snprintf(text, sizeof(text),
		    "the snapshot of record %" PRIu64 " failed: %s", seq,
		    error);
		failed(ss, text);
		return;
	}
	log_info("a snapshot was taken", LOG_U("seq", seq));
	answer_all(ss, seq, NULL);
}

/* Nothing is unflushed now. */
static void
begin(void *ctx)
{
	struct snapshots *ss = ctx;
	char text[ERROR_MAX];

	for (uint32_t i = 0; i < ss->asker_count; i++)
		ss->askers[i].served = true;
	ss->watch.fd = journal_snapshot_begin(ss->journal);
	ss->taking = ss->watch.fd >= 0;
	if (ss->taking && loop_watch(ss->loop, &ss->watch) == 0)
		return;
	(void)snprintf(text, sizeof(text), "no snapshot can be begun: %s",
	    strerror(errno));
	/* What cannot be watched is waited for. */
	if (ss->taking)
		ended(ss, 0);
	else
		failed(ss, text);
}

/* ---- The interface ---- */

void
snapshots_init(struct snapshots *ss, struct loop *loop, struct turn *turn,
    struct journal *journal, int64_t octets)
{
	memset(ss, 0, sizeof(*ss));
	ss->loop = loop;
	ss->turn = turn;
	ss->journal = journal;
	ss->octets = (uint64_t)octets;
	ss->watch = (struct watch){
	    .fd = -1, .events = EPOLLIN, .ready = ended, .ctx = ss};
}

void
snapshots_stop(struct snapshots *ss)
{
	if (ss->taking)
		loop_unwatch(ss->loop, &ss->watch);
	ss->taking = false;
	ss->asker_count = 0;
	ss->journal = NULL;
}

void
snapshots_ask(struct snapshots *ss, struct talk *o, const struct msg *m)
{
	struct snapshot_asker *a = &ss->askers[ss->asker_count];

	if (ss->asker_count == SNAPSHOT_ASKERS_MAX) {
		talk_error(o, m->tag, CODE_OVERLOADED, STR_NONE,
		    "too many wait for a snapshot");
		return;
	}
	*a = (struct snapshot_asker){.peer = o->peer, .verb = m->verb};
	memcpy(a->tag, m->tag, sizeof(a->tag));
	ss->asker_count++;
}

static bool
is_due(const struct snapshots *ss)
{
	/* What room there is on the disk is for records. */
	return journal_since_snapshot(ss->journal) >= ss->octets &&
	    turn_has_room(ss->turn) && clock_mono_ns() >= ss->retry_ns;
}

void
snapshots_turn(struct snapshots *ss)
{
	if (ss->journal == NULL || ss->taking)
		return;
	if (ss->asker_count > 0 || is_due(ss))
		turn_when_flushed(ss->turn, begin, ss);
}
