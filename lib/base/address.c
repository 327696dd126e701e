#include "base/address.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int
parse_port(struct address *address, const char *text)
{
	const char *error;
	long long port;
	int len;

	/* strtonum takes signs and white space, which no port has. */
	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
		return -1;
	port = strtonum(text, 0, 65535, &error);
	if (error != NULL)
		return -1;
	len = snprintf(address->port, sizeof(address->port), "%lld", port);
	return len > 0 && (size_t)len < sizeof(address->port) ? 0 : -1;
}

int
address_parse(struct address *address, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL || parse_port(address, colon + 1) != 0)
		goto invalid;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		goto invalid; /* IPv6 without brackets */
	}
	if (len == 0 || len > ADDRESS_HOST_MAX ||
	    strcspn(text, " \t\r\n[]") < len)
		goto invalid;
	memcpy(address->host, text, len);
	address->host[len] = '\0';
	return 0;
invalid:
	errno = EINVAL;
	return -1;
}

int
address_resolve(
    const struct address *address, int flags, struct addrinfo **result)
{
	struct addrinfo hints = {
	    .ai_flags = flags | AI_NUMERICSERV,
	    .ai_socktype = SOCK_STREAM,
	};
	int error = getaddrinfo(address->host, address->port, &hints, result);

	if (error == 0)
		return 0;
	*result = NULL;
	if (error == EAI_MEMORY)
		errno = ENOMEM;
	else if (error != EAI_SYSTEM)
		errno = EHOSTUNREACH;
	return -1;
}

int
address_text(
    const struct sockaddr *sockaddr, socklen_t len, char *text, size_t size)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool v6 = sockaddr->sa_family == AF_INET6;
	int written;

	if (getnameinfo(sockaddr, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	written = snprintf(text, size, v6 ? "[%s]:%s" : "%s:%s", host, port);
	if (written < 0 || (size_t)written >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}
