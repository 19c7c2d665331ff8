/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tapio resolves no names: what it listens at and connects to is numeric. libevent refers to the C
 * library's resolver all the same, which in a static binary would load shared libraries of the
 * machine at run time. These take its place, and say no.
 */
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)res;
	return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *res)
{
	(void)res;
}

struct servent *getservbyname(const char *name, const char *proto)
{
	(void)name;
	(void)proto;
	return NULL;
}

struct protoent *getprotobynumber(int proto)
{
	(void)proto;
	return NULL;
}
