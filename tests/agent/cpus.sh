#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: a CPU leaves and comes back.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

# The last CPU that can be taken offline.
spare_cpu() {
	local dirs
	dirs=(/sys/devices/system/cpu/cpu[0-9]*/online)
	[ ${#dirs[@]} -gt 0 ] && spare=${dirs[-1]} && [ "$(cat "$spare")" = 1 ] && [ "$(nproc --all)" -gt 1 ]
}

# Off and on, a few times, each time for half a second at most; on it is in any case.
unplug() { # TIMES
	local i
	(
		trap 'echo 1 >"$spare"' EXIT
		for ((i = 0; i < $1; i++)); do
			echo 0 >"$spare" || exit 1
			sleep 0.3
			echo 1 >"$spare" || exit 1
			sleep 1.5
		done
	) 2>"$tmp/unplug"
}

# One process on that CPU, and whether it is told.
is_seen_on() { # CPU
	made=$((made + 1))
	taskset -c "$1" "$storm_program" 1 "$tmp/bin/$me" "on$made" >/dev/null
	sleep 0.3
	[ "$(told_with "on$made")" = 1 ]
}

unplugged() { # ARGUMENT...
	local load n=3000 cpu made
	if ! spare_cpu || ! unplug 1; then
		skip "no CPU that can be taken offline"
		return
	fi
	configure 'limits: {events_per_second: 0}'
	agent "$@" || return
	storm $n & load=$!
	unplug 2 || fail "unplugging" "status 0" "$(cat "$tmp/unplug")"
	wait $load
	is "the CPU" 1 "$(cat "$spare")"
	# what happens on the CPU that has come back is seen again
	cpu=${spare%/online}
	made=$n
	await_that "events of ${cpu##*/}, which is back" 8 is_seen_on "${cpu##*cpu}"
	taskset -c "${cpu##*cpu}" "$storm_program" 100 "$tmp/bin/$me" back >/dev/null || fail "processes on ${cpu##*/}" "status 0" $?
	agent_stop
	tally "$me" "$events"
	is_jsonl "$events"
	complete $((made + 100))
	is "sum of tapio.lost" $((lost + refused)) "$told"
	is "executions on the CPU that has come back" 100 "$(told_with back)"
	echo "    $events_given events, $lost lost"
}

test_cpu_unplugged() { unplugged; }
test_cpu_unplugged_no_ringbuf() { unplugged --no-ringbuf; }
