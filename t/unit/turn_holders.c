/* How many connections each certificate's holder has. */
#include "turn/holders.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

static struct tls_identity
identity(enum tls_role role, const char *name)
{
	struct tls_identity made = {.role = role};

	(void)snprintf(made.name, sizeof(made.name), "%s", name);
	return made;
}

static void
test_limit(void)
{
	struct tls_identity alice = identity(TLS_ROLE_CLIENT, "alice");
	struct tls_identity other = identity(TLS_ROLE_BANK, "alice");
	struct tls_identity longest = identity(TLS_ROLE_CLIENT,
	    "0123456789012345678901234567890123456789012345678901234567890123");
	struct holders hs;
	uint32_t first, second;

	if (!ok(holders_init(&hs, 8) == 0, "room for eight"))
		return;
	first = holders_join(&hs, &alice, 2);
	ok(first != HOLDER_NONE, "the first connection");
	/* A renewed certificate has another thumbprint. */
	alice.thumbprint[0] = 1;
	is_i64(holders_join(&hs, &alice, 2), first,
	    "the second, by another certificate, is the same holder's");
	is_i64(
	    holders_join(&hs, &alice, 2), HOLDER_NONE, "a third is too many");
	second = holders_join(&hs, &other, 2);
	ok(second != HOLDER_NONE && second != first,
	    "of another role it is somebody else");
	ok(holders_join(&hs, &longest, 1) != HOLDER_NONE, "the longest name");
	holders_leave(&hs, first);
	is_i64(holders_join(&hs, &alice, 2), first,
	    "with one gone there is room again");
	holders_leave(&hs, first);
	holders_leave(&hs, first);
	holders_leave(&hs, second);
	ok(holders_join(&hs, &alice, 1) != HOLDER_NONE,
	    "who was gone may come again");
	holders_free(&hs);
	holders_free(&hs);
}

static void
test_all(void)
{
	enum { MAX = 100 };
	uint32_t held[MAX];
	struct holders hs;
	bool good = true;

	if (!ok(holders_init(&hs, MAX) == 0, "room for a hundred"))
		return;
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < MAX; i++) {
			char name[16];
			struct tls_identity one;

			(void)snprintf(name, sizeof(name), "c%d",
			    (i * 7 + round) % (MAX + round));
			one = identity(TLS_ROLE_CLIENT, name);
			held[i] = holders_join(&hs, &one, MAX);
			good = good && held[i] != HOLDER_NONE;
		}
		for (int i = 0; i < MAX; i++)
			holders_leave(&hs, held[(i * 3 + round) % MAX]);
	}
	ok(good, "a full house of different holders, again and again");
	holders_free(&hs);
}

int
main(void)
{
	test_limit();
	test_all();
	return tap_done();
}
