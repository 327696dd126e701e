/* lib/coord for core.h: a small gateway, gw1. */
#ifndef STRIFE_T_FUZZ_GATEWAY_H
#define STRIFE_T_FUZZ_GATEWAY_H

#include "coord/coord.h"
#include "core.h"

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
	    .tombstones_max = 4,
	    .heuristics_max = 8,
	    .banks_max = 3,
	    .revoked_max = 8,
	    .revoked_users_max = 4,
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
