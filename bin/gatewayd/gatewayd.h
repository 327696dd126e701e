/*
 * What the parts of strife-gatewayd share: one gateway, its loop, its engine.
 * The listeners and the control socket turn lines into events; the coordinator
 * decides. Peer slots are dense: banks, sessions, operators, then asks.
 */
#ifndef STRIFE_GATEWAYD_GATEWAYD_H
#define STRIFE_GATEWAYD_GATEWAYD_H

#include "auth/checker.h"
#include "config.h"
#include "coord/coord.h"
#include "turn/server.h"

struct asks;
struct banks;
struct logins;
struct sessions;
struct tokens;

struct gatewayd {
	struct config config;
	struct server server;
	struct coord *coord;
	struct checker *checker;
	struct banks *banks;
	struct sessions *sessions;
	struct asks *asks;
	struct logins *logins;
	struct tokens *tokens;
};

#endif
