# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: a node that has cgroup v2 alone (mode unified).

test_pod_unified() {
	need unified || return
	truth_unit containerd.service 20
	pod_made_under_watch
	judge
}
