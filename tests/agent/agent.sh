# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # variables are the callers'
# An agent that runs, and what it says of itself. Sourced by tests/agent/run, after tests/checks.sh.
#
#   configure [KEY: VALUE]...   writes $tmp/tapio.yaml: the lines, a file sink at $events, a free port, a socket
#   agent [ARGUMENT]...         starts it (with $around before it, stdout to $stdout), waits until it is ready
#   agent_stop [SIGNAL]         ends it; judges its exit status; reads its last line
#   metric SERIES               its value in /metrics, as "tapio_events_total{event="process.exec"}"
#   page PATH                   prints it; code: the status
#   await WHAT SECONDS COMMAND  until the command succeeds
#   storm N [ARGUMENT]...       makes N processes named $me

events=$tmp/events.json
socket=$tmp/tapio.sock
url='' around=() stdout=/dev/null pids=()

mkdir -p "$OUT/tests" "$tmp/bin"
for program in exec_storm exit0; do
	[ "$OUT/tests/$program" -nt "tests/bench/$program.c" ] && continue
	flags=(-O2)
	[ $program = exec_storm ] || flags+=(-nostdlib -static)
	gcc "${flags[@]}" -o "$OUT/tests/$program.$$" "tests/bench/$program.c" &&
		mv "$OUT/tests/$program.$$" "$OUT/tests/$program" || exit 1
done
storm_program=$OUT/tests/exec_storm
me=ta$$ # a name that nobody else on this machine has
cp "$OUT/tests/exit0" "$tmp/bin/$me"
v2=$("$tapio" check --json 2>/dev/null | jq -r '.cgroup.v2_mount // empty')

# A loop that was killed leaves its last program running for a moment.
no_load() {
	! grep -qsF "$tmp/bin/$me" /proc/[0-9]*/cmdline
}

configure() { # LINE...
	await_that "that the load of before has ended" 10 no_load
	{
		[ $# -eq 0 ] || printf '%s\n' "$@"
		printf '%s\n' 'listen: 127.0.0.1:0' "socket: $socket"
		[[ "$*" == *sinks:* ]] || printf '%s\n' sinks: '  - type: file' "    path: $events"
	} >"$tmp/tapio.yaml"
}

await_that() { # WHAT SECONDS COMMAND...
	local what=$1 deadline=$(($(now_ms) + $2 * 1000))
	shift 2
	until "$@"; do
		if [ "$(now_ms)" -gt $deadline ]; then
			fail "$what" "that it comes" "it does not: $(tail -n 3 "$tmp/log")"
			return 1
		fi
		sleep 0.1
	done
}

# The status of a page, which goes to $tmp/page. Fails when nobody answers.
page() { # PATH [CURL-ARGUMENT]...
	local path=$1
	shift
	code=$(curl -s -m 10 -o "$tmp/page" -w '%{http_code}' "$@" "$url$path") || code=000
	[ "$code" != 000 ]
}

is_ready() {
	kill -0 "$pid" 2>/dev/null || return 0
	url=$(sed -n 's/^tapio: listening on //p' "$tmp/log")
	[ -n "$url" ] && page /healthz
}

agent() { # ARGUMENT...
	: >"$tmp/log"
	"${around[@]}" "$tapio" run --config "$tmp/tapio.yaml" "$@" >"$stdout" 2>>"$tmp/log" </dev/null &
	pid=$!
	pids+=("$pid")
	await_that "the agent" 60 is_ready || return 1
	kill -0 "$pid" 2>/dev/null && return
	fail "the agent" "that it runs" "$(cat "$tmp/log")"
	return 1
}

agent_ended() {
	! kill -0 "$pid" 2>/dev/null
}

# Its last line: events, lost, refused, dropped.
agent_stop() { # [SIGNAL]
	local last
	kill -"${1:-TERM}" "$pid"
	await_that "the agent's end" 30 agent_ended || kill -KILL "$pid"
	wait "$pid"
	is "the agent's exit status" 0 $?
	last=$(tail -n 1 "$tmp/log")
	events_given=-1 lost=-1 refused=-1 dropped=-1
	if [[ $last =~ ^tapio:\ run:\ ([0-9]+)\ events,\ ([0-9]+)\ lost,\ ([0-9]+)\ refused(\ \[.*\])?,\ ([0-9]+)\ dropped\ by\ sinks$ ]]; then
		events_given=${BASH_REMATCH[1]} lost=${BASH_REMATCH[2]} refused=${BASH_REMATCH[3]} dropped=${BASH_REMATCH[5]}
	else
		fail "last line of the agent" "its sums" "$last"
	fi
}

agent_killed() {
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
}

metrics() {
	page /metrics && cat "$tmp/page"
}

metric() { # SERIES
	metrics | awk -v s="$1" 'index($0, s " ") == 1 { v = $NF } END { print v == "" ? "none" : v }'
}

metric_is() { # SERIES VALUE
	[ "$(metric "$1")" = "$2" ]
}

metric_grew() { # SERIES VALUE
	[ "$(metric "$1")" -gt "$2" ] 2>/dev/null
}

# To its end: so many processes, and then what was made is in the rings.
storm() { # N [ARGUMENT]...
	local n=$1
	shift
	"$storm_program" "$n" "$tmp/bin/$me" "$@" >"$tmp/took" 2>&1 || fail "making processes" "status 0" "$(cat "$tmp/took")"
}

# Of files of events: execs and exits of processes of a name; own: events that Tapio made itself; others: of others;
# told: the sum of tapio.lost, and by cause: told_CAUSE; broken: lines that are no JSON object.
tally() { # NAME FILE...
	local name=$1 cause
	shift
	broken=0
	for cause in ring_full no_slot state_full run_skipped perf_full unreadable malformed unknown_type budget sink_full sink_failed; do
		printf -v "told_$cause" 0
	done
	eval "$(cat -- "$@" | awk -v me="\"$name\"" '
		function value(key, i, s) {
			i = index($0, "\"" key "\":")
			if (!i)
				return ""
			s = substr($0, i + length(key) + 3, 80)
			sub(/[,}].*/, "", s)
			return s
		}
		!/^\{"time":"[-0-9T:.]*Z","event":"[a-z_.]*".*\}$/ { broken++; next }
		{ lines++; event = value("event") }
		event == "\"tapio.lost\"" {
			told += value("tapio.lost.count")
			cause = value("tapio.lost.cause"); gsub(/"/, "", cause)
			by[cause] += value("tapio.lost.count")
		}
		event == "\"tapio.started\"" { starts++ }
		event ~ /^"tapio\./ { own++; next }
		value("process.executable.name") != me { others++; next }
		event == "\"process.exec\"" { execs++ }
		event == "\"process.exit\"" { exits++ }
		END {
			printf "lines=%d execs=%d exits=%d own=%d starts=%d others=%d told=%d broken=%d", lines, execs, exits, own,
				starts, others, told, broken
			for (cause in by) printf " told_%s=%d", cause, by[cause]
		}')"
}

# How many of ours were executed with this argument.
told_with() { # ARGUMENT
	grep -F '"event":"process.exec"' "$events" | grep -F "\"process.executable.name\":\"$me\"" | grep -cF "\"$1\""
}

# Every line one JSON object: by a parser, and not by a pattern.
is_jsonl() { # FILE...
	is "lines of $(basename "$1") that are not JSON objects" "" \
		"$(cat -- "$@" | jq -cR 'try (fromjson | if type == "object" then empty else . end) catch .' 2>&1 | head -n 2)"
}

# Nothing was lost that is not counted: of N processes as many are there, or others and they are lost together.
complete() { # N
	between "execs and exits, seen and lost" $((2 * $1)) $((2 * $1 + lost)) $((execs + exits + lost))
	[ "$lost" -eq 0 ] || echo "    $lost lost"
}

# A file as the kernel shows them: descriptor numbers and what they are.
descriptors() {
	find "/proc/$pid/fd" -mindepth 1 | wc -l
}

# Ids of the BPF programs and links that it holds.
program_ids() {
	sed -n 's/^prog_id:[[:space:]]*//p' "/proc/$pid/fdinfo/"* 2>/dev/null | sort -un
}

clean_cgroups() {
	local dir i
	[ -n "$v2" ] || return 0
	for i in 1 2 3 4 5; do
		for dir in "$v2/$me"*; do
			find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null
		done
		compgen -G "$v2/$me*" >/dev/null || return 0
		sleep 0.2
	done
}

clean_agents() {
	local p
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
	clean_cgroups
}
trap 'clean_agents; clean_up' EXIT
