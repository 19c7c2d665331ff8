# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: pods that containerd makes for a kubelet, below a systemd and a prefix (mode hybrid).

# Of a pod's two containers, what was made while Tapio looked and what is executed in them later; of the pause
# process its start and its end; of runc, the shim and the plugins what they do in containerd's own cgroup.
pod_made_under_watch() {
	start_trace || return
	make_pod 6 2 shop/cart 'web=exec_storm 2 /bin/exit0; sleep 1000' 'log=exec_storm 2 /bin/exit0; sleep 1000'
	in_container web /bin/exec_storm 5 /bin/exit0 >/dev/null || fail "exec in web" "that it works" "$?"
	in_container log /bin/sh -c "cat /nonexistent; true" 2>/dev/null || fail "exec in log" "that it works" "$?"
	remove_pods "$sandbox"
	stop
}

test_pod() {
	need hybrid || return
	truth_unit containerd.service 20
	pod_made_under_watch
	judge
}

# Before the first start; and while Tapio was away.
test_pods_older_than_tapio() {
	local old
	need hybrid || return
	make_pod 4 1 shop/old 'web=sleep 1000'
	old=$sandbox
	start_trace || return
	in_container web /bin/exec_storm 2 /bin/exit0 >/dev/null
	remove_pods "$old"
	stop
	judge

	: >"$tmp/truth"
	make_pod 4 1 shop/between 'web=sleep 1000'
	start_trace || return
	in_container web /bin/exec_storm 2 /bin/exit0 >/dev/null
	remove_pods "$sandbox"
	stop
	judge
}

# Two pods of one name in two namespaces, and one that comes back under its name with another uid.
test_pods_of_one_name() {
	local first second
	need hybrid || return
	start_trace || return
	make_pod 3 2 shop/db 'web=sleep 1000'
	first=$sandbox
	make_pod 3 2 test/db 'web=sleep 1000'
	second=$sandbox
	remove_pods "$first"
	make_pod 3 2 shop/db 'web=sleep 1000'
	remove_pods "$second" "$sandbox"
	stop
	judge
}
