/* Who may try to log in after failures. */
#include "auth/lockout.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tap.h"

#define BURST 3
#define ALICE STR("alice")
#define BOB STR("bob")
#define HOST STR("host")
#define OTHER STR("other")

static const struct hash_key key = {{1, 2}};
static int64_t now_ns = 1000 * NS_PER_S;

static struct lockout *
make(uint32_t entries_max)
{
	return lockout_new(BURST, entries_max, &key);
}

static uint32_t
wait_s(struct lockout *l, struct str user, struct str certificate)
{
	return lockout_wait_s(l, user, certificate, now_ns);
}

static void
fail(struct lockout *l, struct str user, struct str certificate, int times)
{
	for (int i = 0; i < times; i++)
		lockout_failed(l, user, certificate, now_ns);
}

static void
test_pair(void)
{
	struct lockout *l = make(64);

	is_i64(wait_s(l, ALICE, HOST), 0, "a new pair may try");
	fail(l, ALICE, HOST, BURST - 1);
	is_i64(wait_s(l, ALICE, HOST), 0, "below the burst it may try on");
	fail(l, ALICE, HOST, 1);
	is_i64(wait_s(l, ALICE, HOST), 1, "at the burst it waits a second");
	is_i64(wait_s(l, ALICE, OTHER), 0, "another certificate does not");
	is_i64(wait_s(l, BOB, HOST), 0, "another user does not");
	now_ns += NS_PER_S - 1;
	is_i64(wait_s(l, ALICE, HOST), 1, "a part of a second counts as one");
	now_ns += 1;
	is_i64(wait_s(l, ALICE, HOST), 0, "after the wait it may try");
	for (uint32_t expected = 2; expected <= 512; expected *= 2) {
		fail(l, ALICE, HOST, 1);
		is_i64(wait_s(l, ALICE, HOST), expected,
		    "each further failure doubles the wait");
		now_ns += expected * NS_PER_S;
	}
	fail(l, ALICE, HOST, 1);
	is_i64(wait_s(l, ALICE, HOST), LOCKOUT_WAIT_MAX_S, "up to 900 seconds");
	now_ns += LOCKOUT_WAIT_MAX_S * NS_PER_S;
	fail(l, ALICE, HOST, 1);
	is_i64(wait_s(l, ALICE, HOST), LOCKOUT_WAIT_MAX_S, "and not beyond");
	lockout_free(l);
}

static void
test_reset(void)
{
	struct lockout *l = make(64);

	fail(l, ALICE, HOST, BURST - 1);
	lockout_good(l, ALICE, HOST);
	fail(l, ALICE, HOST, BURST - 1);
	is_i64(wait_s(l, ALICE, HOST), 0, "a good login resets the pair");
	lockout_good(l, BOB, OTHER);
	ok(true, "also one that nothing is known of");
	fail(l, ALICE, HOST, 1);
	is_i64(wait_s(l, ALICE, HOST), 1, "it is locked");
	now_ns += (LOCKOUT_WAIT_MAX_S + 1) * NS_PER_S;
	fail(l, ALICE, HOST, BURST - 1);
	is_i64(wait_s(l, ALICE, HOST), 0,
	    "900 quiet seconds after the lock reset it");
	now_ns += (LOCKOUT_WAIT_MAX_S - 1) * NS_PER_S;
	fail(l, ALICE, HOST, 1);
	is_i64(wait_s(l, ALICE, HOST), 1, "899 do not");
	lockout_free(l);
}

static void
test_certificate(void)
{
	struct lockout *l = make(256);
	char user[16];

	for (int i = 0; i < LOCKOUT_CERTIFICATE_BURSTS * BURST - 1; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		fail(l, str_from(user), HOST, 1);
	}
	is_i64(wait_s(l, ALICE, HOST), 0, "one failure fewer than ten bursts");
	lockout_good(l, STR("user1"), HOST);
	fail(l, BOB, HOST, 1);
	is_i64(wait_s(l, ALICE, HOST), 1,
	    "ten bursts lock the certificate, whatever succeeded");
	is_i64(wait_s(l, ALICE, OTHER), 0, "and no other");
	now_ns += NS_PER_S;
	fail(l, ALICE, HOST, 1);
	is_i64(wait_s(l, BOB, HOST), 2, "one more failure doubles its wait");
	lockout_free(l);
}

static void
test_bounds(void)
{
	struct lockout *l = make(4);
	char user[128], certificate[128];

	for (int i = 0; i < 1000; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		fail(l, str_from(user), HOST, BURST);
	}
	is_i64(wait_s(l, STR("user999"), OTHER), 0, "nothing is mixed up");
	ok(wait_s(l, STR("user999"), HOST) > 0, "the newest are remembered");
	memset(user, 'u', 97);
	memset(certificate, 'c', 64);
	user[97] = certificate[64] = '\0';
	fail(l, str_from(user), str_from(certificate), BURST);
	is_i64(wait_s(l, str_from(user), str_from(certificate)), 1,
	    "the longest names fit");
	lockout_free(l);
	lockout_free(NULL);
}

int
main(void)
{
	test_pair();
	test_reset();
	test_certificate();
	test_bounds();
	return tap_done();
}
