/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags, word by word: those whose name tells that a secret follows, and the short ones of programs
 * that are known to take one. Arguments with spaces are read as a shell would: sh -c '...', ssh
 * host '...'.
 */
#include "pipeline/secret.h"

#include <stdint.h>
#include <strings.h>

#include "base/cleanup.h"

/* Which part of a value is secret. */
enum part {
	PART_NONE,
	PART_WHOLE,
	PART_AFTER_COLON,   /* user:password */
	PART_AFTER_PERCENT, /* user%password */
	PART_AFTER_COMMA,   /* user,password */
	PART_AFTER_EQUALS,  /* name=secret */
	PART_USERINFO,      /* user:password@host */
};

enum form {
	NEXT = 1,     /* the next word is the value */
	ATTACHED = 2, /* the value is behind the letter, or behind --flag= */
	BOTH = 3,
	ONCE = 4,     /* what comes behind the value belongs to another program */
};

struct flag_rule {
	const char *program; /* "mysql*": all that begin like that */
	const char *flag;    /* a word without a dash: a subcommand that is followed by a secret */
	uint8_t form;
	uint8_t part;
	const char *before; /* letters that may stand before it in the same word */
};

/* docs/REDACTION.md lists them. Rows of one program stand together. */
static const struct flag_rule rules[] = {
	{ "7z*", "-p", ATTACHED, PART_WHOLE, "" },
	{ "bcp", "-P", BOTH, PART_WHOLE, "" },
	{ "crictl", "--creds", BOTH, PART_WHOLE, "" },
	{ "ctr", "-u", BOTH, PART_AFTER_COLON, "" },
	{ "ctr", "--user", BOTH, PART_AFTER_COLON, "" },
	{ "curl", "-u", BOTH, PART_AFTER_COLON, "#0123456BGIJLNOSafgijklnpqsv" },
	{ "curl", "-U", BOTH, PART_AFTER_COLON, "#0123456BGIJLNOSafgijklnpqsv" },
	{ "curl", "-b", BOTH, PART_WHOLE, "#0123456BGIJLNOSafgijklnpqsv" },
	{ "curl", "-E", BOTH, PART_AFTER_COLON, "#0123456BGIJLNOSafgijklnpqsv" },
	{ "curl", "-x", BOTH, PART_USERINFO, "#0123456BGIJLNOSafgijklnpqsv" },
	{ "curl", "--user", BOTH, PART_AFTER_COLON, "" },
	{ "curl", "--proxy-user", BOTH, PART_AFTER_COLON, "" },
	{ "curl", "--proxy", BOTH, PART_USERINFO, "" },
	{ "curl", "--cert", BOTH, PART_AFTER_COLON, "" },
	{ "etcdctl", "--user", BOTH, PART_AFTER_COLON, "" },
	{ "http", "-a", BOTH, PART_WHOLE, "" },
	{ "https", "-a", BOTH, PART_WHOLE, "" },
	{ "ipmitool", "-P", BOTH, PART_WHOLE, "" },
	{ "isql", "-P", BOTH, PART_WHOLE, "" },
	{ "ldap*", "-w", BOTH, PART_WHOLE, "vxZcnMAC" },
	{ "ldap*", "-s", BOTH, PART_WHOLE, "vxZcnMAC" },
	{ "ldap*", "-a", BOTH, PART_WHOLE, "vxZcnMAC" },
	{ "lftp", "-u", BOTH, PART_AFTER_COMMA, "" },
	{ "login", "-p", BOTH, PART_WHOLE, "" },
	{ "mariadb*", "-p", ATTACHED, PART_WHOLE, "" },
	{ "mongo*", "-p", BOTH, PART_WHOLE, "" },
	{ "mosquitto_*", "-P", BOTH, PART_WHOLE, "" },
	{ "mysql*", "-p", ATTACHED, PART_WHOLE, "" },
	{ "net", "-U", BOTH, PART_AFTER_PERCENT, "" },
	{ "nmcli", "password", NEXT, PART_WHOLE, "" },
	{ "osql", "-P", BOTH, PART_WHOLE, "" },
	{ "rdesktop", "-p", BOTH, PART_WHOLE, "" },
	{ "redis-cli", "-a", BOTH, PART_WHOLE, "" },
	{ "redis-cli", "auth", NEXT, PART_WHOLE, "" },
	{ "rpcclient", "-U", BOTH, PART_AFTER_PERCENT, "" },
	{ "rpcclient", "--user", BOTH, PART_AFTER_PERCENT, "" },
	{ "smbclient", "-U", BOTH, PART_AFTER_PERCENT, "" },
	{ "smbclient", "--user", BOTH, PART_AFTER_PERCENT, "" },
	{ "snmp*", "-c", BOTH, PART_WHOLE, "" },
	{ "snmp*", "-A", BOTH, PART_WHOLE, "" },
	{ "snmp*", "-X", BOTH, PART_WHOLE, "" },
	{ "sqlcmd", "-P", BOTH, PART_WHOLE, "" },
	{ "sshpass", "-p", BOTH | ONCE, PART_WHOLE, "" },
	{ "unrar", "-p", ATTACHED, PART_WHOLE, "" },
	{ "unzip", "-P", BOTH, PART_WHOLE, "" },
	{ "useradd", "-p", BOTH, PART_WHOLE, "" },
	{ "usermod", "-p", BOTH, PART_WHOLE, "" },
	{ "valkey-cli", "-a", BOTH, PART_WHOLE, "" },
	{ "valkey-cli", "auth", NEXT, PART_WHOLE, "" },
	{ "zip", "-P", BOTH, PART_WHOLE, "" },
};

enum { NO_PROGRAM = COUNT_OF(rules), DEPTH_MAX = 4 };

/* What the words so far say about the next one. */
struct state {
	unsigned program;  /* its first rule */
	enum part pending; /* the next word is a value */
	bool setting;      /* the next word may be a name whose value follows: config set NAME VALUE */
};

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* Without a scheme, which secret_urls would look for. */
static void mark_userinfo(struct secrets *secrets, size_t from, size_t to)
{
	const char *s = secrets->s, *at = memrchr(s + from, '@', to - from);
	const char *colon = at ? memchr(s + from, ':', (size_t)(at - s) - from) : NULL;

	if (colon && (at - colon < 3 || memcmp(colon, "://", 3)))
		secret_mark(secrets, (size_t)(colon - s) + 1, (size_t)(at - s));
}

static void mark_part(struct secrets *secrets, enum part part, size_t from, size_t to)
{
	static const char separators[] = { [PART_AFTER_COLON] = ':', [PART_AFTER_PERCENT] = '%',
					   [PART_AFTER_COMMA] = ',', [PART_AFTER_EQUALS] = '=' };
	const char *at;

	if (part == PART_WHOLE)
		secret_mark(secrets, from, to);
	if (part == PART_USERINFO)
		mark_userinfo(secrets, from, to);
	if (part == PART_WHOLE || part == PART_USERINFO)
		return;
	if (from + 1 < to && is_quote(secrets->s[from]) && secrets->s[to - 1] == secrets->s[from]) {
		from++; /* -u"user:password" */
		to--;
	}
	at = memchr(secrets->s + from, separators[part], to - from);
	if (!at)
		return;
	if (part == PART_AFTER_COLON && at + 1 == secrets->s + to) /* -u token: */
		secret_mark(secrets, from, to - 1);
	else
		secret_mark(secrets, (size_t)(at - secrets->s) + 1, to);
}

/* ---- programs ---- */

static bool names_program(const char *rule, const char *s, size_t n)
{
	size_t length = strlen(rule);

	if (rule[length - 1] == '*')
		return n >= length - 1 && !memcmp(rule, s, length - 1);
	return n == length && !memcmp(rule, s, n);
}

static unsigned find_program(const char *s, size_t n)
{
	const char *slash = memrchr(s, '/', n);
	size_t skip = slash ? (size_t)(slash - s) + 1 : 0;

	if (n - skip < 2)
		return NO_PROGRAM;
	for (unsigned i = 0; i < NO_PROGRAM; i++)
		if (rules[i].program[0] == s[skip] && names_program(rules[i].program, s + skip, n - skip))
			return i;
	return NO_PROGRAM;
}

/* ---- flags ---- */

static bool rule_long(struct secrets *secrets, struct state *state, const struct flag_rule *rule, size_t from,
		      size_t to)
{
	size_t n = strlen(rule->flag);
	const char *s = secrets->s + from;

	if (to - from < n || strncasecmp(s, rule->flag, n))
		return false;
	if (to - from == n) {
		state->pending = rule->form & NEXT ? rule->part : PART_NONE;
		return true;
	}
	if (s[n] != '=' || !(rule->form & ATTACHED))
		return false;
	mark_part(secrets, rule->part, from + n + 1, to);
	return true;
}

static bool rule_short(struct secrets *secrets, struct state *state, const struct flag_rule *rule, size_t from,
		       size_t to)
{
	const char *s = secrets->s;
	size_t at = from + 1;

	while (at < to && s[at] != rule->flag[1] && strchr(rule->before, s[at]))
		at++;
	if (at >= to || s[at] != rule->flag[1])
		return false;
	if (++at < to && (rule->form & ATTACHED))
		mark_part(secrets, rule->part, at, to);
	else if (at == to && (rule->form & NEXT))
		state->pending = rule->part;
	if (rule->form & ONCE)
		state->program = NO_PROGRAM;
	return true;
}

/* Whether a rule of the program that runs is about this word. */
static bool flag_of_program(struct secrets *secrets, struct state *state, size_t from, size_t to)
{
	const char *s = secrets->s;
	bool is_short = to - from >= 2 && s[from] == '-' && s[from + 1] != '-';

	for (unsigned i = state->program; i < NO_PROGRAM; i++) {
		const struct flag_rule *rule = &rules[i];

		if (strcmp(rule->program, rules[state->program].program))
			break;
		if (rule->flag[0] == '-' && rule->flag[1] != '-') {
			if (is_short && rule_short(secrets, state, rule, from, to))
				return true;
		} else if (rule_long(secrets, state, rule, from, to)) {
			return true;
		}
	}
	return false;
}

/* A name and nothing else: with a value behind it, it is for secret_values. */
static bool is_flag(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!secret_is(s[i], CLASS_NAME))
			return false;
	return true;
}

static void flag_found(struct secrets *secrets, struct state *state, size_t from, size_t to)
{
	const char *s = secrets->s;
	size_t n = to - from;

	if (n < 4 || !is_flag(s + from, n))
		return;
	if (n == 14 && !memcmp(s + from, "--from-literal", n))
		state->pending = PART_AFTER_EQUALS;
	else if (secret_name(s + from, n) == NAME_SECRET)
		state->pending = PART_WHOLE;
}

/* ---- words ---- */

static bool is_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && !strncasecmp(s, word, n);
}

/* What may come before a name whose value is the next word. */
static bool is_setting(const char *s, size_t n)
{
	static const char *const words[] = { "set", "config", "--global", "--local", "--system", "--add" };

	for (unsigned i = 0; i < COUNT_OF(words); i++)
		if (is_word(s, n, words[i]))
			return true;
	return false;
}

static void word_found(struct secrets *secrets, struct state *state, size_t from, size_t to)
{
	const char *s = secrets->s + from;
	size_t n = to - from;
	enum part pending = state->pending;
	bool setting = state->setting;
	unsigned program;

	if (pending && n == 1 && s[0] == '=')
		return;
	state->pending = PART_NONE;
	if (pending && !(n >= 2 && s[0] == '-' && s[1] == '-')) {
		mark_part(secrets, pending, from, to);
		return;
	}
	state->setting = is_setting(s, n);
	if (state->program < NO_PROGRAM && flag_of_program(secrets, state, from, to))
		return;
	if (n && s[0] == '-') {
		flag_found(secrets, state, from, to);
		return;
	}
	if (setting && !memchr(s, '=', n) && secret_name(s, n) == NAME_SECRET) {
		state->pending = PART_WHOLE;
		return;
	}
	program = find_program(s, n);
	if (program < NO_PROGRAM)
		state->program = program;
}

static void words_found(struct secrets *secrets, size_t begin, size_t end, unsigned depth);

static bool has_space(const struct secrets *secrets, size_t from, size_t to)
{
	while (from < to && !secret_is(secrets->s[from], CLASS_SPACE))
		from++;
	return from < to;
}

/* Takes the quotes off that are around a word. False: they are not around all of it. */
static bool unquote(const char *s, size_t *from, size_t *to)
{
	size_t slashes = 0, n = *to - *from;
	char quote;

	while (slashes < n && s[*from + slashes] == '\\')
		slashes++;
	if (slashes == n || !is_quote(s[*from + slashes]))
		return !slashes;
	quote = s[*from + slashes];
	if (n < 2 * slashes + 2 || s[*to - 1] != quote || memcmp(s + *from, s + *to - 1 - slashes, slashes) ||
	    memchr(s + *from + slashes + 1, quote, n - 2 * slashes - 2)) {
		*from += slashes + 1; /* to know what it is, though it is marked whole */
		return false;
	}
	*from += slashes + 1;
	*to -= slashes + 1;
	return true;
}

/* A word of a script; if it is a script itself, its words. */
static void script_word(struct secrets *secrets, struct state *state, size_t from, size_t to, unsigned depth)
{
	size_t begin = from, end = to;
	bool whole = unquote(secrets->s, &from, &to), pending = state->pending;
	unsigned before = secrets->count;

	word_found(secrets, state, from, to);
	if (!pending && has_space(secrets, from, to))
		words_found(secrets, from, to, depth + 1);
	if (!whole && secrets->count > before)
		secret_mark(secrets, begin, end); /* to leave half a quote would change how the rest is read */
}

static void words_found(struct secrets *secrets, size_t begin, size_t end, unsigned depth)
{
	struct state state = { .program = NO_PROGRAM };
	const char *s = secrets->s;

	if (depth >= DEPTH_MAX)
		return;
	for (size_t at = begin, to; at < end; at = to) {
		if (secret_is(s[at], CLASS_SHELL))
			state = (struct state){ .program = NO_PROGRAM };
		if (secret_is(s[at], CLASS_SPACE | CLASS_SHELL)) {
			to = at + 1;
			continue;
		}
		to = secret_shell_end(secrets, at, end);
		script_word(secrets, &state, at, to, depth);
	}
}

void secret_flags(struct secrets *secrets)
{
	struct state state = { .program = NO_PROGRAM };

	for (size_t begin = 0, end; begin < secrets->n; begin = end + 1) {
		bool pending = state.pending;

		end = secret_arg_end(secrets, begin);
		word_found(secrets, &state, begin, end);
		if (!pending && has_space(secrets, begin, end))
			words_found(secrets, begin, end, 0);
	}
}
