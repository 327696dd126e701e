#include "client/answer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"

static const char *const state_texts[] = {
    [PAYMENT_RECEIVED] = "received",
    [PAYMENT_PREPARING] = "preparing",
    [PAYMENT_HELD] = "held",
    [PAYMENT_COMMITTED] = "committed",
    [PAYMENT_ABORTED] = "aborted",
    [PAYMENT_REFUSED] = "refused",
    [PAYMENT_UNKNOWN] = "unknown",
    [PAYMENT_UNSENT] = "unsent",
};

const char *
answer_state_text(enum payment_state state)
{
	return state_texts[state];
}

bool
answer_state_parse(enum payment_state *state, struct str text)
{
	int i;

	for (i = PAYMENT_RECEIVED; i <= PAYMENT_UNSENT; i++) {
		if (str_is(text, state_texts[i])) {
			*state = (enum payment_state)i;
			return true;
		}
	}
	return false;
}

/* A state's word of a newer gateway is an unknown outcome. */
static enum payment_state
state_read(const struct msg *reply, enum payment_state otherwise)
{
	enum payment_state state;

	if (!msg_has(reply, state))
		return otherwise;
	if (answer_state_parse(&state, reply->v[KEY_state].str) &&
	    state <= PAYMENT_ABORTED)
		return state;
	return PAYMENT_UNKNOWN;
}

struct answer
answer_read(const struct msg *reply)
{
	struct answer answer = {.reason = CODE_NONE};
	enum code code = CODE_NONE;

	CHECK(reply->word == MSG_OK || reply->word == MSG_ERR);
	if (reply->word == MSG_ERR)
		code = (enum code)reply->v[KEY_code].u64;
	answer.state = state_read(reply,
	    code == CODE_ALREADY_EXISTS || code == CODE_IN_PROGRESS ||
		    code == CODE_NONE
		? PAYMENT_UNKNOWN
		: PAYMENT_REFUSED);
	if (msg_has(reply, reason))
		answer.reason = (enum code)reply->v[KEY_reason].u64;
	else if (code != CODE_ALREADY_EXISTS)
		answer.reason = code;
	if (msg_has(reply, seq))
		answer.seq = reply->v[KEY_seq].u64;
	answer.again = code == CODE_OVERLOADED ||
	    (code == CODE_IN_PROGRESS && answer.state != PAYMENT_HELD);
	return answer;
}

static enum exitcode
reason_exit(enum code reason)
{
	switch (code_retry(reason)) {
	case RETRY_SAME_ID:
		return EXIT_TEMPFAIL;
	case RETRY_LOGIN:
		return EXIT_NOPERM;
	case RETRY_NEVER:
	case RETRY_NEW_ID:
		break;
	}
	return EXIT_DECLINED;
}

enum exitcode
answer_exit(const struct answer *answer)
{
	switch (answer->state) {
	case PAYMENT_COMMITTED:
		return EXIT_OK;
	case PAYMENT_ABORTED:
	case PAYMENT_REFUSED:
		if (answer->reason == CODE_NONE)
			return EXIT_DECLINED;
		return reason_exit(answer->reason);
	case PAYMENT_RECEIVED:
	case PAYMENT_PREPARING:
	case PAYMENT_HELD:
	case PAYMENT_UNKNOWN:
	case PAYMENT_UNSENT:
		break;
	}
	return EXIT_TEMPFAIL;
}

int64_t
again_delay_ns(uint32_t times)
{
	uint32_t random;
	int64_t delay_ns;

	CHECK(times < AGAIN_MAX);
	digest_random(&random, sizeof(random));
	delay_ns = 100 * NS_PER_MS << times;
	return delay_ns - delay_ns / 4 / 1024 * (random % 1024);
}
