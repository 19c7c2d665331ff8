/* SPDX-License-Identifier: Apache-2.0 */
/* Names whose values are secret, word by word. */
#include "pipeline/secret.h"

#include <ctype.h>

#include "base/cleanup.h"

enum { WORD_MAX = 24 };

/* Lower case, digits at the end left out. */
struct word {
	char s[WORD_MAX + 1];
	size_t n;
};

static const char *const exact[] = {
	"pass", "pwd", "key", "auth", "cred", "authorization", "bearer", "cookie", "passin", "passout",
	"passcode", "sig", "signature", "credential",
};

/* Also at the end of a word: PGPASSWORD, clientsecret, authtoken. */
static const char *const ends[] = { "password", "passwd", "passphrase", "secret", "token", "pwd", "pass" };

/* Words that end like that and mean something else. */
static const char *const harmless[] = { "bypass", "compass", "encompass", "trespass", "overpass",
					"underpass", "surpass" };

/* apikey, but not monkey. */
static const char *const key_starts[] = { "api", "secret", "access", "private", "auth", "master",
					  "encryption", "shared", "account", "storage", "session",
					  "signing", "service", "client", "crypt" };

/* At the end of a name: it is about a secret, not the secret. Plurals as well. */
static const char *const about[] = {
	"age",	    "alg",	"algo",	   "algorithm", "audience", "authentication", "bit",	"checking",
	"class",    "column",	"count",   "dir",	"directory", "enable",	      "enabled", "disabled",
	"endpoint", "env",	"expiration", "expires", "expiry",  "fd",	      "field",	"file",
	"folder",   "format",	"handler", "helper",	"host",	    "issuer",	      "jar",	"layout",
	"len",	    "length",	"lifetime", "map",	"max",	    "method",	      "min",	"mode",
	"name",	    "path",	"policy",  "port",	"prompt",   "provider",	      "required", "ring",
	"scope",    "server",	"size",	   "sock",	"socket",   "store",	      "timeout", "ttl",
	"type",	    "uri",	"url",	   "usage",	"user",	    "username",	      "version",
};

/* Before "key". */
static const char *const public_keys[] = { "public", "pub", "primary", "foreign", "sort", "partition" };

static const char *const amounts[] = { "max", "min", "num" };

/* Before anything: a switch that takes no value. */
static const char *const switches[] = { "no", "without", "skip", "disable", "enable", "ask" };

static bool listed(const struct word *w, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (w->s[0] == list[i][0] && !strcmp(w->s, list[i]))
			return true;
	return false;
}

#define LISTED(w, list) listed(w, list, COUNT_OF(list))

static bool ends_with(const struct word *w, const char *end)
{
	size_t n = strlen(end);

	return w->n >= n && !memcmp(w->s + w->n - n, end, n);
}

static bool is_key(const struct word *w)
{
	if (w->n <= 3 || !ends_with(w, "key"))
		return false;
	for (size_t i = 0; i < COUNT_OF(key_starts); i++)
		if (!strncmp(w->s, key_starts[i], strlen(key_starts[i])))
			return true;
	return false;
}

static bool is_secret(const struct word *w, const struct word *before)
{
	if (!strcmp(w->s, "key") && LISTED(before, public_keys))
		return false;
	if (!strcmp(w->s, "token") && LISTED(before, amounts)) /* of a language model */
		return false;
	if (LISTED(w, exact) || is_key(w))
		return true;
	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (ends_with(w, ends[i]))
			return !LISTED(w, harmless);
	return false;
}

/* Passwords and keys; "pass" is no plural. */
static struct word singular(const struct word *w)
{
	struct word one = *w;

	if (one.n > 3 && one.s[one.n - 1] == 's' && one.s[one.n - 2] != 's')
		one.s[--one.n] = '\0';
	return one;
}

/* Whether a word ends before s[i] because the case of letters says so: aB, ABc. */
static bool camel_break(const char *s, size_t n, size_t i)
{
	unsigned char before = (unsigned char)s[i - 1], here = (unsigned char)s[i];

	if (!isupper(here))
		return false;
	return !isupper(before) || (i + 1 < n && islower((unsigned char)s[i + 1]));
}

/* The next word from *at on, false at the end. */
static bool next_word(const char *s, size_t n, bool camel, size_t *at, struct word *ret)
{
	size_t i = *at;

	ret->n = 0;
	while (i < n && !isalnum((unsigned char)s[i]))
		i++;
	for (size_t start = i; i < n && isalnum((unsigned char)s[i]); i++) {
		if (camel && i > start && camel_break(s, n, i))
			break;
		if (ret->n == WORD_MAX) { /* of a long word the end decides */
			memmove(ret->s, ret->s + 1, WORD_MAX - 1);
			ret->n--;
		}
		ret->s[ret->n++] = (char)tolower((unsigned char)s[i]);
	}
	*at = i;
	if (!ret->n)
		return false;
	while (ret->n > 1 && isdigit((unsigned char)ret->s[ret->n - 1]))
		ret->n--;
	ret->s[ret->n] = '\0';
	return true;
}

static enum secret_name judge(const char *name, size_t n, bool camel)
{
	struct word before = { .n = 0 }, w, one = { .n = 0 };
	bool secret = false, off = false, first = true;
	size_t at = 0;

	while (next_word(name, n, camel, &at, &w)) {
		off = off || (first && LISTED(&w, switches));
		first = false;
		before = one;
		one = singular(&w);
		secret = secret || is_secret(&one, &before);
	}
	if (!secret || LISTED(&one, about))
		return NAME_PLAIN;
	if (!strcmp(one.s, "id") && !strcmp(before.s, "key")) /* but a secret_id is one */
		return NAME_PLAIN;
	return off ? NAME_SECRET_SWITCH : NAME_SECRET;
}

enum secret_name secret_name(const char *name, size_t n)
{
	enum secret_name camel = judge(name, n, true);

	return camel != NAME_PLAIN ? camel : judge(name, n, false); /* pAssWord, too */
}
