#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: a hook that is dead, and one that has nothing to say.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

# Descriptors of the links whose program's name begins so.
links_of() { # PROGRAM
	local info id
	for info in "/proc/$pid/fdinfo/"*; do
		grep -q '^link_type:' "$info" 2>/dev/null || continue
		id=$(sed -n 's/^prog_id:[[:space:]]*//p' "$info")
		bpftool -j prog show id "$id" 2>/dev/null | jq -e --arg name "$1" '.name | startswith($name)' >/dev/null && echo "${info##*/}"
	done
}

kill_hook() { # PROGRAM
	local fds
	[ -x "$tmp/close_fd" ] || gcc -O1 -D_GNU_SOURCE -o "$tmp/close_fd" "$here/tests/agent/close_fd.c" || return 1
	mapfile -t fds < <(links_of "$1")
	[ ${#fds[@]} -gt 0 ] || {
		fail "the link of $1" "a descriptor" none
		return 1
	}
	"$tmp/close_fd" "$pid" "${fds[@]}" 2>"$tmp/err" || fail "close_fd ${fds[*]}" "status 0" "$(cat "$tmp/err")"
}

sensor_is() { # STATE OF TAPIO STATUS
	[ "$("$tapio" status --json --socket "$socket" 2>/dev/null | jq -r '.sensors[] | select(.name == "process").heartbeat')" = "$1" ]
}

# A heartbeat was sent; or there were new records for so long that none was due.
beat_or_records() {
	metric_grew 'tapio_heartbeats_total{result="sent"}' 0 && return
	tries=$((${tries:-0} + 1))
	[ $tries -gt 60 ] && metric_grew 'tapio_records_total{sensor="process"}' "$before"
}

# Nothing to say, for the filter lets nothing through: heartbeats are sent, and felt.
test_heartbeat_of_the_silent() {
	local before tries=0
	configure 'filters: {include: [{unit: nobody-has-this.service}]}'
	agent --heartbeat 1 || return
	# a machine that makes a new cgroup every second is not silent: what is in it has to be looked at
	before=$(metric 'tapio_records_total{sensor="process"}')
	await_that "a heartbeat, or records" 30 beat_or_records
	sleep 2.5
	is "heartbeats that failed" 0 "$(metric 'tapio_heartbeats_total{result="failed"}')"
	is "tapio_sensor_alive" 1 "$(metric 'tapio_sensor_alive{sensor="process"}')"
	metric_is 'tapio_heartbeats_total{result="sent"}' 0 || sensor_is alive || fail "tapio status" alive "$("$tapio" status --socket "$socket" 2>&1 | grep heartbeat)"
	page /healthz
	is "/healthz" 200 "$code"
	# its own process is not told, though it was seen
	agent_stop
	is "events of the heartbeat" 0 "$(grep -c '"heartbeat"' "$events")"
	is "what it says" "" "$(grep -v 'listening on\|run: ' "$tmp/log")"
}

# One hook dies while others of its sensor go on, under load.
test_heartbeat_finds_a_dead_hook() {
	local load program hook
	for program in process_exit process_exec_; do
		configure 'limits: {events_per_second: 0}'
		agent --heartbeat 2 || return
		while :; do "$storm_program" -i 20000 50 "$tmp/bin/$me" >/dev/null 2>&1; done & load=$!
		sleep 0.5
		kill_hook "$program" || return
		await_that "that the hook is dead" 20 metric_is 'tapio_sensor_alive{sensor="process"}' 0
		page /healthz
		is "/healthz" "503 sensor process: its hook is dead" "$code $(cat "$tmp/page")"
		page /readyz
		is "/readyz" 503 "$code"
		hook=process.exit
		[ $program = process_exit ] || hook=process.exec
		is "what it says" "tapio: sensor process: the hook of $hook is dead: a process of our own passed it unseen; restart the agent, and look who detaches BPF programs" \
			"$(grep dead "$tmp/log")"
		sensor_is dead || fail "tapio status" dead "$("$tapio" status --socket "$socket" 2>&1 | grep heartbeat)"
		# it stays dead, though the other one goes on
		sleep 3
		is "tapio_sensor_alive later" 0 "$(metric 'tapio_sensor_alive{sensor="process"}')"
		is "lines about it" 1 "$(grep -c dead "$tmp/log")"
		kill "$load"
		wait "$load" 2>/dev/null
		agent_stop
	done
}
