#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: the formats, and names that mean harm.
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317

# ---- the formats ----

test_table_piped() {
	"$tapio" trace -o table -n 4 -c "$me" 2>"$tmp/err" | cat >"$tmp/out" &
	await "$(child_of $!)" || return
	hit 2
	wait
	like "heading" '^TIME +EVENT +PID +PPID +COMM +WHO +DETAILS$' "$(head -n 1 "$tmp/out")"
	is "lines" 5 "$(wc -l <"$tmp/out")"
	like "a line" "^[0-9:.]{12} process\.exec +[0-9]+ +$$ $me +[^ ]+ +$prog( |\$)" "$(sed -n 2p "$tmp/out")"
	is "escapes in a pipe" 0 "$(grep -c $'\e' "$tmp/out")"
}

# The tapio of a pipeline whose last process is PID.
child_of() { # PID
	local i pids p
	for ((i = 0; i < 200; i++)); do
		pids=$(cat "/proc/$$/task/$$/children")
		for p in $pids; do
			[ "$(readlink "/proc/$p/exe")" = "$tapio" ] && echo "$p" && return
		done
		sleep 0.01
	done
}

# Runs tapio on a terminal of 70 columns until it has printed 4 events: $tmp/out.
on_tty() { # ENVIRONMENT ARGUMENT...
	local env=$1 i
	shift
	script -qec "stty cols 70; $env exec $tapio trace -n 4 -c $me $* 2>$tmp/err" "$tmp/typescript" </dev/null >"$tmp/raw" 2>&1 &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		is_running "$pid" || break
		"$prog" "a long argument, so that the line does not fit into seventy columns" "and another one"
		sleep 0.02
	done
	ended 1
	is "exit status" 0 "$status"
	tr -d '\r' <"$tmp/raw" >"$tmp/out"
	sed $'s/\e\\[[0-9;]*m//g' "$tmp/out" | iconv -f UTF-8 -t UTF-32LE | od -An -v -tu4 -w4 | awk '
		$1 == 10 { if (n > most) most = n; n = 0; next } { n++ } END { print most + 0 }' >"$tmp/longest"
	longest=$(cat "$tmp/longest")
}

test_terminal() {
	on_tty ""
	like "heading" 'TIME +EVENT' "$(head -n 1 "$tmp/out")"
	is "coloured lines" 5 "$(grep -c $'\e\\[[0-9;]*m' "$tmp/out")"
	is "longest line" 70 "$longest"
	between "lines that say they are cut" 2 5 "$(grep -c $'\xe2\x80\xa6' "$tmp/out")"
	is "other control characters" 0 "$(sed $'s/\e\\[[0-9;]*m//g' "$tmp/out" | tr -d '\n\40-\176\200-\377' | wc -c)"
	on_tty NO_COLOR=1
	is "escapes with NO_COLOR" 0 "$(grep -c $'\e' "$tmp/out")"
	is "longest line" 70 "$longest"
	on_tty "" --no-color --wide
	is "escapes with --no-color" 0 "$(grep -c $'\e' "$tmp/out")"
	like "length of the longest line with --wide" '^1[0-9][0-9]|2[0-9][0-9]$' "$longest"
	on_tty "" -o json
	is "events as JSON" 4 "$(jq -R 'fromjson? | objects | 1' "$tmp/out" | wc -l)"
}

# Raw bytes, and what JSON must make of them.
hostile_raw=($'a\nb' $'\e[31mred' $'x\ry' $'\xc2\x9b31m' $'\x9b31m' $'\xff\xfe' $'q"\\\'' $'\xe2\x80\xaetxt' $'\x7f' $'\xe2\x80\x8bz'
	$'\x01\x1f' $'gr\xc3\xbc\xc3\x9f' $'\xf0\x9f\x90\x83' $'\xed\xa0\x80' ' ' '$(id)' '-n')
hostile_json=('a\nb' '\u001b[31mred' 'x\ry' '\u009b31m' '\ufffd31m' '\ufffd\ufffd' "q\\\"\\\\'" '\u202etxt' '\u007f' '\u200bz'
	'\u0001\u001f' 'gr\u00fc\u00df' '\ud83d\udc03' '\ufffd\ufffd\ufffd' ' ' '$(id)' '-n')

# Runs programs with such names, folders and arguments, with tapio watching their pids.
run_hostile() { # TAPIO-ARGUMENT...
	local raw i pids=()
	rm -rf "$tmp/hostile" "$tmp/go"
	mkdir "$tmp/hostile"
	mkfifo "$tmp/go"
	# shellcheck disable=SC2094  # both ends, so that nobody waits for the other
	exec 8<>"$tmp/go"
	for raw in "${hostile_raw[@]}"; do
		mkdir "$tmp/hostile/$raw"
		ln "$prog" "$tmp/hostile/$raw/$raw"
		bash -c 'cd "$1" && shopt -s execfail && read -r _ <&8
			exec "$1/$2.none"
			exec -a "$2" "$1/$2" "$2" "" "$2"' bash "$tmp/hostile/$raw" "$raw" 2>/dev/null &
		pids+=("$!")
	done
	start trace -p "$(IFS=, && echo "${pids[*]}")" "$@" || return
	for ((i = 0; i < ${#pids[@]}; i++)); do echo >&8; done
	wait "${pids[@]}"
	stop
	exec 8>&-
	hostile_pids=("${pids[@]}")
}

test_hostile_json() {
	local i want
	run_hostile -o json || return
	judge_json
	is "events" $((3 * ${#hostile_raw[@]})) "$events"
	for i in "${!hostile_raw[@]}"; do
		want=${hostile_json[i]}
		has process.exec "${hostile_pids[i]}" "{\"process.command_args\": [\"$want\", \"$want\", \"\", \"$want\"],
			\"process.executable.path\": \"$tmp/hostile/$want/$want\", \"process.executable.name\": \"$want\",
			\"process.working_directory\": \"$tmp/hostile/$want\", \"process.exec.filename\": \"$tmp/hostile/$want/$want\"}"
		has process.exec_failed "${hostile_pids[i]}" "{\"process.exec.filename\": \"$tmp/hostile/$want/$want.none\"}"
		has process.exit "${hostile_pids[i]}" "{\"process.executable.name\": \"$want\"}"
	done
	judge_wanted
	harmless
}

test_hostile_table() {
	run_hostile -o table || return
	is "lines" $((3 * ${#hostile_raw[@]} + 1)) "$(wc -l <"$tmp/out")"
	harmless
	for i in "$tmp/hostile/\$(id)/\$(id)" '$(id)'; do
		grep -qF "'$i'" "$tmp/out" || fail "the table" "'$i', quoted for a shell" "$(grep -F '(id)' "$tmp/out")"
	done
}

# Nothing in the output steers a terminal: no control, invisible or direction-changing characters.
harmless() {
	is "control characters" 0 "$(tr -d '\n\40-\176\200-\377' <"$tmp/out" | wc -c)"
	is "C1 control characters" "" "$(grep -aP '\xc2[\x80-\x9f]' "$tmp/out" | head -n 1)"
	is "invisible characters" "" "$(grep -aP '\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf' "$tmp/out" | head -n 1)"
	iconv -f UTF-8 -t UTF-8 <"$tmp/out" >/dev/null 2>&1 || fail "output" "valid UTF-8" "something else"
}
