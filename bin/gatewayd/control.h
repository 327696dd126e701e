/*
 * The control socket for strife-ctl: the coordinator answers, but for the
 * process's own numbers.
 */
#ifndef STRIFE_GATEWAYD_CONTROL_H
#define STRIFE_GATEWAYD_CONTROL_H

#include "gatewayd.h"

#define CONTROL_SLOTS 16u /* operators at once */

/* Or says why not, and exits. Slots count from first_slot. */
void control_open(struct gatewayd *, uint32_t first_slot);

#endif
