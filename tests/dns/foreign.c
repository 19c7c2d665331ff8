/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign OBJECT CGROUP COUNTED DENIED: attaches foreign.bpf.c's programs to a cgroup, for as long as it runs. Prints
 * "attached", and for each line that it reads what was seen: ingress, egress, denied.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>

/* They are all of the object's read-only data, in the order of their declaration. */
static int write_addresses(struct bpf_object *obj, const char *counted, const char *denied)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".rodata");
	__u32 addresses[2];

	if (inet_pton(AF_INET, counted, &addresses[0]) != 1 || inet_pton(AF_INET, denied, &addresses[1]) != 1 || !map)
		return -1;
	return bpf_map__set_initial_value(map, addresses, sizeof(addresses));
}

int main(int argc, char **argv)
{
	struct bpf_object *obj = argc == 5 ? bpf_object__open_file(argv[1], NULL) : NULL;
	int cgroup = argc == 5 ? open(argv[2], O_RDONLY | O_DIRECTORY) : -1, map, zero = 0;
	struct bpf_program *prog;
	__u32 seen[3];
	char line[16];

	if (!obj || cgroup < 0 || write_addresses(obj, argv[3], argv[4]) || bpf_object__load(obj)) {
		fprintf(stderr, "foreign: cannot be loaded\n");
		return 1;
	}
	bpf_object__for_each_program(prog, obj)
		if (!bpf_program__attach_cgroup(prog, cgroup)) {
			perror("foreign: attaching");
			return 1;
		}
	map = bpf_object__find_map_fd_by_name(obj, ".bss");
	puts("attached");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (bpf_map_lookup_elem(map, &zero, seen))
			return 1;
		printf("%u %u %u\n", seen[0], seen[1], seen[2]);
		fflush(stdout);
	}
	return 0;
}
