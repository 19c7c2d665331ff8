/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files named, or all files of the folders named: replay PATH... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files;

static int replay_file(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	static uint8_t data[1 << 20];
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), f);
	if (ferror(f)) {
		perror(path);
		return 1;
	}
	LLVMFuzzerTestOneInput(data, size);
	files++;
	return 0;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_folder(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, visible, alphasort), status = 0;
	char file[4096];

	if (n < 0) {
		perror(path);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		status |= replay_file(file);
		free(entries[i]);
	}
	free(entries);
	return status;
}

int main(int argc, char **argv)
{
	int status = argc < 2;
	struct stat st;

	for (int i = 1; i < argc; i++)
		status |= !stat(argv[i], &st) && S_ISDIR(st.st_mode) ? replay_folder(argv[i]) :
								       replay_file(argv[i]);
	printf("%u inputs\n", files);
	return status || !files; /* a corpus that is not there must not pass */
}
