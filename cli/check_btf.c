/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_btf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "collect/bpflog.h"
#include "export/json.h"

const char *own_machine(void)
{
#if defined(__x86_64__)
	return "x86_64";
#else
	return "arm64";
#endif
}

/* 1 if met, 0 if not, -1 if it is no requirement at all. */
static int require_met(const struct forecast *f, const char *require)
{
	const char *equals = strchr(require, '=');

	if (!strcmp(require, "full"))
		return !strcmp(f->level, "full");
	if (!strcmp(require, "partial"))
		return !strcmp(f->level, "full") || !strcmp(f->level, "partial");
	for (unsigned i = 0; equals && i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_forecast *s = &f->sensors[i];
		size_t n = (size_t)(equals - require);

		if (!s->sensor || strlen(sensor_name(i)) != n || strncmp(sensor_name(i), require, n))
			continue;
		for (unsigned k = 0; k < ladder_height(s->sensor); k++)
			if (!strcmp(s->sensor->tiers[k].name, equals + 1))
				return s->tier == &s->sensor->tiers[k];
	}
	return -1;
}

static int judge(const struct check_btf *c, const char *file, const struct forecast *f)
{
	int status = STATUS_OK;

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (f->sensors[i].sensor && !f->sensors[i].tier)
			status = STATUS_FAILED;
	for (unsigned i = 0; i < c->nrequires; i++) {
		int met = require_met(f, c->requires[i]);

		if (met < 0)
			return usage_error("check", "--require %s: neither full, partial nor SENSOR=TIER of a sensor checked here",
					   c->requires[i]);
		if (!met) {
			log_error("check: %s: --require %s: not met: support there is %s", file, c->requires[i], f->level);
			status = STATUS_FAILED;
		}
	}
	return status;
}

/* A file's forecast: STATUS_*, with a message if there is none. */
static int look_at(const struct check_btf *c, const char *path, struct btf_source *source, struct forecast *ret,
		   char *why, size_t size)
{
	struct forecast_options options = { .events = c->run->collect.events,
					    .no_btf = feature_denied(FEATURE_BTF),
					    .no_ringbuf = feature_denied(FEATURE_RINGBUF) };
	int err = btf_load(path, source, why, size);

	memcpy(options.tiers, c->run->collect.tiers, sizeof(options.tiers));
	if (err)
		return err;
	if (source->machine && strcmp(source->machine, own_machine())) {
		snprintf(why, size, "an %s kernel, and this is Tapio for %s: the programs differ, use the other one",
			 source->machine, own_machine());
		err = -EXDEV;
	} else {
		err = forecast(source, &options, ret);
		if (err)
			snprintf(why, size, "%s", strerror(-err));
	}
	if (err)
		btf_unload(source);
	return err;
}

/* ---- a folder: one line per kernel ---- */

/* A line's words: whatever a file is called. */
static void print_name(const char *file, FILE *to)
{
	for (; *file; file++)
		fputc((unsigned char)*file <= ' ' || *file == 127 ? '?' : *file, to);
}

static void print_line(const char *file, const struct forecast *f, FILE *to)
{
	const struct btf_source *s = f->source;

	print_name(file, to);
	fprintf(to, " release=%s machine=%s level=%s ringbuf=%s", s->release[0] ? s->release : "-",
		s->machine ? s->machine : "-", f->level, f->ringbuf.foretold == FORETOLD_RUNS ? "yes" : "no");
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (f->sensors[i].sensor)
			fprintf(to, " %s=%s%s", sensor_name(i), f->sensors[i].tier ? f->sensors[i].tier->name : "none",
				f->sensors[i].open ? "?" : "");
	fprintf(to, "\n");
}

static void print_error(const char *file, const char *why, bool json, FILE *to)
{
	struct buf b = BUF_INIT(8192);

	if (json) {
		buf_adds(&b, "{\"schema\":\"" CHECK_BTF_SCHEMA "\",\"file\":");
		json_quote(&b, file, strlen(file));
		buf_adds(&b, ",\"error\":");
	} else {
		print_name(file, to);
		buf_adds(&b, " error=");
	}
	json_quote(&b, why, strlen(why));
	buf_adds(&b, json ? "}\n" : "\n");
	fwrite(b.data, 1, b.length, to);
	buf_free(&b);
}

/* What is no kernel at all is passed over: folders like /boot hold more than kernels. */
static int check_entry(const struct check_btf *c, const char *file, struct forecast *f, unsigned *kernels)
{
	char path[PATH_MAX], why[256];
	struct btf_source source;
	int status, err;

	snprintf(path, sizeof(path), "%s/%s", c->path, file);
	err = look_at(c, path, &source, f, why, sizeof(why));
	if (err == -ENOMSG || err == -EISDIR)
		return STATUS_OK;
	++*kernels;
	if (err) {
		print_error(file, why, c->json, stdout);
		return STATUS_FAILED;
	}
	if (c->json)
		check_btf_json(file, f, stdout);
	else
		print_line(file, f, stdout);
	status = judge(c, file, f);
	btf_unload(&source);
	return status;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int check_folder(const struct check_btf *c, struct forecast *f)
{
	struct dirent **entries;
	int n = scandir(c->path, &entries, visible, versionsort), status = STATUS_OK;
	unsigned kernels = 0;

	if (n < 0) {
		log_error("--btf %s: %s", c->path, strerror(errno));
		return STATUS_USAGE;
	}
	for (int i = 0; i < n; i++) {
		int one = status == STATUS_USAGE ? STATUS_OK : check_entry(c, entries[i]->d_name, f, &kernels);

		status = one > status ? one : status;
		fflush(stdout);
		free(entries[i]);
	}
	free(entries);
	if (!kernels) {
		log_error("--btf %s: there is no kernel and no BTF in this folder", c->path);
		return STATUS_USAGE;
	}
	return status;
}

static int check_file(const struct check_btf *c, struct forecast *f)
{
	struct btf_source source;
	char why[256];
	int status, err = look_at(c, c->path, &source, f, why, sizeof(why));

	if (err) {
		log_error("--btf %s: %s", c->path, why);
		return err == -ENODATA ? STATUS_FAILED : STATUS_USAGE;
	}
	status = judge(c, c->path, f);
	if (status == STATUS_USAGE)
		;
	else if (c->json)
		check_btf_json(c->path, f, stdout);
	else
		check_btf_text(c->path, f, stdout);
	btf_unload(&source);
	return status;
}

int check_btf(const struct check_btf *c)
{
	_cleanup_free_ struct forecast *f = malloc(sizeof(*f));
	struct stat st;
	int status;

	if (!f) {
		log_error("check: %s", strerror(ENOMEM));
		return STATUS_FAILED;
	}
	bpflog_init();
	if (!stat(c->path, &st) && S_ISDIR(st.st_mode))
		status = check_folder(c, f);
	else
		status = check_file(c, f);
	return stdout_failed("check") ? STATUS_FAILED : status;
}
