/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FS_H
#define BASE_FS_H

/*
 * Opens a kernel file system ("tracefs", "securityfs") that is mounted nowhere: from 5.2 a mount
 * can be attached to nothing and goes with its descriptor. Needs CAP_SYS_ADMIN. The descriptor of
 * its root, or a negative errno.
 */
int fs_open_detached(const char *type);

#endif
