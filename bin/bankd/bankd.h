/*
 * What the parts of strife-bankd share: one bank, its loop, its engine. The
 * links and the control socket turn lines into events; the ledger decides.
 */
#ifndef STRIFE_BANKD_BANKD_H
#define STRIFE_BANKD_BANKD_H

#include "auth/checker.h"
#include "base/loop.h"
#include "base/tls.h"
#include "config.h"
#include "journal/journal.h"
#include "ledger/ledger.h"
#include "turn/turn.h"

struct links;
struct control;

struct bankd {
	struct config config;
	struct loop *loop;
	struct tls *tls;
	struct journal *journal;
	struct ledger *ledger;
	struct turn *turn;
	struct checker *checker; /* NULL: no customers file */
	struct links *links;
	struct control *control;
	int64_t started_ns;
	const char *config_path;
	bool debug;    /* -d: the configured level does not matter */
	bool stopping; /* SIGTERM or SIGINT came */
};

#endif
