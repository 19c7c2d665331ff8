/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A judge of OpenMetrics 1.0 text, written apart from what makes it and for what Tapio publishes:
 * counters, gauges, infos and histograms without timestamps or exemplars. Stricter than promtool, which does
 * not read this format.
 */
#ifndef TESTS_OPENMETRICS_H
#define TESTS_OPENMETRICS_H

#include <stdio.h>
#include <stdlib.h>
#include "tests/strict.h"

#define OPENMETRICS_SAMPLES_MAX 4096

struct openmetrics {
	const char *at, *end;
	char family[256], type[16];
	char seen[128][256]; /* names of families that were begun */
	unsigned nseen;
	bool unit, help;
	bool sampled; /* the current family has a sample */
	double value; /* of the last sample */
	double bucket, bound; /* of the last bucket; -1 before the first of a histogram */
	struct {
		const char *name; /* with its labels */
		size_t length;
	} samples[OPENMETRICS_SAMPLES_MAX];
	unsigned nsamples;
	unsigned line;
};

static inline bool openmetrics_word(struct openmetrics *o, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(o->end - o->at) < n || memcmp(o->at, word, n))
		return false;
	o->at += n;
	return true;
}

static inline bool openmetrics_name(struct openmetrics *o, char *ret, size_t size)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t n = 0;

	while (o->at < o->end && *o->at && n + 1 < size &&
	       (strchr(first, *o->at) || (n && *o->at >= '0' && *o->at <= '9')))
		ret[n++] = *o->at++;
	ret[n] = '\0';
	return n != 0;
}

/* Up to `stop`, which is taken too; the escapes \\ \" \n and no others. */
static inline bool openmetrics_text(struct openmetrics *o, char stop)
{
	size_t length;

	while (o->at < o->end && *o->at != stop) {
		if (*o->at == '\n')
			return false;
		if (*o->at == '"')
			return false; /* quotes are escaped in help, too */
		if (*o->at == '\\') {
			o->at++;
			if (o->at == o->end || !*o->at || !strchr("\\\"n", *o->at))
				return false;
			o->at++;
			continue;
		}
		length = strict_utf8_char((const unsigned char *)o->at, (size_t)(o->end - o->at));
		if (!length)
			return false;
		o->at += length;
	}
	return o->at < o->end && *o->at++ == stop;
}

static inline const char *openmetrics_begin(struct openmetrics *o, const char *name)
{
	for (unsigned i = 0; i < o->nseen; i++)
		if (!strcmp(o->seen[i], name))
			return "a family for the second time";
	if (o->nseen == 128)
		return "too many families";
	snprintf(o->seen[o->nseen++], sizeof(o->seen[0]), "%s", name);
	snprintf(o->family, sizeof(o->family), "%s", name);
	o->unit = o->help = o->sampled = false;
	o->nsamples = 0;
	o->bucket = o->bound = -1;
	return NULL;
}

/* Behind "# ". TYPE is wanted first, then UNIT or none, then HELP. */
static inline const char *openmetrics_meta(struct openmetrics *o)
{
	bool type = openmetrics_word(o, "TYPE "), unit = !type && openmetrics_word(o, "UNIT ");
	char name[256], word[256];
	const char *fault;
	size_t n, k;

	if (!type && !unit && !openmetrics_word(o, "HELP "))
		return "neither TYPE nor UNIT nor HELP";
	if (!openmetrics_name(o, name, sizeof(name)) || !openmetrics_word(o, " "))
		return "no name";
	if (type) {
		fault = openmetrics_begin(o, name);
		if (fault)
			return fault;
		if (!openmetrics_name(o, o->type, sizeof(o->type)) || !openmetrics_word(o, "\n"))
			return "no type";
		return strcmp(o->type, "counter") && strcmp(o->type, "gauge") && strcmp(o->type, "info") &&
				       strcmp(o->type, "histogram") ? "another type" : NULL;
	}
	if (strcmp(name, o->family) || o->sampled)
		return "not below its TYPE";
	if (!unit) {
		if (o->help || o->at == o->end || *o->at == '\n')
			return "a second HELP, or an empty one";
		o->help = true;
		return openmetrics_text(o, '\n') ? NULL : "HELP: not escaped, or not UTF-8";
	}
	if (o->unit || !openmetrics_name(o, word, sizeof(word)) || !openmetrics_word(o, "\n"))
		return "a second UNIT, or none";
	o->unit = true;
	n = strlen(name);
	k = strlen(word);
	return n < k + 2 || strcmp(name + n - k, word) || name[n - k - 1] != '_' ? "UNIT is not the name's end" : NULL;
}

static inline const char *openmetrics_labels(struct openmetrics *o)
{
	char names[16][64];
	unsigned n = 0;

	do {
		if (n == 16 || !openmetrics_name(o, names[n], sizeof(names[n])))
			return "a label without a name, or too many";
		for (unsigned i = 0; i < n; i++)
			if (!strcmp(names[i], names[n]))
				return "a label for the second time";
		n++;
		if (!openmetrics_word(o, "=\"") || !openmetrics_text(o, '"'))
			return "a label's value: no quotes, not escaped, or not UTF-8";
	} while (openmetrics_word(o, ","));
	return openmetrics_word(o, "}") ? NULL : "labels without an end";
}

static inline const char *openmetrics_value(struct openmetrics *o, const char *suffix)
{
	char text[64], *end;
	size_t n = 0;
	double value;

	while (o->at < o->end && *o->at != '\n' && n + 1 < sizeof(text))
		text[n++] = *o->at++;
	text[n] = '\0';
	value = strtod(text, &end);
	if (!n || *end || strspn(text, "0123456789.-") != n)
		return "not a number";
	if (value < 0 && strcmp(o->type, "gauge"))
		return "below 0";
	if (!strcmp(suffix, "_info") && strcmp(text, "1"))
		return "an info that is not 1";
	o->value = value;
	return openmetrics_word(o, "\n") ? NULL : "no newline";
}

static inline bool openmetrics_suffix(const struct openmetrics *o, const char *suffix)
{
	if (!strcmp(o->type, "counter"))
		return !strcmp(suffix, "_total") || !strcmp(suffix, "_created");
	if (!strcmp(o->type, "histogram"))
		return !strcmp(suffix, "_bucket") || !strcmp(suffix, "_sum") || !strcmp(suffix, "_count");
	return !strcmp(suffix, !strcmp(o->type, "info") ? "_info" : "");
}

/* Of one histogram after the other: buckets that rise to +Inf, then the sum, then the count, which is that of +Inf. */
static inline const char *openmetrics_histogram(struct openmetrics *o, const char *suffix, const char *start, size_t n)
{
	const char *le = memmem(start, n, "le=\"", 4);
	double bound;

	if (!strcmp(suffix, "_bucket")) {
		if (!le)
			return "a bucket without le";
		bound = strtod(le + 4, NULL);
		if (bound <= o->bound || o->value < o->bucket || !memchr(le, le[4] == '+' ? '+' : '.', n - (size_t)(le - start)))
			return "buckets that do not rise, or a bound that is no floating point number";
		o->bound = bound;
		o->bucket = o->value;
		return NULL;
	}
	if (le || o->bound < 1e300)
		return "no bucket +Inf, or le beside a bucket";
	if (strcmp(suffix, "_count"))
		return NULL;
	if (o->value != o->bucket)
		return "a count that is not the last bucket's";
	o->bound = o->bucket = -1;
	return NULL;
}

static inline const char *openmetrics_sample(struct openmetrics *o)
{
	const char *start = o->at, *suffix, *fault = NULL;
	size_t n = strlen(o->family), length;
	char name[256];

	if (!o->nseen || !openmetrics_name(o, name, sizeof(name)) || strncmp(name, o->family, n))
		return "a sample outside its family";
	suffix = name + n;
	if (!openmetrics_suffix(o, suffix))
		return "a suffix that its type does not have";
	if (openmetrics_word(o, "{"))
		fault = openmetrics_labels(o);
	if (fault)
		return fault;
	length = (size_t)(o->at - start);
	for (unsigned i = 0; i < o->nsamples; i++)
		if (o->samples[i].length == length && !memcmp(o->samples[i].name, start, length))
			return "a sample for the second time";
	if (o->nsamples == OPENMETRICS_SAMPLES_MAX)
		return "too many samples";
	o->samples[o->nsamples].name = start;
	o->samples[o->nsamples++].length = length;
	o->sampled = true;
	fault = openmetrics_word(o, " ") ? openmetrics_value(o, suffix) : "no value";
	if (!fault && !strcmp(o->type, "histogram"))
		fault = openmetrics_histogram(o, suffix, start, length);
	return fault;
}

/* NULL, or what is wrong in *ret_line. Not re-entrant. */
static inline const char *openmetrics_fault(const char *text, size_t n, unsigned *ret_line)
{
	static struct openmetrics o;
	const char *fault = NULL;

	memset(&o, 0, sizeof(o));
	o.at = text;
	o.end = text + n;
	while (!fault) {
		*ret_line = ++o.line;
		if (o.at == o.end)
			return "no # EOF";
		if (openmetrics_word(&o, "# EOF\n"))
			return o.at != o.end ? "something after # EOF" : NULL;
		fault = openmetrics_word(&o, "# ") ? openmetrics_meta(&o) : openmetrics_sample(&o);
	}
	return fault;
}

#endif
