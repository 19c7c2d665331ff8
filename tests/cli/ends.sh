#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: how it ends, and wrong usage.
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317

# ---- how it ends ----

test_signals() {
	local signal
	for signal in INT TERM; do
		start trace -c "$me" || return
		hit 1
		stop "$signal"
		between "ms to end after SIG$signal" 0 2000 "$took_ms"
		judge_json
		is "events" 2 "$events"
	done
}

# Sixteen kilobytes of arguments.
big=$(printf '%16000s' x)

hit_big() { # N
	local i
	for ((i = 0; i < $1; i++)); do "$prog" "$big"; done
}

# A pipe that is full and that nobody reads.
blocked() { # ARGUMENT...
	mkfifo "$tmp/full"
	# shellcheck disable=SC2094  # the reader that does not read
	exec 8<>"$tmp/full"
	"$tapio" trace -c "$me" "$@" >"$tmp/full" 2>"$tmp/err" 8>&- &
	pid=$!
	await "$pid"
	hit_big 8
	sleep 0.1
	like "system call of the blocked tapio" '^(1|64) ' "$(cat "/proc/$pid/syscall")"
}

unblock() {
	exec 8>&-
	rm "$tmp/full"
	like "what it says" 'stdout is not being read' "$(cat "$tmp/err")"
	summary
}

test_signals_blocked() {
	blocked
	stop INT
	unblock
	# who says it twice does not want to wait
	blocked
	kill -TERM "$pid"
	sleep 0.5
	stop TERM
	unblock
	blocked -t 4s
	ended 12
	is "exit status of -t" 0 "$status"
	unblock
}

# Slower than events come, and done only seconds after the signal.
test_reader_is_slow() {
	mkfifo "$tmp/slow"
	(
		while IFS= read -r line; do
			echo "${line%%,\"process.args*}}"
			sleep 0.015
		done <"$tmp/slow" >"$tmp/out"
	) &
	"$tapio" trace -c "$me" -e process.exec >"$tmp/slow" 2>"$tmp/err" &
	pid=$!
	await "$pid"
	hit_big 150
	kill -INT "$pid"
	ended 20
	is "exit status" 0 "$status"
	between "ms to end" 1500 20000 "$took_ms"
	wait
	summary
	is "events" 150 "$events"
	is "lines" 150 "$(grep -c '^{"time".*}$' "$tmp/out")"
	is "lines on stderr" 1 "$(wc -l <"$tmp/err")"
}

test_reader_leaves() {
	local from
	{
		"$tapio" trace -c "$me" 2>"$tmp/err"
		echo $? >"$tmp/status"
		now_ms >"$tmp/end"
	} | {
		head -n 1 >"$tmp/out"
		now_ms >"$tmp/left"
	} &
	await "$(child_of_any)" || return
	hit 1
	wait
	between "ms until tapio ends, too" 0 1000 $(($(cat "$tmp/end") - $(cat "$tmp/left")))
	is "exit status" 0 "$(cat "$tmp/status")"
	is "lines on stderr" 1 "$(wc -l <"$tmp/err")"
	summary
	# before the first event
	from=$(now_ms)
	"$tapio" trace -p $$ -e process.exit 2>"$tmp/err" | (sleep 0.7)
	between "ms with a reader that only waits" 600 2000 $(($(now_ms) - from))
	is "lines on stderr" 1 "$(wc -l <"$tmp/err")"
	summary
}

# Some tapio below this shell.
child_of_any() {
	local i p
	for ((i = 0; i < 200; i++)); do
		for p in $(descendants $$); do
			[ "$(readlink "/proc/$p/exe")" = "$tapio" ] && echo "$p" && return
		done
		sleep 0.01
	done
}

descendants() { # PID
	local p pids
	pids=$(cat "/proc/$1/task/"*/children 2>/dev/null)
	for p in $pids; do
		echo "$p"
		descendants "$p"
	done
}

test_output_fails() {
	"$tapio" trace -c "$me" >/dev/full 2>"$tmp/err" &
	pid=$!
	await "$pid"
	hit 1
	ended 2
	is "exit status with /dev/full" 1 "$status"
	like "message" 'stdout: No space left on device' "$(cat "$tmp/err")"
	summary
	"$tapio" trace -c "$me" >&- 2>"$tmp/err" &
	pid=$!
	await "$pid"
	hit 1
	ended 2
	is "exit status with stdout closed" 1 "$status"
	like "message" 'stdout: Bad file descriptor' "$(cat "$tmp/err")"
	summary
	for command in check "check --json" schema version --help "trace --help"; do
		# shellcheck disable=SC2086  # words
		"$tapio" $command >/dev/full 2>"$tmp/err"
		is "exit status of $command with /dev/full" 1 "$?"
		like "message of $command" 'No space left on device' "$(cat "$tmp/err")"
	done
	"$tapio" trace -t 200ms -c "$me" 2>&- >"$tmp/out" <&-
	is "exit status without stdin and stderr" 0 "$?"
}

wrong() { # MESSAGE-REGEX ARGUMENT...
	local regex=$1
	shift
	run "$@"
	is "exit status of tapio $*" 2 "$status"
	like "message of tapio $*" "$regex" "$(cat "$tmp/err")"
	is "stdout of tapio $*" "" "$(cat "$tmp/out")"
	is "lines that tapio $* says" 1 "$(wc -l <"$tmp/err")"
}

test_usage() {
	run
	is "exit status without a command" 2 "$status"
	like "what it says" 'usage: tapio COMMAND' "$(cat "$tmp/err")"
	is "stdout" "" "$(cat "$tmp/out")"
	wrong 'nonsense: .*--help' nonsense
	wrong '--nonsense: .*--help' trace --nonsense
	wrong '-x: .*--help' trace -x
	wrong '--nonsense: .*--help' check --nonsense
	wrong '--nonsense: .*--help' schema --nonsense
	wrong '--nonsense: .*--help' status --nonsense
	wrong '-n: .*value' trace -n
	wrong 'nope: .*tapio schema' trace -e nope
	wrong "nope\.\*: .*tapio schema" trace -e 'nope.*'
	wrong 'nope: .*tapio schema' trace -e process.exec,nope
	wrong 'nope: .*tapio check' trace nope
	wrong 'nope: .*tapio check' check nope
	wrong 'nope: .*tapio schema' schema nope
	wrong 'xml: .*json-schema' schema -o xml
	wrong 'xml: .*table.*json' trace -o xml
	wrong 'process=nope: .*tp_btf' trace --tier process=nope
	wrong 'nope=raw_tp: .*tapio check' trace --tier nope=raw_tp
	wrong 'raw_tp: .*SENSOR=TIER' trace --tier raw_tp
	wrong '/nonexistent: No such file' trace --btf /nonexistent
	for bad in 0 -1 x 1x 99999999999; do wrong "$bad: .*process id" trace --pid "$bad"; done
	for bad in no-such-user -1 99999999999; do wrong "$bad: .*user" trace --uid "$bad"; done
	for bad in 0 -1 x 10y; do wrong "$bad: .*500ms" trace -t "$bad"; done
	for bad in 0 -1 x; do wrong "$bad: .*number" trace -n "$bad"; done
	for option in -e -p -c -u; do wrong 'empty' trace "$option" ''; done
	wrong 'empty' trace -e process.exec,
	wrong '1234567890123456: .*15' trace -c 1234567890123456
	wrong '/tmp: .*cgroup' trace --cgroup /tmp
	wrong '/nonexistent: No such file' trace --cgroup /nonexistent
	wrong '999999999: .*cgroup' trace --cgroup 999999999
	wrong 'relative: .*path' trace --cgroup relative
	wrong 'nope: .*full' check --require nope
	wrong 'process=nope: ' check --require process=nope
	wrong 'x: ' version x
}

test_help() {
	local command
	for command in --help -h help "trace --help" "check --help" "schema --help" "status --help" "version --help" "trace -h"; do
		# shellcheck disable=SC2086  # words
		run $command
		is "exit status of $command" 0 "$status"
		like "stdout of $command" 'usage: tapio' "$(cat "$tmp/out")"
		is "stderr of $command" "" "$(cat "$tmp/err")"
	done
	for command in trace check status schema version; do
		run --help
		like "tapio --help" "  $command " "$(cat "$tmp/out")"
	done
	for command in version --version -V; do
		run $command
		like "stdout of $command" '^tapio [0-9]+\.[0-9]+\.[0-9]+' "$(cat "$tmp/out")"
	done
}

# With the capabilities named only, as another user.
unprivileged() { # CAPABILITIES ARGUMENT...
	local caps=$1
	shift
	cp "$tapio" "$tmp/tapio"
	timeout 20 setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps="-all$caps" --ambient-caps="-all$caps" \
		"$tmp/tapio" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

test_privilege() {
	local command
	for command in trace check; do
		unprivileged "" "$command"
		is "exit status of $command" 2 "$status"
		like "message of $command" "CAP_BPF and CAP_PERFMON.*sudo tapio $command" "$(cat "$tmp/err")"
		is "stdout of $command" "" "$(cat "$tmp/out")"
	done
	unprivileged ,+bpf trace
	like "message" 'missing privilege: CAP_PERFMON ' "$(cat "$tmp/err")"
	unprivileged ,+perfmon trace
	like "message" 'missing privilege: CAP_BPF ' "$(cat "$tmp/err")"
	for command in schema version "trace --help"; do
		# shellcheck disable=SC2086  # words
		unprivileged "" $command
		is "exit status of $command" 0 "$status"
	done
	if ! grep -q '^' /sys/kernel/btf/vmlinux 2>/dev/null; then return; fi
	unprivileged ,+bpf,+perfmon trace -t 300ms
	is "exit status with both" 0 "$status"
	summary
}
