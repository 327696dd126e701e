/*
 * Exit codes are an API (sysexits.h where it has a name for the case): one
 * list for every program; strife(1) and each EXIT STATUS section follow it.
 */
#ifndef STRIFE_BASE_EXITCODE_H
#define STRIFE_BASE_EXITCODE_H

enum exitcode {
	EXIT_OK = 0,
	EXIT_DECLINED = 1,     /* declined for good; audit found a fault */
	EXIT_USAGE = 64,       /* the command line is wrong */
	EXIT_DATA = 65,        /* a bad input row, or a damaged journal */
	EXIT_UNAVAILABLE = 69, /* no gateway reachable, and not queued */
	EXIT_OSERR = 71,       /* a system call failed that should not */
	EXIT_CANTCREATE = 73,  /* an output file or directory: not writable */
	EXIT_TEMPFAIL = 75,    /* not finished: run the same command again */
	EXIT_PROTOCOL = 76,    /* the peer broke the protocol */
	EXIT_NOPERM = 77,      /* login needed or refused */
	EXIT_CONFIG = 78,      /* configuration */
};

#endif
