/* lib/coord for core.h: a small gateway, gw1. */
#ifndef STRIFE_T_FUZZ_GATEWAY_H
#define STRIFE_T_FUZZ_GATEWAY_H

#include "coord/coord.h"
#include "core.h"

/*
 * The pool has room for a thousand tombstones, and fresh pages for all of them
 * would take most of a run: the linker puts these in the place of the core's
 * calloc and free (--wrap), and what is large is used again.
 */
#define LARGE ((size_t)1 << 16)
static struct {
	void *at;
	size_t size;
	bool used;
} large[16];

void *__real_calloc(size_t count, size_t size);
void __real_free(void *at);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *at);

void *
__wrap_calloc(size_t count, size_t size)
{
	size_t octets = count * size, i = 0;

	if (octets < LARGE)
		return __real_calloc(count, size);
	while (i < 16 && large[i].at != NULL &&
	    (large[i].used || large[i].size != octets))
		i++;
	CHECK(i < 16);
	if (large[i].at == NULL)
		large[i].at = __real_calloc(count, size);
	else
		memset(large[i].at, 0, octets);
	large[i].size = octets;
	large[i].used = true;
	return large[i].at;
}

void
__wrap_free(void *at)
{
	for (size_t i = 0; i < 16 && large[i].at != NULL; i++)
		if (large[i].at == at) {
			large[i].used = false;
			return;
		}
	__real_free(at);
}

static inline void
gateway_step(void *core, const struct event *ev, struct actions *actions)
{
	coord_step(core, ev, actions);
}

static inline void
gateway_check(const void *core)
{
	coord_check(core);
}

static inline void
gateway_dump(const void *core, void (*row)(void *ctx, const char *), void *ctx)
{
	coord_dump(core, row, ctx);
}

static inline void *
gateway_make(void)
{
	const struct coord_conf conf = {
	    .node = "gw1",
	    .agent = "fuzz",
	    .in_flight_max = 8,
	    .per_bank_max = 6,
	    .per_user_max = 6,
	    .held_max = 4,
	    .banks_max = 3,
	    .revoked_max = 8,
	    .window_max = 4,
	    .remembered_max = 32,
	    .prepare_timeout_ns = 5 * CORE_SECOND,
	    .held_expiry_ns = 600 * CORE_SECOND,
	    .key = {{1, 2}},
	};

	return coord_new(&conf);
}

static inline void
gateway_drop(void *core)
{
	coord_free(core);
}

static const struct core_kind gateway_kind = {SIDE_GATEWAY_JOURNAL,
    gateway_step, gateway_check, gateway_dump, coord_note, gateway_make,
    gateway_drop};

#endif
