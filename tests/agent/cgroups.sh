#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: more cgroups than are remembered.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

# Executions whose argument is the name of their cgroup: how many are told of it, of another one, of none.
judge_cgroups() {
	read -r right wrong none < <(jq -r --arg me "$me" 'select(.event == "process.exec" and .["process.executable.name"] == $me) |
		.["process.command_args"][1] as $name | .["process.linux.cgroup"] // "" |
		if . == "" then "none" elif endswith("/\($me)-cg/\($name)") then "right" else "wrong" end' "$events" |
		awk '{ n[$1]++ } END { print n["right"] + 0, n["wrong"] + 0, n["none"] + 0 }')
}

test_cgroups_evicted() {
	local dir=$v2/$me-cg i round
	needs_v2 || return
	mkdir "$dir"
	configure 'limits: {events_per_second: 0, cgroups: 64}'
	agent || return
	for ((i = 0; i < 150; i++)); do mkdir "$dir/c$i"; done
	# those that live, twice; and then such as are gone before anybody can look
	for round in 1 2; do
		for ((i = 0; i < 150; i++)); do in_cgroup "$dir/c$i" "$tmp/bin/$me" "c$i"; done
	done
	for ((i = 150; i < 300; i++)); do
		mkdir "$dir/c$i"
		in_cgroup "$dir/c$i" "$tmp/bin/$me" "c$i"
		rmdir "$dir/c$i"
	done
	await_that "evictions in /metrics" 10 metric_grew tapio_identity_evictions_total 100
	between "cgroups remembered" 8 64 "$(($(metric 'tapio_identity_cgroups{state="living"}') + $(metric 'tapio_identity_cgroups{state="removed"}')))"
	is "how many can be" 64 "$(metric tapio_identity_cgroups_max)"
	agent_stop
	tally "$me" "$events"
	complete 450
	judge_cgroups
	is "executions of which another cgroup is told" 0 "$wrong"
	# one that is looked up again after it has gone stays unknown; few may be so late
	between "executions of which the cgroup is told" $((400 - lost)) 450 "$right"
	is "executions of which none is told, and no reason either" 0 "$(jq -c --arg me "$me" 'select(.["process.executable.name"] == $me and (.["process.linux.cgroup"] | not) and (.["tapio.identity.unknown"] | not))' "$events" | wc -l)"
	echo "    $right told, $none unknown"
	for ((i = 0; i < 150; i++)); do rmdir "$dir/c$i"; done
	rmdir "$dir"
}

# Nothing is forgotten that there is room for: the same, and none may be unknown.
test_cgroups_gone_at_once() {
	local dir=$v2/$me-cg i
	needs_v2 || return
	mkdir "$dir"
	configure 'limits: {events_per_second: 0}'
	agent || return
	for ((i = 0; i < 200; i++)); do
		mkdir "$dir/d$i"
		in_cgroup "$dir/d$i" "$tmp/bin/$me" "d$i"
		rmdir "$dir/d$i"
	done
	agent_stop
	tally "$me" "$events"
	complete 200
	judge_cgroups
	is "executions of which another cgroup is told, and none" "0 0" "$wrong $none"
	between "executions of which the cgroup is told" $((200 - lost)) 200 "$right"
	rmdir "$dir"
}
