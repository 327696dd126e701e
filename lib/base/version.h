/* Who we say we are in HELLO, BOOT and -V. */
#ifndef STRIFE_BASE_VERSION_H
#define STRIFE_BASE_VERSION_H

#define STRIFE_VERSION "0.1.0"

#endif
