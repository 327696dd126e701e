/*
 * HISTORY: rows and their order, pages, since and until, cursors that lie, the
 * pool of lists, and that nothing undurable is shown.
 */
#include "ledger_harness.h"

#define CHECK_HEX "0123456789abcdef0123456789abcdef"

static struct harness h;
static struct peer gw;
static uint32_t branches;

static void
begin(void)
{
	struct ledger_conf conf = harness_conf();

	harness_init(&h, &conf);
	gw = harness_gateway(&h, 1, "gw1", 1);
	branches = 0;
}

static void
end(const char *what)
{
	ok(harness_same_after_replay(&h), "%s: replay gives the same state",
	    what);
	harness_free(&h);
}

static void
pay(const char *from, const char *to, int amount, const char *peer)
{
	uint32_t n = ++branches;

	down(&h, gw,
	    "PREPARE id=%s branch=gw1.1.%u from=%s to=%s amount=%d "
	    "currency=CZK peer=%s memo=m%u",
	    uuid(n), n, from, to, amount, peer, n);
	down(&h, gw, "COMMIT id=%s branch=gw1.1.%u seq=%u check=" CHECK_HEX,
	    uuid(n), n, n);
}

static void
is_row(uint32_t n, const char *amount, const char *balance, const char *kind,
    const char *peer)
{
	const char *line = n < h.sent_count ? h.sent[n].text : "";

	ok(strcmp(field(line, "amount"), amount) == 0 &&
		strcmp(field(line, "balance"), balance) == 0 &&
		strcmp(field(line, "kind"), kind) == 0 &&
		strcmp(field(line, "peer"), peer) == 0,
	    "%s of %s to %s, with '%s'", kind, amount, balance, peer);
	if (tap_failed > 0)
		printf("#  got: %s\n", line);
}

static void
test_rows(void)
{
	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	teller(
	    &h, "WITHDRAW id=%s name=alice amount=100 currency=CZK", uuid(500));
	pay("alice", "bob", 30, "bob@BankA");
	pay("alice", ":clearing.BankB.CZK", 20, "carol@BankB");
	pay(":clearing.BankB.CZK", "alice", 7, "dave@BankB");
	down(&h, gw, "HISTORY account=alice");
	is_i64(h.sent_count, 6, "five rows and the end");
	is_row(0, "7", "857", "payment", "dave@BankB");
	is_row(1, "-20", "850", "payment", "carol@BankB");
	is_row(2, "-30", "870", "payment", "bob@BankA");
	is_row(3, "-100", "900", "withdraw", "");
	is_row(4, "1000", "1000", "deposit", "");
	is_text(field(h.sent[0].text, "memo"), "m3", "with the memo");
	is_text(field(h.sent[5].text, "next"), "", "the last page");
	down(&h, gw, "HISTORY account=bob");
	is_row(0, "30", "30", "payment", "alice@BankA");
	teller(&h, "HISTORY name=:clearing.BankB.CZK");
	is_row(0, "-7", "13", "payment", "alice@BankA");
	is_row(1, "20", "20", "payment", "alice@BankA");
	teller(&h, "OPEN name=empty currency=CZK");
	is_text(outcome(&h, down(&h, gw, "HISTORY account=empty")), "OK",
	    "an account without any");
	is_i64(h.sent_count, 1, "has no rows");
	is_text(outcome(&h, down(&h, gw, "HISTORY account=nobody")),
	    "NO_SUCH_ACCOUNT", "nobody's history");
	end("rows");
}

static void
test_pages(void)
{
	char next[64] = "", since[64], last[32] = "";
	uint32_t rows = 0, pages = 0;
	const char *reply;

	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	for (int i = 0; i < 99; i++)
		pay("alice", "bob", 1, "bob@BankA");
	do {
		reply = down(&h, gw, "HISTORY account=alice limit=30%s%s",
		    next[0] != '\0' ? " before=" : "", next);
		CHECK(strncmp(reply, "OK", 2) == 0);
		for (uint32_t i = 0; i + 1 < h.sent_count; i++)
			if (strcmp(field(h.sent[i].text, "balance"), last) != 0)
				rows++;
		strcpy(next, field(reply, "next"));
		pages++;
	} while (next[0] != '\0' && pages < 10);
	is_i64(rows, 100, "all rows");
	is_i64(pages, 4, "in four pages");
	reply = down(&h, gw, "HISTORY account=alice");
	is_i64(h.sent_count, 51, "fifty rows where no limit is given");
	reply = down(&h, gw, "HISTORY account=alice limit=100");
	is_text(field(reply, "next"), "", "exactly the last page has no next");
	/* since: the time of the 10th newest row. */
	strcpy(since, field(h.sent[9].text, "time"));
	reply = down(&h, gw, "HISTORY account=alice since=%s", since);
	is_i64(h.sent_count, 11, "since stops, that time included");
	is_text(field(reply, "next"), "", "and there is no more");
	reply = down(&h, gw, "HISTORY account=alice since=%s limit=10", since);
	is_text(field(reply, "next"), "", "no next where since ends the page");
	reply = down(&h, gw, "HISTORY account=alice since=%s limit=9", since);
	ok(field(reply, "next")[0] != '\0', "a next where one is left");
	strcpy(next, field(reply, "next"));
	down(&h, gw, "HISTORY account=alice since=%s before=%s", since, next);
	is_i64(h.sent_count, 2, "which is that one");
	reply = teller(&h, "HISTORY name=alice until=%s", since);
	is_text(field(h.sent[0].text, "time"), since, "until skips newer ones");
	harness_restart(&h);
	gw = harness_gateway(&h, 1, "gw1", 1);
	down(&h, gw, "HISTORY account=alice since=%s before=%s", since, next);
	is_i64(h.sent_count, 2, "a cursor outlives a restart");
	end("pages");
}

static void
test_cursors(void)
{
	char own[64], foreign[64], text[64];
	bool refused = true;

	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 50, 0);
	harness_account(&h, "carol", "CZK", 0, 0);
	for (int i = 0; i < 5; i++)
		pay("alice", "carol", 1, "carol@BankA");
	strcpy(
	    own, field(down(&h, gw, "HISTORY account=alice limit=2"), "next"));
	is_text(
	    outcome(&h, down(&h, gw, "HISTORY account=alice before=%s", own)),
	    "OK", "a cursor of the account's own");
	is_text(outcome(&h, down(&h, gw, "HISTORY account=bob before=%s", own)),
	    "BAD_REQUEST", "of another account");
	is_text(field(h.sent[0].text, "field"), "before", "names the field");
	for (size_t i = 0; i < strlen(own); i++) {
		strcpy(foreign, own);
		foreign[i] = foreign[i] == '0' ? '1' : '0';
		refused = refused &&
		    strcmp(outcome(&h,
			       down(&h, gw, "HISTORY account=alice before=%s",
				   foreign)),
			"BAD_REQUEST") == 0;
	}
	ok(refused, "any digit changed");
	snprintf(text, sizeof(text), "%.23s", own);
	is_text(
	    outcome(&h, down(&h, gw, "HISTORY account=alice before=%s", text)),
	    "BAD_REQUEST", "too short");
	is_text(outcome(&h, down(&h, gw, "HISTORY account=alice before=1:64")),
	    "BAD_REQUEST", "another form");
	end("cursors");
}

/*
 * The hash in a cursor is no secret: whoever computes it for a record of
 * another account, or for no record at all, still sees nothing.
 */
static void
test_forged(void)
{
	static const struct hash_key key = {{0x73747269, 0x66652d31}};
	bool refused = true;
	uint32_t shown = 0;
	char hashed[8 + 3];

	begin();
	harness_account(&h, "bob", "CZK", 50, 0);
	harness_account(&h, "alice", "CZK", 1000, 0);
	for (uint32_t i = 0; i < h.count + 2; i++) {
		struct jpos pos = harness_pos(i);
		uint32_t sum;
		const char *got;

		for (int k = 0; k < 4; k++) {
			hashed[k] = (char)(pos.segment >> (24 - 8 * k));
			hashed[4 + k] = (char)(pos.offset >> (24 - 8 * k));
		}
		memcpy(hashed + 8, "bob", 3);
		sum = (uint32_t)hash_octets(&key, hashed, sizeof(hashed));
		got = outcome(&h,
		    down(&h, gw, "HISTORY account=bob before=%08x%08x%08x",
			pos.segment, pos.offset, sum));
		shown += strcmp(got, "OK") == 0 ? 1 : 0;
		if (strcmp(got, "OK") == 0)
			refused = refused && h.sent_count == 2 &&
			    strcmp(field(h.sent[0].text, "amount"), "50") == 0;
		else
			refused = refused && strcmp(got, "BAD_REQUEST") == 0;
	}
	is_i64(shown, 1, "one forged cursor of all is the account's own row");
	ok(refused, "a forged cursor shows only the account's own rows");
	end("forged");
}

/* Lists that are not finished keep their place; lost peers give theirs up. */
static void
test_pool(void)
{
	struct event ev = {.kind = EV_MSG};
	struct event tick = {.kind = EV_TICK};
	struct peer gw2;

	begin();
	gw2 = harness_gateway(&h, 2, "gw2", 1);
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_clear(&h);
	for (int i = 0; i < 5; i++) {
		struct parsed *p = harness_parse(
		    "x HISTORY account=alice", SIDE_DOWN, VERB_UNKNOWN);

		ev.kind = EV_MSG;
		ev.msg = &p->msg;
		ev.peer = i < 2 ? gw : gw2;
		harness_step(&h, &ev);
		free(p);
	}
	is_i64(h.sent_count, 1, "the fifth list");
	is_text(field(h.sent[0].text, "code"), "OVERLOADED", "is refused");
	harness_down(&h, gw2);
	harness_clear(&h);
	while (ledger_more(h.l))
		harness_step(&h, &tick);
	is_i64(h.sent_count, 4, "two lists of one row are finished");
	ok(peer_eq(h.sent[0].peer, gw) && peer_eq(h.sent[3].peer, gw),
	    "and the lost peer's are dropped");
	end("pool");
}

static void
test_durable(void)
{
	struct event ev = {.kind = EV_MSG};
	struct event tick = {.kind = EV_TICK};
	static const char *const lines[] = {
	    "x DEPOSIT id=00000000-0000-4000-8000-000000000009 name=alice "
	    "amount=5 currency=CZK",
	    "y HISTORY name=alice",
	};

	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_clear(&h);
	for (int i = 0; i < 2; i++) {
		struct parsed *p =
		    harness_parse(lines[i], SIDE_TELLER, VERB_UNKNOWN);

		ev.kind = EV_MSG;
		ev.msg = &p->msg;
		ev.peer = TELLER;
		ev.who = STR("uid=0");
		harness_step(&h, &ev);
		free(p);
	}
	while (ledger_more(h.l))
		harness_step(&h, &tick);
	is_text(field(h.sent[1].text, "amount"), "5", "the newest row");
	is_i64(h.sent[1].after_seq, h.count, "waits until it is durable");
	harness_flush(&h);
	end("durable");
}

int
main(void)
{
	test_rows();
	test_pages();
	test_cursors();
	test_forged();
	test_pool();
	test_durable();
	return tap_done();
}
