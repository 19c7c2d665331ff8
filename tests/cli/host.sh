#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: tapio check, sleep and latency, and what stays behind.
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317

# ---- tapio check ----

test_check() {
	local tier
	run check
	is "exit status" 0 "$status"
	is "stderr" "" "$(cat "$tmp/err")"
	for tier in tp_btf raw_tp raw_tp_no_syscalls abi abi_v4_14; do
		grep -qE "^ +$tier +(runs|not needed|does not run: .+|not tried: .+)$" "$tmp/out" || fail "tapio check" "a line about tier $tier" "$(cat "$tmp/out")"
	done
	harmless
	run check --json
	is "exit status" 0 "$status"
	is "schema" tapio.check/1 "$(q .schema)"
	is "lines" 1 "$(wc -l <"$tmp/out")"
	is "sensors and fields that are unknown to tapio schema" "" "$(jq -r --slurpfile s "$tmp/schema.json" '
		($s[0].oneOf | map({key: .title, value: (.properties | keys)}) | from_entries) as $known
		| .sensors[].events[] | .name as $e | .fields | keys[] | select(. as $f | $known[$e] | index([$f]) | not)' "$tmp/out")"
}

required() { # STATUS ARGUMENT...
	local want=$1
	shift
	run check "$@"
	is "exit status of check $*" "$want" "$status"
	[ "$want" = 0 ] || like "message of check $*" "--require .*: not met: .*process=" "$(cat "$tmp/err")"
	[ -s "$tmp/out" ] || fail "stdout of check $*" "the report" ""
}

test_require() {
	local level tier
	level=$("$tapio" check --json | jq -r .level)
	tier=$("$tapio" check --json | jq -r '.sensors[0].tier')
	required 0 --require "process=$tier"
	required 1 --require "process=abi_v4_14"
	"$tapio" check --tier process=raw_tp >/dev/null 2>&1 && required 0 --tier process=raw_tp --require process=raw_tp
	required 1 --require full --no-btf
	required 1 --require partial --no-btf
	required 1 --require partial --require full --no-ringbuf
	[ "$level" = full ] || return 0
	required 0 --require full
	required 0 --require partial --require full --json
	required 0 --require partial --no-ringbuf
}

# ---- when nothing happens, and when something does ----

# Milliseconds from before a program starts until its line has come.
latency() { # DESCRIPTOR
	local from line
	from=$(now_ms)
	"$prog"
	IFS= read -r -t 5 line <&"$1" || fail "the event" "within 5 s" "$line"
	took_ms=$(($(now_ms) - from))
}

# CPU ticks and voluntary context switches so far.
spent() { # PID
	awk -v switches="$(awk '/^voluntary/ { print $2 }' "/proc/$1/status")" '{ print $14 + $15, switches }' "/proc/$1/stat"
}

# One agent that has nothing to do, and beside it one that sees an event after a while.
test_idle() {
	local ticks switches ticks_after switches_after idle try best=9999
	sleep 60 &
	start trace -p $! || return
	idle=$pid
	coproc agent { exec "$tapio" trace -o json -e process.exec -c "$me" 2>"$tmp/err1"; }
	# shellcheck disable=SC2154  # by coproc
	await "$agent_PID" || return
	sleep 3
	read -r ticks switches < <(spent "$idle")
	# The machine may be busy with other things: one of three tries has to be in time.
	for try in 1 2 3; do
		latency "${agent[0]}"
		[ "$took_ms" -ge "$best" ] || best=$took_ms
		[ "$try" = 1 ] || [ "$best" -gt 100 ] || break
		sleep 3
	done
	between "ms until a lone event has come" 0 100 "$best"
	latency "${agent[0]}"
	between "ms until the next event has come" 0 500 "$took_ms"
	sleep 2
	read -r ticks_after switches_after < <(spent "$idle")
	is "CPU ticks in 5 s" 0 $((ticks_after - ticks))
	between "wake-ups in 5 s" 0 2 $((switches_after - switches))
	pid=$agent_PID
	stop
	pid=$idle
	stop
	summary
	is "events of the idle one" 0 "$events"
}

# ---- beside others, and afterwards ----

test_two_agents() {
	local first
	start trace -c "$me" -e process.exec || return
	first=$pid
	mv "$tmp/out" "$tmp/out1"
	mv "$tmp/err" "$tmp/err1"
	start trace -c "$me" -e process.exec || return
	hit 3
	stop
	pid=$first
	stop
	judge_json
	is "events" 3 "$events"
	is "processes that the two have seen" "$(q '.["process.pid"]' | paste -sd,)" \
		"$(jq -r '.["process.pid"]' "$tmp/out1" | paste -sd,)"
}

# The ids of a process's programs, maps and links: "prog 12".
bpf_ids() { # PID
	local kind id
	cat "/proc/$1/fdinfo/"* 2>/dev/null | sed -nE 's/^(prog|map|link)_id:\s*([0-9]+)$/\1 \2/p' | sort -u | tee "$tmp/ids"
	while read -r kind id; do
		[ "$kind" != prog ] || bpftool -j prog show id "$id" | jq -r '.map_ids[]? | "map \(.)"'
	done <"$tmp/ids"
}

mounts() {
	awk '{ sub(/.* - /, ""); print $1 }' /proc/self/mountinfo | grep -E 'tracefs|debugfs|bpf|securityfs' | sort
}

leftovers() { # IDS
	local kind id
	while read -r kind id; do
		bpftool "$kind" show id "$id" >/dev/null 2>&1 && echo "$kind $id"
	done <<<"$1"
}

test_nothing_stays() {
	local how session before ids i
	if ! command -v bpftool >/dev/null; then
		skip "no bpftool"
		return
	fi
	before=$(mounts)
	for how in KILL: INT: KILL:--no-btf INT:--no-btf KILL:--no-ringbuf; do
		# shellcheck disable=SC2086  # nothing or a word
		setsid "$tapio" trace -c "$me" ${how#*:} >"$tmp/out" 2>"$tmp/err" </dev/null &
		pid=$! session=$!
		await "$pid" || return
		is "mounts made" "$before" "$(mounts)"
		is "children" "" "$(cat "/proc/$pid/task/"*/children)"
		ids=$(bpf_ids "$pid" | sort -u)
		for i in prog map link; do
			grep -q "^$i" <<<"$ids" || fail "what tapio holds" "a $i" "$ids"
		done
		hit 1
		kill -"${how%%:*}" "$pid"
		ended 5 2>/dev/null # the shell's "Killed"
		is "mounts left" "$before" "$(mounts)"
		is "processes left" "" "$(cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | awk -v s="$session" '$4 == s')"
		for ((i = 0; i < 20; i++)); do
			[ -n "$(leftovers "$ids")" ] || break
			sleep 0.1
		done
		is "programs, maps and links left" "" "$(leftovers "$ids")"
	done
}

test_pid_namespace() {
	local inner i
	unshare --pid --fork --mount-proc "$tapio" trace -c "$me" -n 2 >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		inner=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
		[ -z "$inner" ] || break
		sleep 0.01
	done
	await "${inner% }" || return
	"$prog" &
	inner=$!
	wait "$inner"
	ended 3
	is "exit status" 0 "$status"
	like "warning" 'warning: .*hostPID' "$(cat "$tmp/err")"
	judge_json
	is "pid of the events, as the host has it" "$inner" "$(q '.["process.pid"]' | sort -u)"
}
