/* SPDX-License-Identifier: Apache-2.0 */
/* tapio btf minimize: BTF for kernels that have none, small enough to go with them. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/check_btf.h"
#include "cli/cli.h"
#include "collect/btf_minimize.h"
#include "collect/bpflog.h"

static const char help[] =
	"usage: tapio btf minimize FILE -o OUT\n\n"
	"Cuts a kernel's BTF to what Tapio's programs need of it, a few KiB, and verifies the result: each\n"
	"relocation and each tier must come out as with the whole. FILE is BTF, a vmlinux or a kernel image, plain or\n"
	"compressed. Something that the programs need and the kernel has not is an error.\n\n"
	"Where a kernel has no BTF itself, Tapio looks for OUT at /usr/share/tapio/btf/MACHINE/RELEASE.btf, and\n"
	"RELEASE.btf.zst for what zstd made of it; MACHINE is x86_64 or arm64, RELEASE what uname -r prints.\n\n"
	"  -o, --output OUT   where to write it; - is stdout\n"
	"  -v, --verbose      show libbpf's messages\n"
	"  -h, --help         show this\n"
	"\nExit status: 0 written; 1 the kernel lacks something, or writing failed; 2 wrong usage, or FILE is not readable.\n";

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* Whole or not at all: beside it first. */
static int write_file(const char *path, const void *data, size_t bytes)
{
	_cleanup_free_ char *beside = NULL;
	int fd, err;

	if (!strcmp(path, "-"))
		return write_all(STDOUT_FILENO, data, bytes);
	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, bytes);
	if (!err && (fchmod(fd, 0644) || fsync(fd)))
		err = -errno;
	close(fd);
	if (!err && rename(beside, path))
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

static int minimize(const char *file, const char *out)
{
	_cleanup_free_ void *data = NULL;
	struct btf_source whole;
	char why[320];
	size_t bytes = 0;
	int err = btf_load(file, &whole, why, sizeof(why));

	if (err) {
		log_error("btf: %s: %s", file, why);
		return STATUS_USAGE;
	}
	if (whole.machine && strcmp(whole.machine, own_machine())) {
		log_error("btf: %s: an %s kernel, and this is Tapio for %s: the programs differ, use the other one", file,
			  whole.machine, own_machine());
		btf_unload(&whole);
		return STATUS_USAGE;
	}
	err = btf_minimize(&whole, &data, &bytes, why, sizeof(why));
	if (err)
		log_error("btf: %s: %s", file, why);
	else if (!whole.release[0])
		log_warn("btf: %s does not say of which kernel it is: that the result is used on the right one cannot be checked", file);
	if (!err) {
		err = write_file(out, data, bytes);
		if (err)
			log_error("btf: %s: %s", out, strerror(-err));
		else
			log_info("btf: %s: %zu bytes, of %zu", out, bytes, whole.types.blob_bytes);
	}
	btf_unload(&whole);
	return err ? STATUS_FAILED : STATUS_OK;
}

int cmd_btf(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *out = NULL;
	int opt;

	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":o:vh", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return STATUS_OK;
		}
		if (opt == 'v')
			log_max = LOG_DEBUG;
		else if (opt == 'o')
			out = optarg;
		else
			return usage_error("btf", "%s: %s", argv[optind - 1],
					   opt == ':' ? "this option needs a value" : "unknown option");
	}
	if (optind == argc || strcmp(argv[optind], "minimize"))
		return usage_error("btf", "%s: what to do is 'minimize'", optind == argc ? "nothing" : argv[optind]);
	if (argc - optind != 2)
		return usage_error("btf", "minimize: one FILE is wanted, not %d", argc - optind - 1);
	if (!out)
		return usage_error("btf", "minimize: -o OUT is missing");
	bpflog_init();
	return minimize(argv[optind + 1], out);
}
