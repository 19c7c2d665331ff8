#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: what was made, what is told, what was lost, to the last event.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

# A file that is rotated away in small pieces, all of it kept; one that keeps little; one that is whole.
test_sums_with_rotation() {
	local piece n=20000 largest
	configure 'limits: {events_per_second: 0, memory: 192MiB}' sinks: \
		"  - {type: file, path: $tmp/whole.json, max_bytes: 1GiB, queue: 16MiB}" \
		"  - {type: file, path: $tmp/pieces.json, max_bytes: 1MiB, keep: 1000, queue: 16MiB}" \
		"  - {type: file, path: $tmp/few.json, max_bytes: 64KiB, keep: 2, queue: 16MiB}"
	agent || return
	storm $((n / 2)) & storm_pid=$!
	storm $((n / 2)) --password secret
	wait $storm_pid
	agent_stop
	tally "$me" "$tmp/whole.json"
	is "lines that are broken" 0 "$broken"
	is "dropped by sinks" 0 "$dropped"
	complete $n
	[ "$lost" -gt 0 ] || is "execs and exits" "$n $n" "$execs $exits"
	is "sum of tapio.lost" $((lost + refused)) "$told"
	is "events by its own count" $((lines - own)) "$events_given"
	mapfile -t piece < <(find "$tmp" -name 'pieces.json.*' | sort -t. -k3rn -k4rn)
	between "pieces" 10 1000 "${#piece[@]}"
	is "the pieces put together, and the whole" "$(md5sum <"$tmp/whole.json")" \
		"$(for ((i = ${#piece[@]}; i >= 1; i--)); do cat "$tmp/pieces.json.$i"; done | cat - "$tmp/pieces.json" | md5sum)"
	largest=$(find "$tmp" -name 'pieces.json*' -printf '%s\n' | sort -n | tail -n 1)
	between "bytes of the largest piece" 1000000 1048576 "$largest"
	is "files with keep: 2" "few.json few.json.1 few.json.2" "$(cd "$tmp" && echo few.json*)"
	is "modes" 600 "$(find "$tmp" -name '*.json*' -printf '%m\n' | sort -u)"
	is_jsonl "$tmp/few.json.2" "$tmp/few.json.1" "$tmp/few.json"
	tail -c 30000 "$tmp/whole.json" | cmp -s - <(cat "$tmp"/few.json.{2,1} "$tmp/few.json" | tail -c 30000) ||
		fail "what keep: 2 keeps" "the end of the whole" "something else"
}

# What the ring had no room for, while the agent could not run.
test_sums_with_overflow() {
	configure 'limits: {events_per_second: 0}' 'buffers: {control: 256KiB}'
	agent || return
	storm 100
	kill -STOP "$pid"
	storm 3000
	kill -CONT "$pid"
	await_that "the loss in /metrics" 10 metric_grew 'tapio_lost_events_total{sensor="process",cause="ring_full"}' 0
	storm 100
	agent_stop
	tally "$me" "$events"
	is "lines that are broken" 0 "$broken"
	between "lost" 1000 1000000 "$lost"
	is "sum of tapio.lost" $((lost + refused)) "$told"
	is "of that, by the ring" "$lost" "$told_ring_full"
	between "execs and exits, seen and lost" 6400 $((6400 + lost)) $((execs + exits + lost))
	between "execs and exits seen" 400 6000 $((execs + exits))
	is "events by its own count" $((lines - own)) "$events_given"
}

# A disk of 12 MiB with room for half of one, in a mount namespace of the agent's own.
test_sums_with_full_disk() {
	local disk=$tmp/disk
	mkdir -p "$disk"
	configure 'limits: {events_per_second: 0}' "filters: {include: [{comm: $me}]}" sinks: \
		"  - {type: file, path: $tmp/whole.json}" "  - {type: file, path: $disk/small.json}"
	# shellcheck disable=SC2016
	around=(unshare --mount --propagation private sh -c
		'mount -t tmpfs -o size=12m tmpfs "$0" && head -c 12000000 /dev/zero >"$0/ballast" && exec "$@"' "$disk")
	agent
	around=()
	is_running "$pid" || return
	disk=/proc/$pid/root$disk
	storm 1500
	await_that "the failure" 10 metric_is 'tapio_sink_failing{sink="file2"}' 1
	is "the other sink" 0 "$(metric 'tapio_sink_failing{sink="file"}')"
	page /readyz
	is "/readyz" "503 sink file2: No space left on device" "$code $(cat "$tmp/page")"
	page /healthz
	is "/healthz" 200 "$code"
	await_that "what is given up" 20 metric_grew 'tapio_sink_dropped_events_total{sink="file2",cause="failed"}' 0
	storm 100
	rm "$disk/ballast"
	storm 1
	await_that "the recovery" 20 metric_is 'tapio_sink_failing{sink="file2"}' 0
	storm 100
	page /readyz
	is "/readyz" "200 ok" "$code $(cat "$tmp/page")"
	await_that "what was told" 10 grep -q '"tapio.lost.cause":"sink_failed"' "$disk/small.json"
	is "queue" 0 "$(metric 'tapio_sink_queue_bytes{sink="file"}')"
	exec 9<"$disk/small.json" # the namespace ends with the agent
	agent_stop
	cat <&9 >"$tmp/small.json"
	exec 9<&-
	tally "$me" "$tmp/whole.json"
	complete 1701
	is "others" 0 "$others"
	whole=$((execs + exits)) whole_told=$told
	is "dropped by the whole one" 0 $((told_sink_full + told_sink_failed))
	tally "$me" "$tmp/small.json"
	is "lines that are broken" 0 "$broken"
	between "events that were dropped" 1 3400 "$dropped"
	is "told as sink_failed and sink_full" "$dropped" $((told_sink_failed + told_sink_full))
	is "written and dropped" "$whole" $((execs + exits + dropped))
	is "told besides" "$whole_told" $((told - told_sink_failed - told_sink_full))
}

# Nobody reads stdout; the file beside it gets everything.
test_sums_with_blocked_stdout() {
	local reader
	mkfifo "$tmp/out.fifo"
	exec 9<>"$tmp/out.fifo"
	configure 'limits: {events_per_second: 0}' "filters: {include: [{comm: $me}]}" sinks: \
		"  - {type: file, path: $events}" '  - {type: stdout, queue: 64KiB}'
	stdout=$tmp/out.fifo
	agent
	stdout=/dev/null
	is_running "$pid" || return
	storm 1000
	await_that "what stdout drops" 20 metric_grew 'tapio_sink_dropped_events_total{sink="stdout",cause="queue_full"}' 1000
	is "dropped by the file" 0 "$(metric 'tapio_sink_dropped_events_total{sink="file",cause="queue_full"}')"
	page /readyz
	is "/readyz" 200 "$code"
	cat <"$tmp/out.fifo" >"$tmp/out" 9<&- &
	reader=$!
	exec 9<&-
	await_that "what was told" 20 grep -q '"tapio.lost.cause":"sink_full"' "$tmp/out"
	storm 50
	agent_stop
	wait $reader
	rm "$tmp/out.fifo"
	tally "$me" "$events"
	complete 1050
	is "dropped by the file" 0 $((told_sink_full + told_sink_failed))
	whole=$((execs + exits)) whole_told=$told
	tally "$me" "$tmp/out"
	is_jsonl "$tmp/out"
	is "told as sink_full" "$dropped" $((told_sink_full + told_sink_failed))
	is "written and dropped" "$whole" $((execs + exits + dropped))
	is "told besides" "$whole_told" $((told - told_sink_failed - told_sink_full))
	between "written, with the hundred that came when it was read again" 150 2000 $((execs + exits))
}
