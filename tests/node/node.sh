# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # variables of those who source this
# A node in a box: namespaces with a file system, a systemd and a containerd of their own. Sourced.
#
#   hybrid   the machine's systemd as PID 1, cgroup v1 and v2 as the machine has them, containerd with the
#            systemd driver. All cgroups are below /$node_name in the machine's tree, as on a node of kind.
#   unified  the same with cgroup v2 alone
#   plain    no systemd: containerd with the cgroupfs driver, in the machine's own cgroups, without a prefix
#
# A node's files are the machine's, on an overlay. $node is its directory, and of it: mode, pid (of PID 1, as
# the machine numbers it), name; share/ is /run/node inside; overlay/ and root/ are mounted in there only.

node_tools=$OUT/tests/node
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")

# ---- programs and images ----

# What runs in containers, and the client that makes them: $node_tools.
node_build() {
	local cc=(gcc -O2 -static -Wall -Werror)
	mkdir -p "$node_tools"
	"${cc[@]}" -o "$node_tools/pause" "$here/pause.c" &&
		"${cc[@]}" -o "$node_tools/exec_storm" tests/bench/exec_storm.c &&
		"${cc[@]}" -nostdlib -o "$node_tools/exit0" tests/bench/exit0.c &&
		protoc --python_out="$node_tools" --proto_path="$here" cri.proto &&
		"$here/image.py" "$node_tools/pause.tar" tapio.test/pause:1 /pause pause="$node_tools/pause" &&
		"$here/image.py" "$node_tools/tools.tar" tapio.test/tools:1 /bin/sh bin/busybox=/bin/busybox \
			bin/exec_storm="$node_tools/exec_storm" bin/exit0="$node_tools/exit0" \
			bin/{sh,sleep,cat,mkdir,true,false}=:busybox
}

# ---- up and down ----

# Mount points of the machine's cgroup hierarchies, of version 2 alone for mode unified.
hierarchies() { # MODE
	awk -v mode="$1" '$4 == "/" && / - cgroup2? / && (mode != "unified" || / - cgroup2 /) { print $5 }' /proc/self/mountinfo
}

# Whether the machine's cgroups are of the kind that MODE needs; else the reason.
node_possible() { # MODE
	local mounts
	mounts=$(hierarchies "$1" | wc -l)
	case $1 in
	hybrid) [ "$mounts" -gt 1 ] || echo "no cgroup v1 hierarchy on this machine" ;;
	unified) [ "$mounts" -gt 0 ] || echo "no cgroup v2 hierarchy on this machine" ;;
	esac
}

# Moves the calling process into the cgroup NAME of each hierarchy.
enter_cgroups() { # MODE NAME
	local mount cgroup file
	for mount in $(hierarchies "$1"); do
		cgroup=$mount/$2
		mkdir -p "$cgroup"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$mount/$file" ] || cat "$mount/$file" >"$cgroup/$file"
		done
		echo "$BASHPID" >"$cgroup/cgroup.procs"
	done
}

# Starts a node of that mode in DIRECTORY, which it makes, and waits until it serves.
node_up() { # MODE DIRECTORY NAME
	node=$2 node_mode=$1 node_name=$3
	mkdir -p "$node"/{share,overlay,root}
	echo "$node_mode" >"$node/mode"
	echo "$node_name" >"$node/name"
	cp "$here/inside" "$tapio" "$node_tools"/*.tar "$node_tools/exec_storm" "$node_tools/exit0" "$node/share"
	# Not a job of this shell: those end with each test.
	(
		[ "$node_mode" = plain ] || enter_cgroups "$node_mode" "$node_name"
		cgroup_namespace=
		[ "$node_mode" = plain ] || cgroup_namespace=--cgroup
		setsid unshare --pid --mount --uts --ipc --net $cgroup_namespace --fork --kill-child \
			"$here/inside" boot "$node_mode" "$node" >"$node/console" 2>&1 </dev/null &
		echo $! >"$node/unshare"
	)
	node_wait && node_load && node_view
}

node_wait() {
	local i state
	for ((i = 0; i < 600; i++)); do
		node_pid=$(cat "/proc/$(cat "$node/unshare")/task/"*/children 2>/dev/null)
		node_pid=${node_pid% }
		if [ -z "$node_pid" ]; then
			sleep 0.05
			continue
		fi
		echo "$node_pid" >"$node/pid"
		if [ "$node_mode" = plain ]; then
			state=running
		else
			state=$(node_in systemctl is-system-running 2>/dev/null)
		fi
		case $state in running | degraded)
			node_in ctr version >/dev/null 2>&1 && return 0
			;;
		esac
		sleep 0.05
	done
	echo "$node: not up after 30 s: ${state:-no first process}" >&2
	tail -n 20 "$node/console" >&2
	return 1
}

node_load() {
	local image
	for image in pause tools; do
		node_in ctr -n k8s.io images import "/run/node/$image.tar" >/dev/null || return
	done
}

# Runs a command inside; it stays in the caller's cgroup.
node_in() { # COMMAND...
	local cgroup_namespace=
	[ "$node_mode" = plain ] || cgroup_namespace=--cgroup
	nsenter --target "$node_pid" --mount --uts --ipc --net --pid $cgroup_namespace --root --wd -- "$@"
}

# Makes $node/tapio: Tapio as it runs on that node, with the node's files but the pids and cgroups of the machine.
node_view() {
	cat >"$node/tapio" <<-SCRIPT
		#!/bin/sh
		# SPDX-License-Identifier: Apache-2.0
		exec nsenter --target $node_pid --mount --root --wd -- \
			unshare --mount -- /run/node/inside view $node_mode /run/node/tapio "\$@"
	SCRIPT
	chmod +x "$node/tapio"
}

# Ends it, whatever state it is in. All its processes go with its PID 1, all its mounts with them.
node_down() { # [DIRECTORY]
	local mount i parent cgroups
	node=${1:-$node}
	node_mode=$(cat "$node/mode") node_name=$(cat "$node/name")
	# --kill-child: its PID 1 goes with it
	parent=$(cat "$node/unshare" 2>/dev/null)
	if [ -n "$parent" ] && grep -qs inside "/proc/$parent/cmdline"; then
		kill -KILL "$parent"
		for ((i = 0; i < 500; i++)); do
			[ -d "/proc/$(cat "$node/pid" 2>/dev/null || echo none)" ] || break
			sleep 0.02
		done
	fi
	mapfile -t cgroups < <(node_cgroups)
	# a cgroup stays busy for a moment after its last process
	for ((i = 0; i < 100 && ${#cgroups[@]}; i++)); do
		find "${cgroups[@]}" -depth -type d -delete 2>/dev/null
		mapfile -t cgroups < <(node_cgroups)
		[ ${#cgroups[@]} -eq 0 ] || sleep 0.02
	done
	[ ${#cgroups[@]} -eq 0 ] || echo "${cgroups[*]}: cannot be removed" >&2
	if [ "$node_mode" = plain ]; then
		# where the machine has no pods of its own these are ours
		for mount in $(hierarchies plain); do
			rmdir "$mount"/kubepods/{burstable,besteffort} "$mount/kubepods" 2>/dev/null
		done
	fi
	rm -rf "$node"
	node="" node_mode=""
}

# The cgroups that go with the node and are there: its own, or those of its pods, which are noted in $node/cgroups.
node_cgroups() {
	local mount path
	for mount in $(hierarchies "$node_mode"); do
		if [ "$node_mode" != plain ]; then
			[ ! -d "$mount/$node_name" ] || echo "$mount/$node_name"
		elif [ -e "$node/cgroups" ]; then
			while read -r path; do
				[ ! -d "$mount$path" ] || echo "$mount$path"
			done <"$node/cgroups"
		fi
	done
}

# ---- pods ----

# The client of the container runtime's interface; verbs in cri.py.
cri() { # VERB ARGUMENT...
	PYTHONPATH=$node_tools /usr/bin/python3 "$here/cri.py" "/proc/$node_pid/root" "$@"
}

# The parent of a pod's cgroups, as the kubelet names it.
pod_parent() { # UID
	case $node_mode in
	plain)
		echo "/kubepods/burstable/pod$1" | tee -a "$node/cgroups"
		;;
	*) echo "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${1//-/_}.slice" ;;
	esac
}
