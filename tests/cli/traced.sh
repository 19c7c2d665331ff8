#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: what is traced, the contract of the output, and filters.
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317

# ---- what is traced ----

# Programs whose names nobody else on this machine has.
me=tc$$
mkdir "$tmp/bin" "$tmp/work dir"
cp /bin/dash "$tmp/bin/$me-sh"
cp /usr/bin/env "$tmp/bin/$me-env"
cp /bin/true "$tmp/bin/$me"
comms=$me,$me-sh,$me-env
prog=$tmp/bin/$me

v2=$("$tapio" check --json 2>"$tmp/err" | jq -r '.cgroup.v2_mount // empty')
own_cgroup=$v2$(sed -n 's/^0:://p' /proc/self/cgroup)

# One of each: exec with exit 7, end by a signal, failed exec, fork. Sets exited, killed, failing, forked.
stimulus() {
	(cd "$tmp/work dir" && exec "$tmp/bin/$me-sh" -c 'exit 7' '' 'two words') &
	exited=$!
	"$tmp/bin/$me-sh" -c 'kill -TERM $$' &
	killed=$!
	wait "$exited" "$killed" 2>/dev/null
	"$tmp/bin/$me-env" "/nonexistent/$me" 2>/dev/null &
	failing=$!
	"$tmp/bin/$me-sh" -c '(exit 3); exit 0' &
	forked=$!
	wait "$failing" "$forked"
}

# Runs the program N times.
hit() { # N
	local i
	for ((i = 0; i < $1; i++)); do "$prog"; done
}

# Waits until $tmp/out has that many lines.
lines_come() { # N
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(wc -l <"$tmp/out")" -lt "$1" ] || return 0
		sleep 0.01
	done
	fail "lines of output" "$1 within 2 s" "$(wc -l <"$tmp/out")"
}

# ---- judging the output ----

cat >"$tmp/conforms.jq" <<'END'
def kind: if type == "number" and . == floor then "integer" else type end;
def errors($schema; $root; $at):
	. as $v
	| ($schema | if has("$ref") then . + ($root | getpath($schema["$ref"] | ltrimstr("#/") / "/")) else . end) as $s
	| (if $s.type and ($v | kind) != $s.type then "\($at) is \($v | kind), not \($s.type)" else empty end),
	(if ($s | has("const")) and $v != $s.const then "\($at) is \($v), not \($s.const)" else empty end),
	(if $s.pattern and ($v | test($s.pattern) | not) then "\($at) is \($v), not \($s.pattern)" else empty end),
	(if $s.minimum and $v < $s.minimum then "\($at) is \($v), below \($s.minimum)" else empty end),
	(if $s.maximum and $v > $s.maximum then "\($at) is \($v), above \($s.maximum)" else empty end),
	(if $s.minItems and ($v | length) < $s.minItems then "\($at) is too short" else empty end),
	(if $s.uniqueItems and ($v | unique | length) < ($v | length) then "\($at) repeats an item" else empty end),
	(if $s.items then $v | to_entries[] | .key as $i | .value | errors($s.items; $root; "\($at)[\($i)]")
		else empty end),
	(if $s.contains and all($v[]; [errors($s.contains; $root; $at)] != []) then "\($at) lacks \($s.contains)"
		else empty end),
	(if $s.required then $s.required[] | select(. as $k | $v | has($k) | not) | "\($at) lacks \(.)" else empty end),
	(if $s.properties then $s.properties | to_entries[] | .key as $k | .value as $p
		| select($v | has($k)) | $v[$k] | errors($p; $root; $k) else empty end),
	(if $s.allOf then $s.allOf[] as $a | $v | errors($a; $root; $at) else empty end),
	(if $s.anyOf and all($s.anyOf[]; . as $a | [$v | errors($a; $root; $at)] != []) then
		"\($at) meets none of \($s.anyOf | tojson)" else empty end);
$schema[0] as $root
| . as $event
| [$root.oneOf[] | select(.properties.event.const == $event.event)] as $is
| if ($is | length) != 1 then "\($is | length) schemas of event \($event.event)" else
	((keys - ($is[0].properties | keys))[] | "\(.) is not in the schema"), errors($is[0]; $root; $event.event) end
END
"$tapio" schema -o json-schema >"$tmp/schema.json"

# What every run in JSON mode must give.
judge_json() {
	local n
	n=$(wc -l <"$tmp/out")
	is "lines that are a JSON object" "$n" "$(jq -R 'fromjson? | objects | 1' "$tmp/out" | wc -l)"
	iconv -f UTF-8 -t UTF-8 <"$tmp/out" >/dev/null 2>&1 || fail "output" "valid UTF-8" "$(iconv -f UTF-8 -t UTF-8 <"$tmp/out" 2>&1 >/dev/null)"
	is "differences from the JSON schema" "" \
		"$(jq -r --slurpfile schema "$tmp/schema.json" -f "$tmp/conforms.jq" "$tmp/out" 2>&1 | sort | uniq -c | head -n 5)"
	# what happens on two CPUs at once may come in either order: docs/EVENTS.md promises a window
	is "events out of order of time by more than 5 ms" "" "$(jq -sr '
		[.[].time | (.[0:19] + "Z" | fromdate) + ("0" + .[19:29] | tonumber)] as $t |
		range(1; $t | length) | select($t[.] < $t[. - 1] - 0.005)' "$tmp/out")"
	summary
	is "events in the summary" "$(q 'select(.event != "tapio.lost") | 1' | wc -l)" "$events"
}

# Expects one such event, whose keys have these values, or tapio.absent names them and they are not there.
has() { # EVENT PID JSON-OBJECT
	printf '{"event": "%s", "pid": %s, "want": %s}\n' "$1" "$2" "$3" >>"$tmp/wanted"
}

# Looks at what was expected since the last time.
judge_wanted() {
	is "events that are missing or differ" "" "$(q -s --slurpfile wanted "$tmp/wanted" '. as $all | $wanted[] | . as $w
		| [$all[] | select(.event == $w.event and .["process.pid"] == $w.pid)] as $is
		| if ($is | length) != 1 then "\($is | length) of \($w.event) of \($w.pid)" else
			$is[0] as $is | .want | to_entries[] | .key as $k
			| if $is["tapio.absent"] // [] | index([$k]) then select($is | has($k)) else select($is[$k] != .value) end
			| "\($k) of \($w.event) is \($is[$k]), not \(.value)"
		end' 2>&1)"
	rm "$tmp/wanted"
}

# The contract on one tier.
contract() { # TIER-ARGUMENT...
	local before after event cgroup_id path=$tmp/bin/$me-sh
	if ! "$tapio" check --json "$@" >"$tmp/check.json" 2>"$tmp/err"; then
		skip "this kernel does not run it"
		return
	fi
	cgroup_id=$(stat -c %i "$own_cgroup" 2>/dev/null || echo 0)
	start trace -o json -e 'process.*' -c "$comms" "$@" || return
	before=$(date -u +%FT%T.%NZ)
	stimulus
	after=$(date -u +%FT%T.%NZ)
	stop
	judge_json
	is "lost" 0 "$lost"
	is "events of other times" "" "$(q --arg a "$before" --arg b "$after" 'select(.time < $a or .time > $b)')"
	has process.exec "$exited" "$(jq -nc --arg path "$path" --arg cwd "$tmp/work dir" --argjson me $$ \
		--argjson cgroup "$cgroup_id" --argjson pid "$exited" --argjson uid "$(id -u)" '{
		"process.parent_pid": $me, "process.executable.path": $path, "process.exec.filename": $path,
		"process.command_args": [$path, "-c", "exit 7", "", "two words"], "process.working_directory": $cwd,
		"process.args_count": 5, "process.args.size": ($path | length + 22), "process.vpid": $pid,
		"process.tid": $pid, "cgroup.id": $cgroup, "process.user.id": $uid, "process.real_user.id": $uid}')"
	has process.exit "$exited" "{\"process.parent_pid\": $$, \"process.exit.code\": 7, \"process.exit.signal\": null}"
	has process.exit "$killed" "{\"process.exit.code\": null, \"process.exit.signal\": 15}"
	has process.exit "$failing" '{"process.exit.code": 127}'
	if [[ $* == *raw_tp_no_syscalls* ]]; then
		like "first of two lines on stderr" 'warning: .*process.exec_failed' "$(head -n -1 "$tmp/err")"
	else
		is "lines on stderr" 1 "$(wc -l <"$tmp/err")"
		has process.exec_failed "$failing" \
			"{\"process.exec.filename\": \"/nonexistent/$me\", \"process.exec.errno\": 2, \"error.type\": \"ENOENT\"}"
	fi
	judge_wanted
	like "child of $forked" '^[0-9]+$' "$(q --argjson p "$forked" 'select(.event == "process.fork" and .["process.parent_pid"] == $p) | .["process.pid"]')"
	is "children of $forked by process.fork and by process.exit" \
		"$(q --argjson p "$forked" 'select(.event == "process.fork" and .["process.parent_pid"] == $p) | .["process.pid"]')" \
		"$(q --argjson p "$forked" 'select(.event == "process.exit" and .["process.parent_pid"] == $p) | .["process.pid"]')"
	for event in $(q .event | sort -u); do
		is "tapio.absent of $event, as tapio check has it" \
			"$(jq -c --arg e "$event" '[.sensors[].events[] | select(.name == $e) | .fields | to_entries[]
				| select(.value == "absent") | .key]' "$tmp/check.json")" \
			"$(q --arg e "$event" 'select(.event == $e) | .["tapio.absent"] // []' | sort -u)"
		is "absent fields of $event that are there" "" "$(q --arg e "$event" 'select(.event == $e) | . as $is
			| .["tapio.absent"] // [] | .[] | select(. as $k | $is | has($k))' | sort -u)"
	done
}

test_contract_best() { contract; }
test_contract_raw_tp() { contract --tier process=raw_tp; }
test_contract_raw_tp_no_syscalls() { contract --tier process=raw_tp_no_syscalls; }
test_contract_no_ringbuf() { contract --no-ringbuf; }
test_contract_no_btf() { contract --no-btf; }
test_contract_abi_v4_14() { contract --tier process=abi_v4_14; }

# ---- what to show, and until when ----

test_count() {
	start trace -n 3 -c "$me" || return
	hit 5
	ended 2
	is "exit status" 0 "$status"
	judge_json
	is "events" 3 "$events"
}

test_time() {
	local t ms
	for t in 500ms:500 0.5:500; do
		ms=$(now_ms)
		run trace -t "${t%:*}" -c "$me"
		between "ms that -t ${t%:*} takes" "${t#*:}" $((${t#*:} + 4000)) $(($(now_ms) - ms))
		is "exit status" 0 "$status"
		summary
	done
}

test_event() {
	local want
	for want in process.exec process.exit process.fork process.exec,process.exit; do
		start trace -e "$want" -c "$comms" || return
		stimulus
		stop
		judge_json
		is "events of --event $want" "$want" "$(q .event | sort -u | paste -sd,)"
	done
	start trace -c "$comms" || return
	stimulus
	stop
	is "events by default" process.exec,process.exec_failed,process.exit "$(q .event | sort -u | paste -sd,)"
	start trace -c "$comms" --event 'process.exec' --event 'process.*' process || return
	stimulus
	stop
	is "events of process.*" process.exec,process.exec_failed,process.exit,process.fork "$(q .event | sort -u | paste -sd,)"
}

test_pid() {
	local one two
	mkfifo "$tmp/go"
	# shellcheck disable=SC2094  # both ends, so that nobody waits for the other
	exec 8<>"$tmp/go"
	(read -r _ <&8; exec "$prog" one) &
	one=$!
	(read -r _ <&8; exec "$prog" two) &
	two=$!
	(read -r _ <&8; exec "$prog" other) &
	start trace -p "$one,$two" || return
	printf '\n\n\n' >&8
	lines_come 4
	hit 1
	stop
	exec 8>&-
	judge_json
	is "what is seen" "$(printf '%s process.exec\n%s process.exit\n' "$one" "$one" "$two" "$two" | sort)" \
		"$(q '"\(.["process.pid"]) \(.event)"' | sort)"
	start trace -p $$ -e process.fork || return
	"$prog" &
	one=$!
	wait "$one"
	(hit 1)
	stop
	judge_json
	is "parents of forks" $$ "$(q '.["process.parent_pid"]' | sort -u)"
	is "forks of $one" "$one" "$(q '.["process.pid"]' | grep -x "$one")"
}

test_uid() {
	local name=nobody uid
	uid=$(id -u "$name")
	for who in "$uid" "$name"; do
		start trace -u "$who" -c "$me" || return
		hit 1
		setpriv --reuid "$uid" --clear-groups "$prog"
		stop
		judge_json
		is "events of --uid $who" process.exec,process.exit "$(q .event | paste -sd,)"
		is "their user" "$uid" "$(q '.["process.real_user.id"] // empty')"
	done
}

test_cgroup() {
	local id which pid_in=
	cgroup=$v2/tapio-cli-$$
	if [ -z "$v2" ] || ! mkdir "$cgroup" "$cgroup/child" 2>/dev/null; then
		skip "no cgroup v2 hierarchy to write to"
		return
	fi
	for which in "$cgroup" "$(stat -c %i "$cgroup")"; do
		start trace --cgroup "$which" -c "$me" || return
		hit 1
		pid_in=
		for id in "$cgroup" "$cgroup/child"; do
			(echo 0 >"$id/cgroup.procs" && exec "$prog") &
			pid_in+=" $!"
			wait $!
		done
		stop
		judge_json
		is "processes of --cgroup $which" "$pid_in" "$(q 'select(.event == "process.exec") | .["process.pid"]' | paste -sd' ' | sed 's/^/ /')"
		is "their cgroups" "$(stat -c %i "$cgroup" "$cgroup/child")" "$(q 'select(.event == "process.exec") | .["cgroup.id"]')"
	done
	rmdir "$cgroup/child" "$cgroup"
	cgroup=
}

test_filters_combine() {
	local uid want
	uid=$(id -u)
	for want in "$uid 2" "nobody,$uid 2" "nobody 0"; do
		start trace -c "$me,other" -u "${want% *}" || return
		hit 1
		stop
		judge_json
		is "events of -c $me -u ${want% *}" "${want#* }" "$events"
	done
}

test_self() {
	start trace --self -c "$me" || return
	hit 1
	stop
	judge_json
	is "events" 2 "$events"
}
