/*
 * "HOST:PORT" as text: names, IPv4, and IPv6 in brackets. The form in which
 * addresses are configured, printed and logged. Only address_resolve blocks.
 */
#ifndef STRIFE_BASE_ADDRESS_H
#define STRIFE_BASE_ADDRESS_H

#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_HOST_MAX 255
/* "[", host, "]:", port and NUL. */
#define ADDRESS_SIZE (ADDRESS_HOST_MAX + 10)

struct address {
	char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
	char port[6];                    /* decimal, 0 to 65535 */
};

/* 0, or -1 with errno EINVAL where text is not HOST:PORT. */
int address_parse(struct address *, const char *text);
/*
 * Stream addresses in getaddrinfo's order, for freeaddrinfo. flags as in
 * struct addrinfo. 0, or -1 with errno (EHOSTUNREACH: no such host).
 */
int address_resolve(const struct address *, int flags, struct addrinfo **);
/* Writes "HOST:PORT" in numbers. 0, or -1 with errno. */
int
address_text(const struct sockaddr *, socklen_t len, char *text, size_t size);

#endif
