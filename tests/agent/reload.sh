#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: SIGHUP, while processes come and go.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

reloads=0 refusals=0

# A SIGHUP, and until its outcome is in /metrics.
reload() { # applied | refused
	if [ "$1" = applied ]; then reloads=$((reloads + 1)); else refusals=$((refusals + 1)); fi
	kill -HUP "$pid"
	await_that "a reload that is $1" 10 metric_is "tapio_config_reloads_total{result=\"$1\"}" \
		"$([ "$1" = applied ] && echo "$reloads" || echo "$refusals")"
}

# Whether the last event of the given name of argument 1 tells this argument.
args_of() { # MARK
	grep -F "\"$1\"" "$events" | grep -F '"event":"process.exec"' | tail -n 1 | jq -c '.["process.command_args"][2:]'
}

test_reload_under_load() {
	local load i
	reloads=0 refusals=0
	configure 'limits: {events_per_second: 0}' 'process: {args: redacted}'
	agent || return
	storm 4000 busy & load=$!
	for i in 1 2 3 4 5 6; do
		configure 'limits: {events_per_second: 0}' 'process: {args: full}'
		reload applied
		storm 1 "full$i" --password secret
		configure 'limits: {events_per_second: 0}' 'process: {args: redacted}'
		reload applied
		storm 1 "redacted$i" --password secret
	done
	wait $load
	storm 1 redacted7 --password secret
	agent_stop
	for i in 1 2 3 4 5 6; do
		is "arguments while args are full" '["--password","secret"]' "$(args_of "full$i")"
		like "arguments while args are redacted" '^\["--password","[^s][^"]*"\]$' "$(args_of "redacted$i")"
	done
	tally "$me" "$events"
	complete 4013
	is "sum of tapio.lost" $((lost + refused)) "$told"
	is "reloads in the log" 12 "$(grep -c 'read again$' "$tmp/log")"
}

# What a filter passes over is counted, from one event to the next; a load that may end before or after a reload runs through.
test_reload_of_filters() {
	local load
	reloads=0 refusals=0
	cp "$OUT/tests/exit0" "$tmp/bin/$me-x"
	configure 'limits: {events_per_second: 0}' "filters: {include: [{comm: $me}]}"
	agent || return
	storm 20 before
	storm 3000 busy & load=$!
	configure 'limits: {events_per_second: 0}' "filters: {include: [{comm: $me}, {comm: $me-x}], exclude: [{comm: $me}]}"
	reload applied
	"$storm_program" 50 "$tmp/bin/$me-x" >/dev/null
	storm 500 excluded
	wait $load
	configure 'limits: {events_per_second: 0}' "filters: {include: [{comm: $me}]}"
	reload applied
	storm 20 after
	agent_stop
	tally "$me-x" "$events"
	is "of the one that was let through" "50 50" "$execs $exits"
	is "events by its own count" $((lines - own)) "$events_given"
	tally "$me" "$events"
	is "before, excluded, after" "20 0 20" "$(told_with before) $(told_with excluded) $(told_with after)"
	between "exits of those that were not excluded throughout" 40 3040 "$exits"
	is "sum of tapio.lost" $((lost + refused)) "$told"
}

# The kernel passes over cgroups that no rule wants; a change of rules must make it forget.
test_reload_forgets_verdicts() {
	local dir=$v2/$me.service i before
	needs_v2 || return
	reloads=0 refusals=0
	mkdir "$dir"
	configure 'limits: {events_per_second: 0}' "filters: {exclude: [{unit: $me.service}]}"
	agent || return
	for i in 1 2 3; do
		in_cgroup "$dir" "$storm_program" 20 "$tmp/bin/$me" >/dev/null
		sleep 0.3
	done
	before=$(metric tapio_events_not_selected_total)
	in_cgroup "$dir" "$storm_program" 200 "$tmp/bin/$me" >/dev/null
	sleep 0.3
	between "events that came in spite of the verdict" 0 20 $(($(metric tapio_events_not_selected_total) - before))
	configure 'limits: {events_per_second: 0}'
	reload applied
	in_cgroup "$dir" "$storm_program" 30 "$tmp/bin/$me" >/dev/null
	agent_stop
	tally "$me" "$events"
	is "execs and exits after the rule has gone" "30 30" "$execs $exits"
	rmdir "$dir"
}

test_reload_of_the_budget() {
	reloads=0 refusals=0
	configure 'limits: {events_per_second: 0}'
	agent || return
	storm 500
	is "refused without a limit" 0 "$(metric 'tapio_refused_events_total{sensor="process",cause="budget"}')"
	configure 'limits: {events_per_second: 20}'
	reload applied
	storm 500
	await_that "refusals" 5 metric_grew 'tapio_refused_events_total{sensor="process",cause="budget"}' 300
	configure 'limits: {events_per_second: 0}'
	reload applied
	storm 100 again
	agent_stop
	tally "$me" "$events"
	is "execs after the limit has gone" 100 "$(told_with again)"
	between "execs and exits, seen and refused" 2200 $((2200 + lost + refused)) $((execs + exits + lost + refused))
	is "sum of tapio.lost" $((lost + refused)) "$told"
}

test_reload_of_bad_files() {
	reloads=0 refusals=0
	configure 'process: {args: redacted}'
	agent --socket "$tmp/other.sock" || return
	[ -S "$tmp/other.sock" ] || fail "the socket of --socket" "that it is there" "$(ls "$tmp")"
	printf 'process: {args: full}\nlimit: {memory: 1GiB}\n' >"$tmp/tapio.yaml"
	reload refused
	like "what it says" "tapio.yaml:2: limit: unknown key.*continuing with the configuration as it was" "$(tail -n 1 "$tmp/log")"
	rm "$tmp/tapio.yaml"
	reload refused
	like "what it says of a file that is gone" "tapio.yaml: No such file or directory" "$(tail -n 1 "$tmp/log")"
	head -c 300000 /dev/zero >"$tmp/tapio.yaml"
	reload refused
	like "what it says of a file that is too large" 'tapio.yaml:1: more than [0-9]+ bytes; continuing' "$(tail -n 1 "$tmp/log")"
	storm 3 still --token secret
	# what takes a restart is named, and the rest applied; options of the command line are no change
	configure 'process: {args: full}' 'buffers: {control: 1MiB}' 'limits: {cgroups: 64}' 'bpf_stats: off' sinks: \
		"  - {type: file, path: $tmp/elsewhere.json}"
	reload applied
	like "what takes a restart" 'changed, which takes a restart: buffers.control, limits.cgroups, sinks, bpf_stats$' "$(grep restart "$tmp/log")"
	storm 3 full --token secret
	configure 'process: {args: full}'
	reload applied
	is "lines that name restarts" 1 "$(grep -c restart "$tmp/log")"
	agent_stop
	is "the other sink's file" "" "$(cd "$tmp" && echo elsewhere*)"
	like "arguments with the old configuration" '^\["--token","[^s][^"]*"\]$' "$(args_of still)"
	is "arguments with the new one" '["--token","secret"]' "$(args_of full)"
	rm -f "$tmp/other.sock"
	# standard input cannot be read twice
	configure
	"$tapio" run --config - >/dev/null 2>"$tmp/log" <"$tmp/tapio.yaml" &
	pid=$!
	pids+=("$pid")
	await_that "the agent" 30 is_ready || return
	kill -HUP "$pid"
	await_that "what it says" 5 grep -q 'SIGHUP: there is no configuration file to read again' "$tmp/log"
	agent_stop
}
