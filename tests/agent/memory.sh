#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: a day, compressed: churn, and nothing grows.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

# Resident memory without the pages of the rings, which are mapped twice, in KiB.
resident_kib() {
	awk '/^[0-9a-f]+-[0-9a-f]+ / { ring = /anon_inode:bpf-map|anon_inode:\[perf_event\]/ }
		/^Rss:/ && !ring { sum += $2 } END { print sum + 0 }' "/proc/$pid/smaps"
}

# What the formula may not be exceeded by: all that is the agent's own, rings counted once by their size.
holds_formula() { # WHEN
	local max resident
	max=$(metric tapio_memory_max_bytes)
	resident=$(($(resident_kib) * 1024 + $(metric 'tapio_ring_size_bytes{ring="control"}')))
	between "bytes $1, by tapio_memory_max_bytes" 1000000 "$max" "$resident"
}

test_memory_when_idle() {
	configure
	agent || return
	sleep 2
	between "KiB resident when idle" 2000 $((12 * 1024)) "$(resident_kib)"
	is "process_resident_memory_bytes, to a MiB" ok "$(awk -v a="$(metric process_resident_memory_bytes)" -v b="$(awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$pid/status")" \
		'BEGIN { d = a - b; print (d < 1048576 && d > -1048576) ? "ok" : a " and " b }')"
	is "process_open_fds" "$(descriptors)" "$(($(metric process_open_fds) - 1))" # the one that asks
	holds_formula "when idle"
	agent_stop
}

# stress-ng as somebody else: exec and fork without end, in a cgroup of their own where there are any.
churn() { # SECONDS
	local own=$v2/$me-churn
	mkdir -p "$tmp/stress" && chmod 777 "$tmp/stress"
	(
		[ -z "$v2" ] || { mkdir -p "$own" && echo "$BASHPID" >"$own/cgroup.procs"; }
		exec setpriv --reuid 65534 --clear-groups nice -n 5 stress-ng --exec 2 --fork 2 --timeout "$1" \
			--temp-path "$tmp/stress"
	) >"$tmp/stress-ng" 2>&1
}

test_memory_under_churn() {
	local seconds=${SOAK_SECONDS:-120} load end most=0 kib first_fds fds n=0 first_kib=0 made=10 reader
	if ! command -v stress-ng >/dev/null; then
		skip "no stress-ng"
		return
	fi
	configure 'limits: {events_per_second: 0}' sinks: "  - {type: file, path: $events, max_bytes: 1MiB, keep: 1}" \
		'  - {type: stdout, queue: 8MiB}'
	# what is ours of all that it tells, to the last one
	mkfifo "$tmp/all"
	grep -aF -e "\"$me\"" -e '"tapio.lost"' -e '"tapio.started"' <"$tmp/all" >"$tmp/ours" & reader=$!
	stdout=$tmp/all
	agent
	stdout=/dev/null
	is_running "$pid" || return
	churn "$seconds" & load=$!
	sleep 2
	first_fds=$(descriptors)
	end=$((SECONDS + seconds - 4))
	while [ $SECONDS -lt $end ]; do
		kib=$(resident_kib)
		[ "$kib" -le "$most" ] || most=$kib
		n=$((n + 1))
		[ $n -ne 8 ] || first_kib=$kib
		storm 20
		made=$((made + 20))
		[ $((n % 10)) -ne 5 ] || "$tapio" status --socket "$socket" >/dev/null || fail "tapio status" "status 0" $?
		sleep 1
	done
	fds=$(descriptors)
	between "descriptors at the end" 1 "$first_fds" "$fds"
	between "KiB resident at most" 1000 $((32 * 1024)) "$most"
	kib=$(resident_kib)
	# what 8 s of churn need is what all of it needs; a leak of a byte per event would show
	between "KiB resident at the end" 1000 $((first_kib + 4096)) "$kib"
	holds_formula "under churn"
	wait $load || fail "stress-ng" "status 0" "$(tail -n 3 "$tmp/stress-ng")"
	is "threads: its own, the one that looks up names, and one for each sink" 4 "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)"
	storm 10
	agent_stop
	wait "$reader"
	tally "$me" "$tmp/ours"
	complete $made
	is "dropped by sinks" 0 "$dropped"
	is "sum of tapio.lost" $((lost + refused)) "$told"
	[ "$events_given" -gt $((seconds * 20)) ] || fail "events" "more than $((seconds * 20))" "$events_given"
	echo "    $events_given events, $lost lost; at most $most KiB resident, $first_fds to $fds descriptors"
	[ "$lost" -eq 0 ] || echo "    $(tail -n 1 "$tmp/log")"
	[ "$told" -eq 0 ] || grep -aF '"tapio.lost"' "$tmp/ours" | head -n 3
	rmdir "$v2/$me-churn" 2>/dev/null
}
