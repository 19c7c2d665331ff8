/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen at. Numeric ones only: resolving takes libraries that a static binary lacks. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "export/http.h"

static int parse_host(const char *host, bool brackets, uint16_t port, struct sockaddr_storage *ret,
		      socklen_t *ret_length)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };

	memset(ret, 0, sizeof(*ret));
	if (brackets ? inet_pton(AF_INET6, host, &six.sin6_addr) != 1 :
		       inet_pton(AF_INET, host, &four.sin_addr) != 1)
		return -EINVAL;
	*ret_length = brackets ? sizeof(six) : sizeof(four);
	memcpy(ret, brackets ? (void *)&six : (void *)&four, *ret_length);
	return 0;
}

int http_address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_length, char *why,
		       size_t size)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
	char host[INET6_ADDRSTRLEN + 1];
	uint64_t port;

	if (!colon || parse_u64(colon + 1, UINT16_MAX, &port)) {
		snprintf(why, size, "%s: no port from 0 to 65535: an address is like 127.0.0.1:9477 or [::1]:9477", text);
		return -EINVAL;
	}
	if (brackets) {
		text++;
		n -= 2;
	}
	if (n < sizeof(host)) {
		memcpy(host, text, n);
		host[n] = '\0';
		if (!parse_host(host, brackets, (uint16_t)port, ret, ret_length))
			return 0;
	}
	snprintf(why, size, "%s: not a numeric address: wanted is one like 127.0.0.1:9477 or [::1]:9477; names are not resolved",
		 brackets ? text - 1 : text);
	return -EINVAL;
}
