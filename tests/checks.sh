# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # variables are read by those who source this
# What tests/cli and tests/storm share: checks and their count, and running tapio from outside. Sourced.
#
# A test is a function test_NAME. Prints a line per failing check, then one per test; report ends the program.

set -u
export LC_ALL=C # strings are bytes
unset NO_COLOR
shopt -s nullglob

OUT=$(realpath -m "${OUT:-build}")
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
tapio=$OUT/$arch/tapio
passed=0 failed=0 skipped=0 failures=0 skip_reason=

stop_all() {
	local left
	left=$(jobs -p)
	# shellcheck disable=SC2086  # a list of our own children
	[ -z "$left" ] || kill -KILL $left 2>/dev/null
	wait 2>/dev/null
}

clean_up() {
	stop_all
	[ -z "${cgroup-}" ] || rmdir "$cgroup/child" "$cgroup" 2>/dev/null
	cd / && rm -rf "$tmp"
}

if [ ! -x "$tapio" ]; then
	echo "$0: $tapio: not there; build it with: make OUT=$OUT" >&2
	exit 1
fi
tmp=$(mktemp -d -t tapio-test.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$tmp" # other users run programs in it
if [ "$(id -u)" -ne 0 ]; then
	echo "skip all: loading BPF programs takes root"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

# ---- checks ----

fail() { # WHAT EXPECTED GOT
	failures=$((failures + 1))
	printf '    %s: expected %s, got %s\n' "$1" "$2" "$(printf '%q' "${3:0:400}")"
}

is() { # WHAT EXPECTED GOT
	[ "$2" = "$3" ] || fail "$1" "$(printf '%q' "$2")" "$3"
}

like() { # WHAT REGEX GOT
	[[ $3 =~ $2 ]] || fail "$1" "a match of $2" "$3"
}

between() { # WHAT LEAST MOST GOT
	{ [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; } 2>/dev/null || fail "$1" "$2 to $3" "$4"
}

skip() { # REASON, and the test is to return
	skip_reason=$1
}

run_test() { # NAME
	local before=$failures from ms verdict=ok
	if ! declare -F "test_$1" >/dev/null; then
		echo "$0: $1: no such test" >&2
		exit 2
	fi
	from=$(now_ms)
	skip_reason=
	cd "$tmp" || exit 1
	"test_$1"
	stop_all
	ms=$(($(now_ms) - from))
	if [ "$failures" -gt "$before" ]; then
		verdict=FAIL failed=$((failed + 1))
	elif [ -n "$skip_reason" ]; then
		verdict=skip skipped=$((skipped + 1))
	else
		passed=$((passed + 1))
	fi
	printf '%-4s %s (%d.%d s)%s\n' "$verdict" "$1" $((ms / 1000)) $((ms % 1000 / 100)) "${skip_reason:+: $skip_reason}"
}

report() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

# ---- tapio, from outside ----

now_ms() {
	local us=${EPOCHREALTIME/./}
	echo $((us / 1000))
}

# To its end: $tmp/out, $tmp/err, status.
run() { # ARGUMENT...
	timeout -k 1 20 "$tapio" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

# In the background, until it waits for events: $tmp/out, $tmp/err, pid.
start() { # ARGUMENT...
	"$tapio" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	await "$pid"
}

# A tracer that has attached everything sleeps in epoll_wait (x86_64) or epoll_pwait.
await() { # PID
	local call i
	for ((i = 0; i < 1000; i++)); do
		if ! read -r call _ 2>/dev/null <"/proc/$1/syscall"; then
			fail "tapio's start" "that it runs" "$(cat "$tmp/err")"
			return 1
		fi
		case $arch-$call in x86_64-232 | x86_64-281 | arm64-22) return 0 ;; esac
		sleep 0.01
	done
	fail "tapio's start" "that it waits for events within 10 s" "system call $call"
	return 1
}

is_running() { # PID
	kill -0 "$1" 2>/dev/null
}

# Waits for the end of $pid: status, took_ms.
ended() { # SECONDS
	local from
	from=$(now_ms)
	while is_running "$pid"; do
		if [ $(($(now_ms) - from)) -gt $(($1 * 1000)) ]; then
			fail "tapio's end" "within $1 s" "system call $(cat "/proc/$pid/syscall")"
			kill -KILL "$pid"
			break
		fi
		sleep 0.01
	done
	took_ms=$(($(now_ms) - from))
	wait "$pid" 2>/dev/null
	status=$?
}

stop() { # [SIGNAL]
	kill -"${1:-INT}" "$pid"
	ended 5
	is "exit status after SIG${1:-INT}" 0 "$status"
}

# The numbers of the last line of stderr: events, lost, refused.
summary() {
	local last
	last=$(tail -n 1 "$tmp/err")
	if [[ $last =~ ^([0-9]+)\ events,\ ([0-9]+)\ lost,\ ([0-9]+)\ refused(\ \[.*\])?$ ]]; then
		events=${BASH_REMATCH[1]} lost=${BASH_REMATCH[2]} refused=${BASH_REMATCH[3]}
	else
		fail "last line of stderr" "N events, M lost, K refused" "$last"
		events=-1 lost=-1 refused=-1
	fi
}

q() { # JQ-ARGUMENT...: of what tapio printed
	jq -rc "$@" "$tmp/out"
}
