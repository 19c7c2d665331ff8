/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a configuration file. What is refused is refused with one harmless line that names the
 * file and leaves the configuration alone; what is taken prints as YAML that is taken again, as the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/config.h"
#include "tests/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what, const char *text)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

static char *printed(const struct config *config, size_t *ret_size)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_size);

	require(to, "no memory", "");
	config_print(config, to);
	fclose(to);
	return text;
}

static void check_refused(int err, const char *why, const struct config *config)
{
	static const struct config untouched;

	require(err < 0 && strlen(why) > strlen("fuzz: ") && !strncmp(why, "fuzz:", 5), "no reason", why);
	require(strict_harmless_text(why, strlen(why)), "a harmful message", why);
	require(!memcmp(config, &untouched, sizeof(untouched)), "refused and changed", why);
}

static void check_taken(struct config *config)
{
	char why[CONFIG_WHY_MAX] = "", keys[256];
	struct config again;
	size_t size, size_again;
	char *text = printed(config, &size), *text_again;

	if (size <= CONFIG_FILE_MAX) {
		require(!config_parse("printed", text, size, &again, why, sizeof(why)), why, text);
		text_again = printed(&again, &size_again);
		require(!strcmp(text, text_again), text, text_again);
		require(!config_needs_restart(config, &again, keys, sizeof(keys)), keys, text);
		free(text_again);
		config_free(&again);
	}
	free(text);
	config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[CONFIG_WHY_MAX] = "", *copy = malloc(size ? size : 1); /* nothing behind it may be read */
	struct config config;
	int err;

	memset(&config, 0, sizeof(config));
	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	err = config_parse("fuzz", copy, size, &config, why, sizeof(why));
	free(copy);
	if (err)
		check_refused(err, why, &config);
	else
		check_taken(&config);
	return 0;
}
