/*
 * What the parts of strife-gatewayd share: one gateway, its loop, its engine.
 * The listeners and the control socket turn lines into events; the coordinator
 * decides. Peer slots are dense: banks, sessions, operators, then asks.
 */
#ifndef STRIFE_GATEWAYD_GATEWAYD_H
#define STRIFE_GATEWAYD_GATEWAYD_H

#include "auth/checker.h"
#include "base/loop.h"
#include "base/tls.h"
#include "config.h"
#include "coord/coord.h"
#include "journal/journal.h"
#include "turn/talk.h"
#include "turn/turn.h"

struct asks;
struct banks;
struct control;
struct logins;
struct sessions;

struct gatewayd {
	struct config config;
	struct loop *loop;
	struct tls *tls;
	struct journal *journal;
	struct coord *coord;
	struct turn *turn;
	struct checker *checker;
	struct talks talks; /* connections to be looked at after the turn */
	struct banks *banks;
	struct sessions *sessions;
	struct control *control;
	struct asks *asks;
	struct logins *logins;
	int64_t started_ns;
	const char *config_path;
	bool debug;    /* -d: the configured level does not matter */
	bool stopping; /* SIGTERM or SIGINT came */
};

#endif
