/* The configuration that a client program's command line asks for. */
#ifndef STRIFE_CLIENT_CONFIGURE_H
#define STRIFE_CLIENT_CONFIGURE_H

#include "client/config.h"
#include "client/options.h"

/*
 * Reads pay.yaml, which -c names, or where it is found: EXIT_OK, or EXIT_CONFIG
 * having said why. Ends the program where memory is short.
 */
int configure_read(const struct options *, struct client_config *);

#endif
