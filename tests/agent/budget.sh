#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: who makes too much noise, and who must be heard beside him.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

needs_v2() {
	[ -n "$v2" ] || skip "no cgroup v2 hierarchy"
	[ -z "$skip_reason" ]
}

# Runs a command as a process of a cgroup.
in_cgroup() { # DIRECTORY COMMAND...
	local dir=$1
	shift
	(
		echo "$BASHPID" >"$dir/cgroup.procs" || exit 1
		exec "$@"
	)
}

# Of the events of a cgroup by its id: how many, and how many are told as refused; unnamed: those of no cgroup.
tally_cgroup() { # DIRECTORY
	read -r seen told unnamed < <(jq -r --argjson id "$(stat -c %i "$1")" 'select(.event != "tapio.started" and .event != "tapio.identity") |
		if .event != "tapio.lost" then (select(.["cgroup.id"] == $id) | "seen 1")
		elif .["tapio.lost.cause"] != "budget" then empty
		elif .["cgroup.id"] == $id then "told \(.["tapio.lost.count"])"
		elif .["cgroup.id"] == null then "unnamed \(.["tapio.lost.count"])" else empty end' "$events" |
		awk '{ sum[$1] += $2 } END { print sum["seen"] + 0, sum["told"] + 0, sum["unnamed"] + 0 }')
}

# 10 processes a second beside as many as there can be.
test_budget_is_each_cgroups_own() {
	local noisy=$v2/$me-noisy slow=$v2/$me-slow made_noisy made_slow noise
	needs_v2 || return
	mkdir "$noisy" "$slow"
	configure 'limits: {events_per_second: 60}'
	agent || return
	in_cgroup "$noisy" "$storm_program" 6000 "$tmp/bin/$me" noise >"$tmp/noise" 2>&1 &
	noise=$!
	in_cgroup "$slow" "$storm_program" -i 100000 60 "$tmp/bin/$me" >"$tmp/slow" 2>&1 || fail "the slow one" "status 0" "$(cat "$tmp/slow")"
	wait $noise || fail "the noisy one" "status 0" "$(cat "$tmp/noise")"
	await_that "refusals in /metrics" 5 metric_grew 'tapio_refused_events_total{sensor="process",cause="budget"}' 1000
	agent_stop
	is_jsonl "$events"
	# exec_storm itself is executed and ends there, too
	made_noisy=12002 made_slow=122
	tally_cgroup "$slow"
	between "events of the slow one" $((made_slow - lost)) $made_slow "$seen"
	is "of the slow one, told as refused" 0 "$told"
	tally_cgroup "$noisy"
	between "events of the noisy one, seen and refused" $((made_noisy - unnamed - lost)) $made_noisy $((seen + told))
	between "refused of the noisy one" 4000 $made_noisy "$told"
	tally "$me" "$events"
	is "sum of tapio.lost" $((lost + refused)) "$told"
	is "of that, refused" "$refused" $((told_budget + told_unreadable + told_malformed + told_unknown_type))
	echo "    of $made_noisy: $seen seen, $((made_noisy - seen)) refused, of which $unnamed were told of no cgroup"
	rmdir "$noisy" "$slow"
}

# More cgroups refuse than labels are allowed, and more than are told at once; sums stay exact.
test_budget_of_many_cgroups() {
	local i dir=$v2/$me-many before series
	needs_v2 || return
	mkdir "$dir"
	for ((i = 0; i < 300; i++)); do mkdir "$dir/$i.service"; done
	configure 'limits: {events_per_second: 2}' "host_root: /"
	agent || return
	for ((i = 0; i < 300; i++)); do
		in_cgroup "$dir/$i.service" "$storm_program" 10 "$tmp/bin/$me" "$RANDOM" >/dev/null || fail "processes" "status 0" $?
	done
	await_that "refusals in /metrics" 10 metric_grew 'tapio_budget_refused_events_total{sensor="all",k8s_pod_name="(others)"}' 100
	metrics >"$tmp/metrics"
	series=$(grep -c '^tapio_budget_refused_events_total' "$tmp/metrics")
	between "series of refusals by whose they are" 2 65 "$series"
	is "names of processes in labels" 0 "$(grep -c "$me\"\|$tmp\|exec_storm" "$tmp/metrics")"
	agent_stop
	tally "$me" "$events"
	is "sum of tapio.lost" $((lost + refused)) "$told"
	# of each of the 300: 22 made, at least 2 and at most 2 in each second are seen
	read -r seen told unnamed < <(jq -r 'select(.event == "process.exec" or .event == "process.exit" or (.event == "tapio.lost" and .["tapio.lost.cause"] == "budget")) |
		select((.["process.linux.cgroup"] // "") | test("/'"$me"'-many/")) | if .event == "tapio.lost" then "told \(.["tapio.lost.count"])" else "seen 1" end' "$events" |
		awk '{ sum[$1] += $2 } END { print sum["seen"] + 0, sum["told"] + 0, 0 }')
	unnamed=$(jq -r 'select(.event == "tapio.lost" and .["tapio.lost.cause"] == "budget" and .["cgroup.id"] == null) | .["tapio.lost.count"]' "$events" | awk '{ s += $1 } END { print s + 0 }')
	between "seen and refused of all" $((6600 - unnamed - lost)) 6600 $((seen + told))
	between "refused of all" 3000 6000 "$told"
	find "$dir" -depth -type d -exec rmdir {} +
}
