/* SPDX-License-Identifier: Apache-2.0 */
/* Single values of a configuration: from text, to text, and what is allowed. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/config_table.h"
#include "cli/filters.h"
#include "export/utf8.h"

static const struct {
	const char *name;
	unsigned shift;
} units[] = { { "GiB", 30 }, { "MiB", 20 }, { "KiB", 10 }, { "", 0 } };

/* ---- YAML's words ---- */

/* Other tools write off as false and no, and on as true and yes: YAML 1.1 takes them for the same. */
int config_bool_read(const char *text, bool *ret)
{
	static const char *const words[][2] = { { "false", "true" }, { "off", "on" }, { "no", "yes" } };

	for (unsigned i = 0; i < COUNT_OF(words); i++)
		for (unsigned truth = 0; truth < 2; truth++)
			if (!strcasecmp(text, words[i][truth])) {
				*ret = truth;
				return 0;
			}
	return -EINVAL;
}

static bool is_off(const char *text)
{
	bool on = true;

	return !config_bool_read(text, &on) && !on;
}

/* Whether a YAML reader takes the text as it stands for nothing but that text. */
static bool is_plain(const char *text)
{
	static const char *const words[] = { "y", "n", "null" };
	bool truth;

	if (!config_bool_read(text, &truth))
		return false;
	for (unsigned i = 0; i < COUNT_OF(words); i++)
		if (!strcasecmp(text, words[i]))
			return false;
	if (!*text || strchr("0123456789.-@\\", *text))
		return false;
	return !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@\\-")];
}

void config_text_print(const char *text, FILE *to)
{
	size_t left = strlen(text);

	if (is_plain(text)) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	while (left) {
		uint32_t cp = 0xfffd;
		unsigned n = utf8_decode(text, left, &cp);

		if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", to);
		else if (n && utf8_printable(cp) && (cp & 0xfffe) != 0xfffe)
			fwrite(text, 1, n, to);
		else
			fprintf(to, cp < 0x100 ? "\\x%02X" : cp < 0x10000 ? "\\u%04X" : "\\U%08X", cp);
		n = n ? n : 1;
		text += n;
		left -= n;
	}
	fputc('"', to);
}

/* ---- reading ---- */

static bool is_utf8(const char *text)
{
	size_t left = strlen(text);
	uint32_t cp;

	while (left) {
		unsigned n = utf8_decode(text, left, &cp);

		if (!n)
			return false;
		text += n;
		left -= n;
	}
	return true;
}

/* Digits, not more than `max`. Leading zeros are octal to YAML 1.1 and decimal to people: neither here. */
static int read_number(const char *text, uint64_t max, uint64_t *ret)
{
	if (text[0] == '0' && text[1])
		return -EINVAL;
	return parse_u64(text, max, ret);
}

/* The digits that a number with a unit begins with; returns the unit, NULL if there are too many. */
static const char *split_unit(const char *text, char digits[21])
{
	size_t n = strspn(text, "0123456789");

	if (n >= 21)
		return NULL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return text + n;
}

static int read_size(const struct config_key *key, const char *text, uint64_t *ret)
{
	char digits[21];
	const char *unit = split_unit(text, digits);
	uint64_t value;

	for (unsigned i = 0; unit && i < COUNT_OF(units); i++) {
		if (strcmp(unit, units[i].name))
			continue;
		if (read_number(digits, key->max >> units[i].shift, &value) || value << units[i].shift < key->min)
			return -EINVAL;
		value <<= units[i].shift;
		if (key->flags & CONFIG_POWER_OF_2)
			value = 1ull << (63 - __builtin_clzll(value));
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

static int read_count(const struct config_key *key, const char *text, uint32_t *ret)
{
	uint64_t value;

	if (read_number(text, key->max, &value) || value < key->min)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static const struct {
	const char *name;
	uint64_t ns;
} times[] = { { "m", 60 * NS_PER_S }, { "s", NS_PER_S }, { "ms", NS_PER_MS } };

static int read_duration(const struct config_key *key, const char *text, uint64_t *ret)
{
	char digits[21];
	const char *unit = split_unit(text, digits);
	uint64_t value;

	for (unsigned i = 0; unit && i < COUNT_OF(times); i++) {
		if (strcmp(unit, times[i].name))
			continue;
		if (read_number(digits, key->max / times[i].ns, &value) || value * times[i].ns < key->min)
			return -EINVAL;
		*ret = value * times[i].ns;
		return 0;
	}
	return -EINVAL;
}

/* The list as YAML has it in one line: "[53, 5353]". */
static int read_ports(const char *text, uint16_t ret[TAPIO_DNS_PORTS_MAX])
{
	char list[64];
	size_t n = 0;

	if (*text++ != '[')
		return -EINVAL;
	for (; *text && strcmp(text, "]") && n + 1 < sizeof(list); text++)
		if (*text != ' ')
			list[n++] = *text;
	list[n] = '\0';
	return strcmp(text, "]") ? -EINVAL : parse_ports(list, ret, TAPIO_DNS_PORTS_MAX);
}

static int read_enum(const struct config_key *key, const char *text, unsigned *ret)
{
	for (unsigned i = 0; key->names[i]; i++) {
		if (strcmp(text, key->names[i]) && !(!strcmp(key->names[i], "off") && is_off(text)))
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

static int read_text(const struct config_key *key, const char *text, char **ret)
{
	char *copy = NULL;

	if (!(key->flags & CONFIG_OFF) || !is_off(text)) {
		if (strlen(text) > key->max || !is_utf8(text) || !key->valid(text))
			return -EINVAL;
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*ret);
	*ret = copy;
	return 0;
}

static void *member_of(const struct config_key *key, const void *base)
{
	return (char *)base + key->offset;
}

int config_value_read(const struct config_key *key, const char *text, void *base)
{
	void *member = member_of(key, base);

	switch (key->kind) {
	case CONFIG_KIND_ENUM:
		return read_enum(key, text, member);
	case CONFIG_KIND_SIZE:
		return read_size(key, text, member);
	case CONFIG_KIND_COUNT:
		return read_count(key, text, member);
	case CONFIG_KIND_BOOL:
		return config_bool_read(text, member);
	case CONFIG_KIND_DURATION:
		return read_duration(key, text, member);
	case CONFIG_KIND_PORTS:
		return read_ports(text, member);
	case CONFIG_KIND_TEXT:
		return read_text(key, text, member);
	default:
		return -EINVAL;
	}
}

/* ---- writing ---- */

static void print_size(uint64_t bytes, FILE *to)
{
	unsigned i = 0;

	while (units[i].shift && (!bytes || bytes & ((1ull << units[i].shift) - 1)))
		i++;
	fprintf(to, "%" PRIu64 "%s", bytes >> units[i].shift, units[i].name);
}

static void print_duration(uint64_t ns, FILE *to)
{
	unsigned i = 0;

	while (i + 1 < COUNT_OF(times) && (!ns || ns % times[i].ns))
		i++;
	fprintf(to, "%" PRIu64 "%s", ns / times[i].ns, times[i].name);
}

static void print_ports(const uint16_t *ports, FILE *to)
{
	for (unsigned i = 0; i < TAPIO_DNS_PORTS_MAX && ports[i]; i++)
		fprintf(to, "%s%u", i ? ", " : "[", ports[i]);
	fputc(']', to);
}

/* "127.0.0.1:9477". Without dots it would be a number to base 60, and with a colon at its end a key. */
static bool is_address_and_port(const char *text)
{
	static const char digits[] = "0123456789";
	size_t address = strspn(text, "0123456789."), port = text[address] == ':' ? strspn(text + address + 1, digits) : 0;

	return strchr(digits, *text) && memchr(text, '.', address) && port && !text[address + 1 + port];
}

static void print_text(const struct config_key *key, const char *text, FILE *to)
{
	if (!text)
		fputs(key->flags & CONFIG_OFF ? "off" : "null", to);
	else if (is_address_and_port(text))
		fputs(text, to); /* text to YAML as it is */
	else
		config_text_print(text, to);
}

bool config_value_given(const struct config_key *key, const void *base)
{
	return key->kind != CONFIG_KIND_TEXT || *(char *const *)member_of(key, base);
}

void config_value_print(const struct config_key *key, const void *base, FILE *to)
{
	const void *member = member_of(key, base);

	switch (key->kind) {
	case CONFIG_KIND_ENUM:
		fputs(key->names[*(const unsigned *)member], to);
		break;
	case CONFIG_KIND_SIZE:
		print_size(*(const uint64_t *)member, to);
		break;
	case CONFIG_KIND_COUNT:
		fprintf(to, "%" PRIu32, *(const uint32_t *)member);
		break;
	case CONFIG_KIND_BOOL:
		fputs(*(const bool *)member ? "true" : "false", to);
		break;
	case CONFIG_KIND_DURATION:
		print_duration(*(const uint64_t *)member, to);
		break;
	case CONFIG_KIND_PORTS:
		print_ports(member, to);
		break;
	case CONFIG_KIND_TEXT:
		print_text(key, *(char *const *)member, to);
		break;
	default:
		break;
	}
}

/* ---- what is allowed ---- */

void config_value_allowed(const struct config_key *key, FILE *to)
{
	switch (key->kind) {
	case CONFIG_KIND_ENUM:
		for (unsigned i = 0; key->names[i]; i++)
			fprintf(to, "%s%s", !i ? "" : key->names[i + 1] ? ", " : " or ", key->names[i]);
		break;
	case CONFIG_KIND_SIZE:
		fputs("a size from ", to);
		print_size(key->min, to);
		fputs(" to ", to);
		print_size(key->max, to);
		fprintf(to, ", as in %s", key->fallback);
		break;
	case CONFIG_KIND_COUNT:
		fprintf(to, "a whole number from %" PRIu64 " to %" PRIu64, key->min, key->max);
		break;
	case CONFIG_KIND_BOOL:
		fputs("true or false", to);
		break;
	case CONFIG_KIND_DURATION:
		fputs("a time from ", to);
		print_duration(key->min, to);
		fputs(" to ", to);
		print_duration(key->max, to);
		fprintf(to, ", as in %s", key->fallback);
		break;
	case CONFIG_KIND_PORTS:
		fprintf(to, "a list of 1 to %d different ports, as in [53, 5300]", TAPIO_DNS_PORTS_MAX);
		break;
	case CONFIG_KIND_TEXT:
		fprintf(to, "%s%s", key->allowed, key->flags & CONFIG_OFF ? ", or off" : "");
		break;
	default:
		break;
	}
}

const char *config_value_hint(const struct config_key *key, const char *text)
{
	size_t n = strspn(text, "0123456789_");

	if ((key->kind != CONFIG_KIND_SIZE && key->kind != CONFIG_KIND_COUNT) || !n)
		return NULL;
	if (memchr(text, '_', n))
		return "digits only, without '_'";
	if (text[0] == '0' && n > 1)
		return "without leading zeros";
	if (key->kind == CONFIG_KIND_SIZE && text[n])
		return "whole numbers; the units are KiB, MiB and GiB, right after the number";
	return NULL;
}

/* ---- all values of a set ---- */

int config_values_default(const struct config_keys *set, void *base)
{
	for (unsigned i = 0; i < set->n; i++) {
		const struct config_key *key = &set->keys[i];
		int err = CONFIG_SINGLE(key) && key->fallback ? config_value_read(key, key->fallback, base) : 0;

		if (err)
			return err;
	}
	return 0;
}

void config_values_free(const struct config_keys *set, void *base)
{
	for (unsigned i = 0; i < set->n; i++) {
		char **text = member_of(&set->keys[i], base);

		if (set->keys[i].kind != CONFIG_KIND_TEXT)
			continue;
		free(*text);
		*text = NULL;
	}
}
