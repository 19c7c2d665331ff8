#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: ends without warning, and beginnings after them.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

program_is_gone() { # ID
	! bpftool prog show id "$1" >/dev/null 2>&1
}

# The helper that counts run time is the agent's only child.
helper_of() {
	local child
	for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
		[ "$(cat "/proc/$child/comm")" = tapio-stats ] && echo "$child"
	done
}

helper_is_gone() {
	! kill -0 "$helper" 2>/dev/null
}

test_kill_and_restart_under_load() {
	local load i id ids helper
	configure 'limits: {events_per_second: 0}' 'bpf_stats: always'
	storm 6000 & load=$!
	for i in 1 2 3; do
		agent || break
		sleep 0.5
		ids=$(program_ids)
		helper=$(helper_of)
		[ -n "$ids" ] || fail "programs" "some" none
		like "the helper" '^[0-9]+$' "$helper"
		"$tapio" status --socket "$socket" >"$tmp/status" 2>&1 || fail "tapio status" "status 0" "$(cat "$tmp/status")"
		agent_killed
		[ -S "$socket" ] || fail "the socket of the dead" "that it is left" "nothing"
		for id in $ids; do
			await_that "the end of program $id" 5 program_is_gone "$id"
		done
		await_that "the helper's end" 5 helper_is_gone
		is_jsonl "$events"
	done
	agent || return
	wait $load
	storm 50 last
	"$tapio" status --socket "$socket" >"$tmp/status" 2>&1 || fail "tapio status" "status 0" "$(cat "$tmp/status")"
	agent_stop
	is_jsonl "$events"
	tally "$me" "$events"
	is "tapio.started" 4 "$starts"
	is "the first line" '"tapio.started"' "$(head -n 1 "$events" | jq .event)"
	between "execs" 100 6049 "$execs"
	between "exits" 100 6049 "$exits"
	is "execs of the last" 50 "$(told_with last)"
	is "events told twice" "" "$(jq -r 'select(.["process.creation.time"]) | [.event, .["process.pid"], .["process.creation.time"], .["process.executable.path"] // ""] | join(" ")' "$events" |
		grep -F "$me" | sort | uniq -d | head -n 2)"
	[ ! -e "$socket" ] || fail "the socket" "that it is gone" "$(ls -l "$socket")"
	is "the helper of the last one" "" "$(helper_of)"
}

# Half an event, as a write leaves it that a kill or a power failure cut off.
test_restart_after_a_torn_line() {
	configure
	printf '%s\n' '{"time":"2026-01-01T00:00:00.0Z","event":"process.exec","process.pid":1}' >"$events"
	printf '{"time":"2026-01-01T00:00:01.000000000Z","event":"process.exec","process.pi' >>"$events"
	agent || return
	agent_stop
	is_jsonl "$events"
	is "the first lines" '"process.exec" "tapio.started"' "$(head -n 2 "$events" | jq .event | paste -sd' ')"
	# what is no event of ours is not touched
	printf 'somebody else' >"$events"
	agent || return
	agent_stop
	is "a line of somebody else's" 'somebody else' "$(head -n 1 "$events")"
}

# Two beside each other; and what they cannot share.
test_two_agents() {
	local first other=$tmp/other.json
	configure 'limits: {events_per_second: 0}'
	agent || return
	first=$pid
	printf '%s\n' "listen: ${url#http://}" "socket: $tmp/2.sock" "sinks: [{type: file, path: $other}]" >"$tmp/2.yaml"
	run run --config "$tmp/2.yaml"
	is "exit status with a port that is taken" 1 "$status"
	like "what it says" "${url#http://}: bind: Address already in use: another program" "$(cat "$tmp/err")"
	printf '%s\n' "listen: off" "socket: $socket" "sinks: [{type: file, path: $other}]" >"$tmp/2.yaml"
	run run --config "$tmp/2.yaml"
	is "exit status with a socket that is taken" 1 "$status"
	like "what it says" "$socket: .*(another|in use|answers)" "$(cat "$tmp/err")"
	printf '%s\n' "listen: off" "socket: off" "sinks: [{type: file, path: $events}]" >"$tmp/2.yaml"
	run run --config "$tmp/2.yaml"
	is "exit status with a file that is taken" 1 "$status"
	like "what it says" "$events: .*another process writes to it" "$(cat "$tmp/err")"
	"$tapio" status --socket "$socket" >"$tmp/status" 2>&1 || fail "the first one's socket" "that it answers" "$(cat "$tmp/status")"
	mv "$tmp/log" "$tmp/log1"
	configure 'limits: {events_per_second: 0}'
	sed -i -e "s#$socket#$tmp/2.sock#" -e "s#$events#$other#" "$tmp/tapio.yaml"
	agent || return
	storm 200
	agent_stop
	tally "$me" "$other"
	complete 200
	pid=$first
	mv "$tmp/log1" "$tmp/log"
	agent_stop
	tally "$me" "$events"
	complete 200
}
