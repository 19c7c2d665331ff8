#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: that manual, completion and installation say and do what the binary does.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2317

top=$PWD
manual=$top/docs/tapio.8

# ---- the manual ----

commands() {
	"$tapio" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'
}

# "-o, --output table|json" a line, as in help.
options_of_help() { # COMMAND
	"$tapio" "$1" --help | grep -E '^ +(-[a-z], )?--[a-z]' | sed -E 's/^ +//; s/(  | \().*//' | sort -u
}

# The same of a subsection of the manual.
options_of_manual() { # SUBSECTION
	mandoc -T ascii -Owidth=400 "$manual" | sed 's/.\x08//g' | awk -v wanted="   $1" '
		/^ ? ? ?[^ ]/ { inside = $0 == wanted }
		inside && /^     -/ { sub(/^ +/, ""); sub(/  .*/, ""); gsub(/ \| /, "|"); print }' | sort -u
}

test_manual_options() {
	local command common filters
	common=$(options_of_manual "Options of trace, dns, top, run and check")
	filters=$(options_of_manual "Filters of trace, dns and top")
	like "options of trace, dns, top, run and check" '--tier SENSOR=TIER' "$common"
	is "commands in the manual" "$(commands | sort)" \
		"$(mandoc -T ascii "$manual" | sed 's/.\x08//g' | sed -nE 's/^   tapio ([a-z]+)$/\1/p' | sort)"
	for command in $(commands); do
		case $command in
		trace | dns | top)
			is "options of tapio $command in the manual" "$(options_of_help "$command")" \
				"$({ options_of_manual "tapio $command"; echo "$filters"; echo "$common"; } | sed '/^$/d' | sort -u)"
			;;
		run | check)
			is "options of tapio $command in the manual" "$(options_of_help "$command")" \
				"$({ options_of_manual "tapio $command"; echo "$common"; } | sed '/^$/d' | sort -u)"
			;;
		*) is "options of tapio $command in the manual" "$(options_of_help "$command")" "$(options_of_manual "tapio $command")" ;;
		esac
	done
}

# All but whether the manuals that it refers to are installed here.
test_manual_form() {
	is "what mandoc finds" "" "$(mandoc -T lint "$manual" 2>/dev/null | grep -v 'referenced manual not found')"
	is "files it names that are not there" "" "$(grep -oE 'docs/[A-Z_]+\.md' "$manual" | sort -u | (cd "$top" && while read -r f; do [ -f "$f" ] || echo "$f"; done))"
}

# Its ratios are those of the last measurement.
test_manual_figures() {
	local row ratio text
	text=$(mandoc -T ascii "$manual" | sed 's/.\x08//g' | tr -s '\n ' ' ')
	for row in 'exec storm, slowdown: tapio' 'exec storm, slowdown: tapio, exec+exit+fork' 'getppid, all default sensors on, slowdown'; do
		ratio=$(awk -F '|' -v row="$row" '{ gsub(/^ +| +$/, "", $3) } $3 == row { print $4 + 0 }' "$top/docs/FIGURES.md")
		grep -q " $ratio times" <<<"$text" ||
			fail "OVERHEAD of the manual: $row" "'$ratio times'" "$(grep -oE '[0-9.]+ times' <<<"$text" | paste -sd,)"
	done
}

# ---- completion ----

completed() { # WORD...: what bash offers for the last
	PATH=${tapio%/*}:$PATH bash --norc -c '. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		name=$(complete -p tapio | sed "s/.* -F \([^ ]*\) .*/\1/")
		"$name" tapio "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' "$top/deploy/completion/tapio.bash" tapio "$@" | paste -sd' '
}

test_completion() {
	local command options
	is "commands" "--help --version $(commands | sort | paste -sd' ')" "$(completed '')"
	is "a command" status "$(completed st)"
	for command in $(commands); do
		options=$(options_of_help "$command" | grep -oE '(^|[ ,])--?[a-z-]+' | tr -d ' ,' | sort -u | paste -sd' ')
		is "options of $command" "$options" "$(completed "$command" -)"
	done
	is "words of an option" "json table" "$(completed trace -o '')"
	is "the same behind =" json "$(completed trace --output = j)"
	is "events" "process.exec process.exec_failed" "$(completed trace -e process.exec)"
	is "a second event" "process.exec,process.exit process.exec,process.fork" "$(completed trace --event process.exec,process.exi) $(completed trace --event process.exec,process.f)"
	is "events of schema" "tapio.identity tapio.lost tapio.started" "$(completed schema tapio.)"
	is "events that trace does not take" "" "$(completed trace --event tapio.)"
	is "ways to tell clients apart" "pod process unit" "$(completed dns --by '')"
	is "what top shows" dns "$(completed top '')"
	is "collectors" kernel "$(completed trace --self ker)"
	is "tiers" "process=abi process=abi_v4_14" "$(completed check --require process=a)"
	is "tiers, as bash splits words" "abi abi_v4_14" "$(completed check --require process = a)"
	is "a user" root "$(completed trace -u roo)"
	is "what no option of run takes" "" "$(completed run --listen '')"
	is "behind an option whose value may be left out" kernel "$(completed trace --attach ker)"
	is "an unknown command" "" "$(completed bogus '')"
	: >'a file' && : >'$(touch ran)'
	is "a file" "$PWD/a file" "$(completed run --config "$PWD/a f")"
	is "a socket" "$PWD/a file" "$(completed trace --attach = "$PWD/a f")"
	is "a file with the name of a command" '$(touch ran)' "$(completed run --config '$')"
	[ ! -e ran ] || fail "a file's name" "that it is not executed" "executed"
}

# ---- installation ----

made() { # TARGET...
	make -s -C "$top" OUT="$OUT" ARCH="$arch" DESTDIR="$tmp/root" PREFIX=/opt/x "$@" >"$tmp/out" 2>&1 ||
		fail "make $*" "exit status 0" "$(cat "$tmp/out")"
}

installed() {
	(cd "$tmp/root" && find . -type f -printf '%m %p\n' | sort -k 2 | paste -sd' ')
}

test_install() {
	local config="644 ./etc/tapio/tapio.yaml"
	made install
	is "files" "$config 644 ./opt/x/lib/systemd/system/tapio.service 755 ./opt/x/sbin/tapio 644 ./opt/x/share/bash-completion/completions/tapio 644 ./opt/x/share/man/man8/tapio.8" "$(installed)"
	like "installed binary" '^tapio [0-9]' "$("$tmp/root/opt/x/sbin/tapio" version)"
	is "what the unit starts" "/opt/x/sbin/tapio run --config /etc/tapio/tapio.yaml" \
		"$(sed -n 's/^ExecStart=//p' "$tmp/root/opt/x/lib/systemd/system/tapio.service")"
	"$tmp/root/opt/x/sbin/tapio" run --config "$tmp/root/etc/tapio/tapio.yaml" --print-config >/dev/null || fail "installed configuration" "that it is read" ""
	echo '# mine' >"$tmp/root/etc/tapio/tapio.yaml"
	made install
	is "configuration after a second installation" '# mine' "$(cat "$tmp/root/etc/tapio/tapio.yaml")"
	made uninstall
	is "what is left" "$config" "$(installed)"
}

# ---- docs/METRICS.md ----

# The rows of the document without labels, and "metric label" a line, of a scrape in Prometheus' text format.
rows_of_scrape() {
	awk '/^# TYPE/ { type[$3] = $4 } /^# HELP/ { name = $3; sub(/^# HELP [^ ]+ /, ""); printf "%s|%s|%s\n", name, type[name], $0 }' "$1" | sort
}

labels_of_scrape() {
	grep -v '^#' "$1" | grep -oE '^[a-z0-9_]+\{.*\}' | awk -F '{' '{ name = $1; rest = substr($0, length(name) + 2)
		while (match(rest, /[a-z0-9_]+="([^"\\]|\\.)*"/)) {
			print name, substr(rest, RSTART, index(substr(rest, RSTART), "=") - 1)
			rest = substr(rest, RSTART + RLENGTH)
		} }' | sed -E 's/^(.*_seconds)_(bucket|sum|count) /\1 /' | sort -u
}

rows_of_document() {
	sed -nE 's/^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|[^|]*\| (.*) \|$/\1|\2|\3/p' "$top/docs/METRICS.md" | sort
}

labels_of_document() {
	sed -nE 's/^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|([^|]*)\| .* \|$/\1 \3/p' "$top/docs/METRICS.md" | tr -d '`,' |
		awk '{ for (i = 2; i <= NF; i++) print $1, $i }' | sort -u
}

test_metrics_document() {
	local i label address='' undocumented
	"$tapio" run --listen 127.0.0.1:0 --socket off >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	for ((i = 0; i < 1000; i++)); do
		address=$(sed -nE 's/.*listening on http:\/\/([0-9.:]+)$/\1/p' "$tmp/err")
		[ -z "$address" ] || break
		sleep 0.01
	done
	exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
	printf 'GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&3
	sed '1,/^\r$/d' <&3 >"$tmp/scrape"
	exec 3>&-
	stop TERM
	is "metrics of the document" "$(rows_of_scrape "$tmp/scrape")" "$(rows_of_document)"
	undocumented=$(comm -23 <(labels_of_scrape "$tmp/scrape") <(labels_of_document))
	is "labels that the document does not name" "" "$undocumented"
	# those of the document that no scrape here has
	while read -r _ label; do
		[ "$label" = le ] || grep -q "\"$label\"" "$top"/cli/{agent,dns}_metrics.c || fail "label $label of the document" "that it is in the source" ""
	done < <(comm -13 <(labels_of_scrape "$tmp/scrape") <(labels_of_document))
}

# ---- docs/DEPENDENCIES.md ----

test_dependencies_document() {
	local package
	while read -r _ package; do
		grep -q "\`$package\`" "$top/docs/DEPENDENCIES.md" || fail "package $package of tools/packages" "that the document names it" ""
	done < <(grep -v '^#' "$top/tools/packages")
}
