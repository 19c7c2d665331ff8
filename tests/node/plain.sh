# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: pods with the cgroupfs driver, in the machine's own cgroups (mode plain).

test_pod_cgroupfs() {
	need plain || return
	pod_made_under_watch
	judge
	# runc and the plugins were seen, and taken for what they are
	for name in runc bridge host-local containerd-shim; do
		like "events of $name outside of the pod" '^[1-9]' \
			"$(q --arg name "$name" 'select(.["process.executable.name"] == $name and (has("k8s.pod.uid") | not)) | 1' | wc -l)"
	done
}

# Bundles for 200 containers, and the log folder that a kubelet makes for each pod; the lines of truth.
write_bundles() { # COUNT
	local root=/proc/$node_pid/root
	mkdir -p "$root/tmp/rootfs"/{bin,dev,proc}
	cp "$node_tools"/{exec_storm,exit0} "$root/tmp/rootfs/bin"
	"$here/bundles.py" "$root" "$1" >>"$tmp/truth"
}

# So many at once that what the runtime writes for each is there for some tens of milliseconds.
test_200_containers_at_once() {
	need plain || return
	write_bundles 200
	jq -r .parent "$tmp/truth" >>"$node/cgroups"
	start_trace || return
	node_in sh -c 'cd /tmp && ls -d bundles/* | xargs -P 40 -I@ sh -c "runc --root /tmp/runc run --bundle @ \${0##*/} >/dev/null" @' \
		2>"$tmp/runc.err" || fail "the containers" "that runc runs them" "$(cat "$tmp/runc.err")"
	stop
	judge 1
}
