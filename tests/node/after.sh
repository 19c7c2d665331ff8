# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run, last: what the nodes leave behind.

test_nothing_is_left() {
	local names=$tmp/names
	need plain || return
	make_pod 0 0 shop/cart 'web=sleep 1000' >/dev/null
	jq -r '.identity["container.id"]' "$tmp/truth" >"$names"
	printf '%s\n' "$tmp/node-" "tapio-node-$$-" >>"$names"
	like "mount namespaces with a node, while it runs" '^[1-9]' "$(grep -lsFf "$names" /proc/[0-9]*/mountinfo | wc -l)"
	like "cgroups of the node's, while it runs" '^[1-9]' "$(cgroups_named "$names" | wc -l)"
	node_gone
	is "mount namespaces with a node" "" "$(grep -lsFf "$names" /proc/[0-9]*/mountinfo | head -n 3)"
	is "cgroups of the nodes" "" "$(cgroups_named "$names" | head -n 3)"
	is "processes of the nodes" "" "$(grep -lsFf "$names" /proc/[0-9]*/{cmdline,cgroup} | head -n 3)"
}

cgroups_named() { # FILE
	local mount
	for mount in $(hierarchies all); do
		find "$mount" -type d 2>/dev/null
	done | grep -Ff "$1"
}
