/* SPDX-License-Identifier: Apache-2.0 */
#include "base/privilege.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool privilege_exists(unsigned cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

/* Without /proc nothing can be said against it. */
static bool single_threaded(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return true;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n <= 1;
}

static int say(char *why, size_t size, const char *what)
{
	int err = -errno;

	snprintf(why, size, "%s: %s", what, strerror(-err));
	return err;
}

/* EPERM is not worth a word: with no_new_privs the bounding set gives nothing to anybody. */
static void drop_bounding(uint64_t caps)
{
	for (unsigned cap = 0; cap < 64 && privilege_exists(cap); cap++)
		if (!(caps >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

int privilege_try(uint64_t caps, int (*attempt)(void))
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct all[_LINUX_CAPABILITY_U32S_3], some[_LINUX_CAPABILITY_U32S_3];
	int ret;

	if (syscall(SYS_capget, &header, all))
		return -EPERM;
	memcpy(some, all, sizeof(some));
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		some[i].effective &= (uint32_t)(caps >> 32 * i);
	if (syscall(SYS_capset, &header, some))
		return -EPERM;
	ret = attempt();
	syscall(SYS_capset, &header, all);
	return ret;
}

int privilege_keep(uint64_t caps, char *why, size_t size)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (!single_threaded()) {
		errno = EBUSY;
		return say(why, size, "dropping capabilities: other threads run already");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return say(why, size, "no_new_privs");
	drop_bounding(caps);
	/* Before 4.3 there is none. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return say(why, size, "clearing the ambient capabilities");
	if (syscall(SYS_capget, &header, data))
		return say(why, size, "reading the capabilities");
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(caps >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data))
		return say(why, size, "dropping capabilities");
	return 0;
}
