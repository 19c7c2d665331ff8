/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: arguments of a command line, which anybody chooses. What redaction makes of them stays
 * inside its bounds, has as many arguments, differs only where a secret was, and
 * never holds a secret that comes after them in a form that is known.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pipeline/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 8 * TAPIO_RECORD_MAX };

static void require(bool ok, const char *what, const char *args, size_t n)
{
	if (ok)
		return;
	fprintf(stderr, "%s: ", what);
	for (size_t i = 0; i < n; i++)
		fputc(args[i] ? args[i] : '|', stderr);
	fputc('\n', stderr);
	abort();
}

static size_t count_nuls(const char *s, size_t n)
{
	size_t nuls = 0;

	for (size_t i = 0; i < n; i++)
		nuls += !s[i];
	return nuls;
}

/* Whether one argument is the other with pieces replaced: what is between them is there, in order. */
static bool arg_only_replaced(const char *in, size_t n, const char *out, size_t length)
{
	const char *next = memmem(out, length, REDACTED, strlen(REDACTED)), *found;
	size_t piece = next ? (size_t)(next - out) : length;

	if (piece > n || memcmp(in, out, piece) || (!next && piece != n))
		return false;
	while (next) {
		in += piece;
		n -= piece;
		length -= (size_t)(next - out) + strlen(REDACTED);
		out = next + strlen(REDACTED);
		next = memmem(out, length, REDACTED, strlen(REDACTED));
		piece = next ? (size_t)(next - out) : length;
		if (piece > n)
			return false;
		found = next ? memmem(in, n, out, piece) : in + n - piece;
		if (!found || memcmp(found, out, piece))
			return false;
		n -= (size_t)(found - in);
		in = found;
	}
	return true;
}

static bool only_replaced(const char *in, size_t n, const char *out, size_t length)
{
	const char *in_end = memchr(in, '\0', n), *out_end = memchr(out, '\0', length);

	while (in_end && out_end) {
		if (!arg_only_replaced(in, (size_t)(in_end - in), out, (size_t)(out_end - out)))
			return false;
		n -= (size_t)(in_end - in) + 1;
		length -= (size_t)(out_end - out) + 1;
		in = in_end + 1;
		out = out_end + 1;
		in_end = memchr(in, '\0', n);
		out_end = memchr(out, '\0', length);
	}
	return !in_end && !out_end && arg_only_replaced(in, n, out, length);
}

/* A second time may take more, where quotes are odd, but changes nothing else. */
static void check_twice(const char *out, size_t length)
{
	static char again[OUT_MAX];
	size_t n;
	bool cut;

	if (length > TAPIO_RECORD_MAX || !redact_args(out, length, again, sizeof(again), &n, &cut))
		return;
	require(only_replaced(out, length, again, n), "something else changed the second time", out, length);
}

static void check_planted(const char *args, size_t n)
{
	static const char *const forms[] = { "--password=PLANTED", "--api-token\0PLANTED", "DB_PASSWORD=PLANTED",
					     "https://u:PLANTED@h/", "Authorization: Bearer PLANTED" };
	static const size_t lengths[] = { 18, 19, 19, 20, 29 };
	static char with[TAPIO_RECORD_MAX], out[OUT_MAX];
	unsigned form = n % 5;
	size_t length;
	bool cut;

	if (n + 64 > sizeof(with) || memmem(args, n, "PLANTED", 7))
		return;
	memcpy(with, args, n);
	with[n++] = '\0';
	memcpy(with + n, forms[form], lengths[form]);
	n += lengths[form];
	require(redact_args(with, n, out, sizeof(out), &length, &cut) && !cut && !memmem(out, length, "PLANTED", 7),
		"a planted secret survived", with, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[OUT_MAX];
	size_t length = 0, short_length = 0;
	char *args, *small;
	bool cut = true;

	if (size > TAPIO_RECORD_MAX)
		return 0;
	args = malloc(size ? size : 1); /* of the exact size: nothing behind it may be read */
	small = malloc(size / 2 + 1);
	if (!args || !small)
		abort();
	memcpy(args, data, size);
	if (redact_args(args, size, out, sizeof(out), &length, &cut)) {
		require(!cut && count_nuls(args, size) == count_nuls(out, length), "arguments were lost", args, size);
		require(only_replaced(args, size, out, length), "something else changed", args, size);
		check_twice(out, length);
		redact_args(args, size, small, size / 2, &short_length, &cut);
		require(short_length <= size / 2 && cut == (length > size / 2) && !memcmp(small, out, short_length),
			"cut wrongly", args, size);
	}
	check_planted(args, size);
	free(args);
	free(small);
	return 0;
}
