#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: how it begins, what it serves, what it keeps, how it ends.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

test_print_config() {
	configure 'process: {args: full}' 'filters: {exclude: [{comm: runc}]}' 'limits: {cgroups: 100}'
	run run --config "$tmp/tapio.yaml" --print-config
	is "exit status" 0 "$status"
	cp "$tmp/out" "$tmp/printed.yaml"
	like "what it prints" 'args: full.*comm: runc.*cgroups: 100' "$(paste -sd' ' "$tmp/out")"
	run run --config "$tmp/printed.yaml" --print-config
	is "what it prints of what it printed" "$(cat "$tmp/printed.yaml")" "$(cat "$tmp/out")"
	run run --config "$tmp/tapio.yaml" --listen off --print-config
	like "an option over the file" 'listen: off' "$(cat "$tmp/out")"
	run run --print-config
	like "the defaults" 'args: redacted.*events_per_second: 1000.*type: stdout.*listen: 127.0.0.1:9477.*socket: /run/tapio/tapio.sock.*bpf_stats: sampled' "$(paste -sd' ' "$tmp/out")"
}

bad_config() { # MESSAGE-REGEX TEXT
	printf '%s' "$2" >"$tmp/bad.yaml"
	run run --config "$tmp/bad.yaml"
	is "exit status with '$2'" 2 "$status"
	like "message of '$2'" "$1" "$(cat "$tmp/err")"
	is "lines of it" 1 "$(wc -l <"$tmp/err")"
	is "stdout" "" "$(cat "$tmp/out")"
}

test_bad_config() {
	bad_config 'bad.yaml:1: limit: unknown key' 'limit: 1'
	bad_config $'bad.yaml:3: limits.memory: \'lots\': wanted is a size' $'# a comment\nlimits:\n  memory: lots\n'
	bad_config 'bad.yaml:1: limits.events_per_second' 'limits: {events_per_second: -1}'
	bad_config 'bad.yaml:[0-9]+: ' 'sinks: ['
	bad_config 'bad.yaml:1: sinks' 'sinks: []'
	run run --config /nonexistent/tapio.yaml
	is "exit status without the file" 2 "$status"
	like "message without the file" '/nonexistent/tapio.yaml: No such file' "$(cat "$tmp/err")"
	for bad in 0 x -1; do
		run run --heartbeat "$bad"
		is "exit status of --heartbeat $bad" 2 "$status"
		like "message" "--heartbeat $bad: wanted" "$(cat "$tmp/err")"
	done
	configure 'limits: {memory: 40MiB}'
	run run --config "$tmp/tapio.yaml"
	is "exit status with too little memory" 1 "$status"
	like "message" 'limits.memory: 41943040 bytes: what is configured can take [0-9]+' "$(cat "$tmp/err")"
}

# JSON Lines on stdout, the beginning marked, the end with status 0 after what came before.
test_stdout_and_its_end() {
	printf '%s\n' 'listen: 127.0.0.1:0' "socket: $socket" >"$tmp/tapio.yaml"
	stdout=$tmp/out
	agent
	stdout=/dev/null
	is_running "$pid" || return
	storm 20
	agent_stop INT
	is_jsonl "$tmp/out"
	is "the first line" '"tapio.started"' "$(head -n 1 "$tmp/out" | jq .event)"
	is "its boot" "$(cat /proc/sys/kernel/random/boot_id)" "$(head -n 1 "$tmp/out" | jq -r '.["host.boot_id"]')"
	tally "$me" "$tmp/out"
	complete 20
	is "events that are off by default" 0 "$(grep -c '"event":"\(process.fork\|cgroup[.]\)' "$tmp/out")"
	is "events by its own count" $((lines - own)) "$events_given"
	[ ! -e "$socket" ] || fail "the socket" "that it is gone" "$(ls -l "$socket")"
}

test_pages() {
	local same
	configure
	agent || return
	page /healthz
	is "/healthz" "200 ok" "$code $(cat "$tmp/page")"
	page /readyz
	is "/readyz" "200 ok" "$code $(cat "$tmp/page")"
	page /nothing
	is "/nothing" 404 "$code"
	page /metrics -X DELETE
	is "DELETE /metrics" 405 "$code"
	page /capabilities
	is "/capabilities" 200 "$code"
	# check tries all events, the agent has loaded what those that are on need
	same='del(.. | .hooks?, .programs?, .load_ns?)'
	jq -S "$same" "$tmp/page" >"$tmp/served"
	"$tapio" check --config "$tmp/tapio.yaml" --json | jq -S "$same" >"$tmp/checked"
	is "/capabilities and tapio check --json" "" "$(diff "$tmp/served" "$tmp/checked")"
	between "lines of it" 50 5000 "$(wc -l <"$tmp/served")"
	is "mode of the socket" 600 "$(stat -c %a "$socket")"
	"$tapio" status --json --socket "$socket" >"$tmp/status" || fail "tapio status" "status 0" $?
	is "schema of tapio status" tapio.status/1 "$(jq -r .schema "$tmp/status")"
	setpriv --reuid 65534 --clear-groups "$tapio" status --socket "$socket" >"$tmp/status" 2>&1 && fail "tapio status of nobody" "a refusal" "$(cat "$tmp/status")"
	agent_stop
}

# Every thread: only what tapio check --privileges lists, no way to more, and a filter.
test_privileges_after_start() {
	local task name expected=0 bits
	configure 'bpf_stats: sampled'
	agent || return
	storm 5
	for name in $("$tapio" check --config "$tmp/tapio.yaml" --json | jq -r '.privileges[].capability' | sort -u); do
		bits=$(sed -n "s/^#define ${name}[[:space:]]*\([0-9]*\).*/\1/p" /usr/include/linux/capability.h)
		expected=$((expected | 1 << bits))
	done
	for task in "/proc/$pid/task/"*; do
		# CAP_SYS_ADMIN is the helper's, if it is needed at all
		bits=$((0x$(sed -n 's/^CapEff:[[:space:]]*//p' "$task/status")))
		is "capabilities of $(cat "$task/comm") that are not needed" 0 $((bits & ~expected))
		is "CAP_SYS_ADMIN of $(cat "$task/comm")" 0 $((bits & 1 << 21))
		[ $((bits & 1 << 39)) -ne 0 ] || fail "capabilities" "CAP_BPF" "$bits"
		is "what it can get" "$(sed -n 's/^CapEff://p' "$task/status")" "$(sed -n 's/^CapPrm://p' "$task/status")"
		is "no_new_privs and seccomp" "1 2" "$(sed -n 's/^\(NoNewPrivs\|Seccomp\):[[:space:]]*//p' "$task/status" | paste -sd' ')"
	done
	agent_stop
	agent --keep-privileges || return
	is "no_new_privs with --keep-privileges" 0 "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "/proc/$pid/status")"
	agent_stop
}
