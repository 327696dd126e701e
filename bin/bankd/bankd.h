/*
 * What the parts of strife-bankd share: one bank, its loop, its engine. The
 * links and the control socket turn lines into events; the ledger decides.
 */
#ifndef STRIFE_BANKD_BANKD_H
#define STRIFE_BANKD_BANKD_H

#include "auth/checker.h"
#include "config.h"
#include "ledger/ledger.h"
#include "turn/server.h"

struct links;
struct logins;

struct bankd {
	struct config config;
	struct server server;
	struct ledger *ledger;
	struct checker *checker; /* NULL: no customers file */
	struct logins *logins;
	struct links *links;
};

#endif
