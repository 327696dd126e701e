/* LOGOUT and REVOKE at the coordinator: what is no longer good, and how long
 * that is remembered. */
#include "coord_harness.h"

#define LIFE_S 300
#define DAY_NS (24 * 3600 * SECOND_NS)

static bool
revoked(const struct world *w, const char *user, struct jti jti)
{
	return coord_revoked(w->coord, str_from(user), jti);
}

/* LOGOUT of a token issued now, by client n. */
static void
logout(struct world *w, uint32_t n, const char *user, struct jti jti)
{
	static struct line line;
	char text[64];
	struct msg msg;
	struct msg_problem problem;
	struct event ev = {.kind = EV_MSG, .msg = &msg};

	snprintf(text, sizeof(text), "t%u LOGOUT", ++w->tag);
	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	CHECK(msg_request(&msg, &line, SIDE_CLIENT, &problem) == LINE_OK);
	ev.peer = client_peer(n);
	ev.user = str_from(user);
	ev.jti = jti;
	ev.issued_us = w->wall_us;
	ev.expires_us = w->wall_us + LIFE_S * 1000000;
	give(w, &ev);
}

static struct coord_conf
conf_of(uint32_t revoked_max)
{
	struct coord_conf conf = default_conf();

	conf.revoked_max = revoked_max;
	return conf;
}

static void
test_numbers(void)
{
	struct world *w = world_new(NULL);
	struct jti a = coord_next_jti(w->coord), b = coord_next_jti(w->coord);

	ok(a.epoch == coord_epoch(w->coord) && jti_newer(b, a),
	    "numbers of one start grow");
	crash(w);
	ok(jti_newer(coord_next_jti(w->coord), b), "over restarts too");
	world_free(w);
}

static void
test_logout(void)
{
	struct coord_conf conf = conf_of(8);
	struct world *w = world_new(&conf);
	struct jti a = coord_next_jti(w->coord), b = coord_next_jti(w->coord);

	ok(!revoked(w, "alice", a), "a token is good");
	logout(w, 1, "alice", a);
	ok(revoked(w, "alice", a), "LOGOUT revokes it at once");
	quiet_to(w, 1, "and is not answered yet");
	ok(!revoked(w, "alice", b), "another of the same user stays good");
	durable(w);
	answered(w, 1, "t1 OK", "but when that is durable");
	is_i64(records(w, "REVOKE", ""), 1, "by one record");
	logout(w, 1, "alice", b);
	crash(w);
	ok(revoked(w, "alice", a), "a restart remembers what was answered");
	ok(!revoked(w, "alice", b), "and not what was not");
	world_holds(w, "LOGOUT");
	world_free(w);
}

static void
test_revoke(void)
{
	struct coord_conf conf = conf_of(8);
	struct world *w = world_new(&conf);
	struct jti a = coord_next_jti(w->coord), b = coord_next_jti(w->coord);
	struct jti c;

	control(w, "o1 REVOKE user=alice");
	operator_hears(w, "", "an operator waits for the record");
	durable(w);
	operator_hears(w, "o1 OK", "and is answered when it is durable");
	ok(was_logged(w, ACTION_INFO, "tokens of alice up to 1.2"),
	    "it is logged");
	c = coord_next_jti(w->coord);
	ok(revoked(w, "alice", a) && revoked(w, "alice", b),
	    "all that alice had been given");
	ok(!revoked(w, "alice", c), "none after");
	ok(!revoked(w, "alice@BankA", a) && !revoked(w, "alic", a) &&
		!revoked(w, "bob", a),
	    "and nobody else's");
	ok(revoked(w, "alice", (struct jti){9, 1}),
	    "a number that this journal does not know of is an older one's");
	crash(w);
	ok(revoked(w, "alice", b) && !revoked(w, "alice", c),
	    "a restart remembers it");
	control(w, "o2 REVOKE user=alice");
	ok(revoked(w, "alice", c), "a second time covers more");
	control(w, "o3 REVOKE user=alice@BankA");
	ok(revoked(w, "alice@BankA", a), "a bank's customer");
	is_i64(coord_revocations(w->coord), 2, "a user is remembered once");
	world_holds(w, "REVOKE");
	world_free(w);
}

static void
test_forgotten(void)
{
	struct coord_conf conf = conf_of(8);
	struct world *w = world_new(&conf);
	struct jti a = coord_next_jti(w->coord);

	control(w, "o1 REVOKE user=alice");
	logout(w, 1, "bob", a);
	pass_ns(w, (LIFE_S - 1) * SECOND_NS);
	logout(w, 1, "bob", coord_next_jti(w->coord));
	is_i64(coord_revocations(w->coord), 3,
	    "a token is remembered while it lives");
	pass_ns(w, 2 * SECOND_NS);
	logout(w, 1, "bob", coord_next_jti(w->coord));
	is_i64(coord_revocations(w->coord), 3, "and forgotten after");
	ok(!revoked(w, "bob", a), "that one");
	ok(revoked(w, "alice", a),
	    "though a user revoked before is still remembered");
	world_holds(w, "forgetting");
	pass_ns(w, DAY_NS + 2 * SECOND_NS);
	control(w, "o2 REVOKE user=carol");
	ok(!revoked(w, "alice", a), "for a day, as long as a token may live");
	is_i64(coord_revocations(w->coord), 1, "only carol is left");
	world_holds(w, "forgetting all");
	crash(w);
	is_i64(coord_revocations(w->coord), 1, "a replay forgets likewise");
	world_free(w);
}

/* The clock jumps: sessions that began with the token still last. */
static void
test_clock(void)
{
	struct coord_conf conf = conf_of(8);
	struct world *w = world_new(&conf);
	struct jti a = coord_next_jti(w->coord);

	logout(w, 1, "bob", a);
	w->wall_us += 3600 * INT64_C(1000000);
	logout(w, 1, "bob", coord_next_jti(w->coord));
	ok(revoked(w, "bob", a), "a jump of the clock forgets nothing");
	pass_ns(w, (LIFE_S + 1) * SECOND_NS);
	logout(w, 1, "bob", coord_next_jti(w->coord));
	ok(!revoked(w, "bob", a), "time does");
	world_holds(w, "a jump of the clock");
	world_free(w);
}

static void
test_bounds(void)
{
	struct coord_conf conf = conf_of(2);
	struct event room = {.kind = EV_ROOM, .room = false};
	struct world *w = world_new(&conf);
	struct jti last;

	logout(w, 1, "bob", coord_next_jti(w->coord));
	logout(w, 1, "bob", coord_next_jti(w->coord));
	last = coord_next_jti(w->coord);
	logout(w, 2, "bob", last);
	answered(w, 2, "t3 ERR code=OVERLOADED", "one token too many");
	ok(!revoked(w, "bob", last), "stays good");
	control(w, "o1 REVOKE user=bob");
	ok(revoked(w, "bob", last), "an operator's REVOKE has its own room");
	pass_ns(w, (LIFE_S + 1) * SECOND_NS);
	logout(w, 2, "bob", coord_next_jti(w->coord));
	durable(w);
	answered(w, 2, "t4 OK", "there is room again when they have expired");
	give(w, &room);
	logout(w, 3, "bob", coord_next_jti(w->coord));
	answered(w, 3, "t5 ERR code=READ_ONLY", "a full disk: LOGOUT");
	(void)next_line(w, control_peer());
	control(w, "o2 REVOKE user=carol");
	operator_hears(w, "o2 ERR code=READ_ONLY", "a full disk: REVOKE");
	world_holds(w, "bounds");
	world_free(w);
}

static void
test_many_users(void)
{
	struct world *w = world_new(NULL);
	uint32_t refused = 0;

	w->checks_every = 0;
	for (uint32_t i = 0; i < 4097; i++) {
		control(w, "o%u REVOKE user=u%u", i, i);
		durable(w);
		refused += has_words(next_line(w, control_peer()),
			       "ERR code=OVERLOADED")
		    ? 1
		    : 0;
	}
	is_i64(refused, 1, "4,096 users can be revoked in a day");
	control(w, "o REVOKE user=u0");
	durable(w);
	operator_hears(w, "o OK", "and each of them again");
	world_holds(w, "many users");
	world_free(w);
}

int
main(void)
{
	test_numbers();
	test_logout();
	test_revoke();
	test_forgotten();
	test_clock();
	test_bounds();
	test_many_users();
	return tap_done();
}
