/*
 * The control socket for strife-teller: the ledger answers, but for the
 * process's own numbers. Peer slots after those of the links.
 */
#ifndef STRIFE_BANKD_CONTROL_H
#define STRIFE_BANKD_CONTROL_H

#include "bankd.h"

void control_open(struct bankd *); /* or says why not, and exits */

#endif
