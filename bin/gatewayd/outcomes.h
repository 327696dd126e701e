/*
 * One line in the log for each outcome of a payment at the gateway, made of the
 * record that says so; strife-gatewayd(8), LOGGING.
 */
#ifndef STRIFE_GATEWAYD_OUTCOMES_H
#define STRIFE_GATEWAYD_OUTCOMES_H

#include "wire/msg.h"

/* A record that is being appended: not every kind is an outcome. */
void outcome_log(const struct msg *record);

#endif
