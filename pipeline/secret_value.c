/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values behind a name, anywhere in an argument: NAME=value, "name": "value", Name: value,
 * PASSWORD 'value', Bearer value; and user:password@ of URLs.
 *
 * Where a value ends depends on what it stands in: a query string, a connection string, JSON, a
 * header, a shell's script. Where that cannot be told it ends late.
 */
#include "pipeline/secret.h"

#include <ctype.h>
#include <strings.h>

/* A name and what is around it. */
struct named {
	size_t begin, end;     /* of the argument */
	size_t from, to;       /* the name, dashes before it included */
	size_t value;          /* where its value begins */
	bool colon, closed;    /* a ':' between them; a quote behind the name */
	bool script;           /* in a shell's script */
};

const unsigned char secret_class[256] = {
	[' '] = CLASS_SPACE, ['\t' ... '\r'] = CLASS_SPACE,
	[';'] = CLASS_SHELL, ['|'] = CLASS_SHELL, ['&'] = CLASS_SHELL, ['('] = CLASS_SHELL, [')'] = CLASS_SHELL,
	['<'] = CLASS_SHELL, ['>'] = CLASS_SHELL, ['`'] = CLASS_SHELL,
	['a' ... 'z'] = CLASS_NAME, ['A' ... 'Z'] = CLASS_NAME, ['0' ... '9'] = CLASS_NAME,
	['_'] = CLASS_NAME, ['-'] = CLASS_NAME, ['.'] = CLASS_NAME,
};

static bool is_quote(char c)
{
	return c == '"' || c == '\'' || c == '`';
}

/* How many backslashes end before s[at]. */
static size_t backslashes(const char *s, size_t begin, size_t at)
{
	size_t n = 0;

	while (at - n > begin && s[at - n - 1] == '\\')
		n++;
	return n;
}

/* The quote that closes one with as many backslashes before it; `end` if there is none. */
static size_t closing_quote(const char *s, size_t at, size_t end, char quote, size_t slashes)
{
	for (; at < end; at++) {
		if (s[at] != quote || backslashes(s, 0, at) != slashes)
			continue;
		if (at + 1 < end && s[at + 1] == quote && !slashes) /* doubled: SQL's way to escape it */
			at++;
		else
			return at;
	}
	return end;
}

size_t secret_shell_end(const struct secrets *secrets, size_t at, size_t end)
{
	const char *s = secrets->s;
	char quote = '\0';

	for (; at < end; at++) {
		if (s[at] == '\\' && quote != '\'') {
			at++;
		} else if (quote) {
			quote = s[at] == quote ? '\0' : quote;
		} else if (s[at] == '"' || s[at] == '\'') {
			quote = s[at];
		} else if (secret_is(s[at], CLASS_SPACE | CLASS_SHELL)) {
			return at;
		}
	}
	return end;
}

static size_t until(const struct secrets *secrets, size_t at, size_t end, const char *stops)
{
	while (at < end && !strchr(stops, secrets->s[at]))
		at++;
	return at;
}

static size_t ahead(size_t at, size_t end)
{
	return end - at > SECRET_AHEAD ? at + SECRET_AHEAD : end;
}

/* A list or an object of JSON, to the bracket that closes it. */
static size_t bracket_end(const struct secrets *secrets, size_t at, size_t end)
{
	unsigned depth = 0;

	for (; at < end; at++) {
		char c = secrets->s[at];

		depth += c == '[' || c == '{';
		if ((c == ']' || c == '}') && !--depth)
			return at + 1;
	}
	return end;
}

/* A value that begins with a quote, perhaps behind backslashes. */
static void mark_quoted(struct secrets *secrets, const struct named *v, size_t quote)
{
	const char *s = secrets->s;
	size_t close = closing_quote(s, quote + 1, v->end, s[quote], quote - v->value);
	size_t inside = close - (close < v->end ? quote - v->value : 0);

	if (close + 1 < v->end && !secret_is(s[close + 1], CLASS_SPACE) && !strchr(",;:}])&|\"'`\\", s[close + 1]))
		secret_mark(secrets, v->value, secret_shell_end(secrets, v->value, v->end)); /* 'a'b */
	else
		secret_mark(secrets, quote + 1, inside);
}

static size_t unquoted_end(const struct secrets *secrets, const struct named *v)
{
	const char *s = secrets->s;
	char before = v->from > v->begin ? s[v->from - 1] : '\0';

	if (v->closed && (s[v->value] == '[' || s[v->value] == '{'))
		return bracket_end(secrets, v->value, v->end);
	if (v->closed && v->colon)
		return until(secrets, v->value, v->end, ",}] \t\r\n\"'\\");
	if (!before && !v->script)
		return v->end;
	if (is_quote(before) && !v->closed)
		return closing_quote(s, v->value, v->end, before, backslashes(s, v->begin, v->from - 1));
	if (v->colon)
		return until(secrets, v->value, v->end, "\r\n\"'`,}");
	if (before == '?' || before == '&')
		return until(secrets, v->value, v->end, "&;# \t\r\n\"'`<>)");
	if (before == ';' && !v->script)
		return until(secrets, v->value, v->end, ";\"'`");
	if (before == ',')
		return until(secrets, v->value, v->end, ", \t\r\n\"'`");
	if (before == '{' || before == '(' || before == '[')
		return until(secrets, v->value, v->end, ",;}]) \t\r\n\"'`");
	if (before == '=' && !v->script)
		return v->end;
	return secret_shell_end(secrets, v->value, v->end);
}

static void mark_value(struct secrets *secrets, const struct named *v)
{
	const char *s = secrets->s;
	size_t quote = v->value;

	if (v->value >= v->end)
		return;
	while (quote < v->end && s[quote] == '\\')
		quote++;
	if (quote < v->end && is_quote(s[quote]) && (v->from > v->begin || v->script))
		mark_quoted(secrets, v, quote);
	else
		secret_mark(secrets, v->value, unquoted_end(secrets, v));
}

static size_t skip_spaces(const char *s, size_t at, size_t end)
{
	while (at < end && secret_is(s[at], CLASS_SPACE))
		at++;
	return at;
}

/* Finds what joins the name to a value. False: nothing does. */
static bool find_value(const struct secrets *secrets, struct named *v)
{
	const char *s = secrets->s;
	size_t at = v->to, joint;

	while (at < v->end && (s[at] == '\\' || s[at] == ']' || s[at] == ')' || is_quote(s[at]))) {
		v->closed = v->closed || is_quote(s[at]);
		at++;
	}
	at = skip_spaces(s, at, v->end);
	for (joint = at; at < v->end && (s[at] == '=' || s[at] == ':' || (s[at] == '>' && at > joint)); at++)
		v->colon = v->colon || s[at] == ':';
	v->value = skip_spaces(s, at, v->end);
	if (at == joint)
		return false;
	if (s[joint] == ':' && at - joint == 2 && s[joint + 1] == ':') /* Auth::Basic */
		return false;
	/* a scheme, a host with a port, a user of a URL: secret_urls looks at those */
	return !v->colon || !((at + 1 < v->end && s[at] == '/' && s[at + 1] == '/') ||
			      (v->from >= v->begin + 2 && s[v->from - 1] == '/' && s[v->from - 2] == '/') ||
			      (v->from > v->begin && s[v->from - 1] == '@'));
}

static bool is_word(const struct secrets *secrets, const struct named *v, const char *word)
{
	size_t n = strlen(word);

	return v->to - v->from == n && !strncasecmp(secrets->s + v->from, word, n);
}

/* Without a joint: Bearer value, PASSWORD 'value', PASSWORD('value'), IDENTIFIED BY 'value'. */
static bool find_unjoined(const struct secrets *secrets, struct named *v)
{
	const char *s = secrets->s;

	v->value = skip_spaces(s, v->to, v->end);
	if (v->value < v->end && s[v->value] == '(')
		v->value++;
	else if (v->value == v->to)
		return false;
	if (v->value >= v->end || is_word(secrets, v, "bearer"))
		return v->value < v->end;
	if (is_word(secrets, v, "identified"))
		v->value = until(secrets, v->value, ahead(v->value, v->end), "\"'`\\;");
	return v->value < v->end && (is_quote(s[v->value]) || s[v->value] == '\\');
}

static void mark_unjoined(struct secrets *secrets, const struct named *v)
{
	const char *s = secrets->s;
	size_t quote = v->value;

	if (is_word(secrets, v, "bearer")) {
		secret_mark(secrets, v->value, until(secrets, v->value, v->end, " \t\r\n\"'`,;\\"));
		return;
	}
	while (quote < v->end && s[quote] == '\\')
		quote++;
	if (quote < v->end && is_quote(s[quote]))
		mark_quoted(secrets, v, quote);
}

static bool is_secret(const struct secrets *secrets, const struct named *v)
{
	const char *name = secrets->s + v->from;
	size_t n = v->to - v->from;

	if (secret_name(name, n) != NAME_PLAIN)
		return true;
	/* -Dpassword=, -Ptoken= */
	return n > 2 && name[0] == '-' && name[1] != '-' && secret_name(name + 2, n - 2) != NAME_PLAIN;
}

/* kubectl create secret --from-literal=ANYTHING=value */
static bool is_literal(const struct secrets *secrets, const struct named *v)
{
	return is_word(secrets, v, "--from-literal");
}

static void mark_literal(struct secrets *secrets, const struct named *v)
{
	size_t value = until(secrets, v->value, v->end, "=") + 1;

	if (value < v->end)
		secret_mark(secrets, value, v->script ? secret_shell_end(secrets, value, v->end) : v->end);
}

static void name_found(struct secrets *secrets, struct named *v)
{
	const char *s = secrets->s;
	bool joined = find_value(secrets, v), identified = is_word(secrets, v, "identified");

	if (!joined && !find_unjoined(secrets, v))
		return;
	if (joined && is_literal(secrets, v))
		mark_literal(secrets, v);
	else if (identified ? joined : !is_secret(secrets, v))
		return;
	else if (joined && v->value < v->end && s[v->value] == '/' &&
		 (is_word(secrets, v, "pwd") || is_word(secrets, v, "oldpwd")))
		return; /* the shell's: a path */
	else if (joined)
		mark_value(secrets, v);
	else
		mark_unjoined(secrets, v);
}

/* Whether the argument that ends at `end`, where its NUL is, is called like a shell. */
static bool is_shell(const char *s, size_t begin, size_t end)
{
	return (end >= begin + 2 && !memcmp(s + end - 2, "sh", 2)) ||
	       (end >= begin + 2 && !memcmp(s + end - 2, "su", 2)) ||
	       (end >= begin + 7 && !memcmp(s + end - 7, "runuser", 7));
}

/* Whether the argument before the one at `from` is -c, -lc, -euxc. */
static bool follows_c(const char *s, size_t from)
{
	size_t n = 0;

	while (n + 2 < from && n < 6 && isalpha((unsigned char)s[from - 2 - n]))
		n++;
	return n && n < 6 && from >= n + 2 && s[from - 2] == 'c' && s[from - 2 - n] == '-' &&
	       (from == n + 2 || !s[from - 3 - n]);
}

static void names_found(struct secrets *secrets, size_t begin, size_t end, bool script)
{
	const char *s = secrets->s;

	for (size_t at = begin; at < end;) {
		struct named v = { .begin = begin, .end = end, .from = at, .script = script };

		while (at < end && secret_is(s[at], CLASS_NAME))
			at++;
		v.to = at;
		if (v.to - v.from >= 3)
			name_found(secrets, &v);
		at += v.to == v.from;
		if (secrets->end > at) /* but a value that ends in a name may name the next one */
			for (v.to = at, at = secrets->end; at > v.to && secret_is(s[at - 1], CLASS_NAME);)
				at--;
	}
}

void secret_values(struct secrets *secrets)
{
	bool shell = false;

	for (size_t begin = 0, end; begin < secrets->n; begin = end + 1) {
		end = secret_arg_end(secrets, begin);
		names_found(secrets, begin, end, shell && follows_c(secrets->s, begin));
		shell = shell || is_shell(secrets->s, begin, end);
	}
}

/* ---- URLs ---- */

static bool is_port(const char *s, size_t at, size_t end)
{
	size_t digits = 0;

	while (at + digits < end && isdigit((unsigned char)s[at + digits]))
		digits++;
	return at + digits == end && digits <= 5;
}

static size_t last_at(const char *s, size_t from, size_t end)
{
	const char *p = from < end ? memrchr(s + from, '@', end - from) : NULL;

	return p ? (size_t)(p - s) : end;
}

/* ssh://git@host: a login, and no place for a token. */
static bool scheme_has_login(const char *s, size_t begin, size_t colon)
{
	size_t from = colon;

	while (from > begin && (isalnum((unsigned char)s[from - 1]) || strchr("+.-", s[from - 1])))
		from--;
	return colon - from >= 3 && (!strncasecmp(s + colon - 3, "ssh", 3) || !strncasecmp(s + from, "sftp", 4));
}

static void mark_userinfo(struct secrets *secrets, size_t from, size_t at, bool login)
{
	const char *s = secrets->s, *colon = memchr(s + from, ':', at - from);
	size_t password = colon ? (size_t)(colon - s) + 1 : at;
	static const char placeholder[] = "x-oauth-basic"; /* GitHub's, where the user is the token */

	if (password < at)
		secret_mark(secrets, password, at);
	if (password == at ? !login : at - password == sizeof(placeholder) - 1 && !memcmp(s + password, placeholder, at - password))
		secret_mark(secrets, from, colon ? password - 1 : at);
}

/* The word that URLs are in, and the last '@' in it (`end` if there is none). */
struct url_word {
	size_t begin, end, at;
};

static void url_word(const struct secrets *secrets, size_t from, size_t end, struct url_word *word)
{
	if (from >= word->begin && from < word->end)
		return; /* still the same */
	word->begin = from;
	word->end = until(secrets, from, end, " \t\r\n\"'`<>\\");
	word->at = last_at(secrets->s, from, word->end);
}

/* What stands behind "//" in the argument [begin, end); returns where to go on. */
static size_t authority_found(struct secrets *secrets, size_t begin, size_t from, size_t end, struct url_word *word)
{
	const char *s = secrets->s;
	size_t slash = until(secrets, from, end, "/?# \t\r\n\"'`<>\\"), colon = until(secrets, from, slash, ":");
	size_t at = last_at(s, from, slash);
	bool login = from >= begin + 3 && s[from - 3] == ':' && scheme_has_login(s, begin, from - 3);
	bool port = is_port(s, colon + 1, slash);

	url_word(secrets, from, end, word);
	if (at < slash)
		mark_userinfo(secrets, from, at, login);
	else if (colon == slash || s[from] == '[')
		return slash;
	/* a password that holds a '/', or one whose '@' was cut off with the end of the arguments */
	else if (!port && slash < word->at && word->at < word->end)
		mark_userinfo(secrets, from, word->at, login);
	else if (word->end == secrets->n && (slash == word->end || !port))
		secret_mark(secrets, colon + 1, word->end);
	return slash;
}

void secret_urls(struct secrets *secrets)
{
	const char *s = secrets->s;
	struct url_word word = { 0 };

	for (size_t begin = 0, end; begin < secrets->n; begin = end + 1) {
		end = secret_arg_end(secrets, begin);
		for (size_t at = begin; at + 2 < end;) {
			bool found = s[at] == '/' && s[at + 1] == '/' && /* in a path, too, there may be // */
				     (at == begin || strchr(":=,( \t\n\"'`", s[at - 1]));

			at = found ? authority_found(secrets, begin, at + 2, end, &word) : at + 1;
		}
	}
}
