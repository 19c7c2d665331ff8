#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: tapio check --btf and tapio btf, as far as one machine can show it; Debian's kernels are in
# tests/kernels/btf.
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317

own_btf=/sys/kernel/btf/vmlinux
corpus=$PWD/tests/fuzz/corpus/btf # of x86_64 kernels

need_btf() {
	[ -r $own_btf ] || { skip "the kernel has no BTF" && return 1; }
}

# What loading really chose is what the types foretell.
test_check_btf_agrees() {
	local real
	need_btf || return 0
	real=$("$tapio" check --json | jq -c '[.sensors[] | {name, tier}]')
	run check --btf $own_btf --json
	is "exit status" 0 "$status"
	is "stderr" "" "$(cat "$tmp/err")"
	is "schema" tapio.check.btf/1 "$(q .schema)"
	is "lines" 1 "$(wc -l <"$tmp/out")"
	is "release" "$(uname -r)" "$(q .kernel.release)"
	is "tiers" "$real" "$(q -c '[.sensors[] | {name, tier}]')"
	is "sensors and fields that are unknown to tapio schema" "" "$(jq -r --slurpfile s "$tmp/schema.json" '
		($s[0].oneOf | map({key: .title, value: (.properties | keys)}) | from_entries) as $known
		| .sensors[].events[] | .name as $e | .fields | keys[] | select(. as $f | $known[$e] | index([$f]) | not)' "$tmp/out")"
	run check --btf $own_btf
	is "exit status" 0 "$status"
	like "first line" "^Tapio .* on Linux $(uname -r) .*: (full|partial|fallback) support" "$(head -n 1 "$tmp/out")"
	harmless
}

# Nobody may look too: nothing is loaded and nothing is asked of this kernel.
test_check_btf_without_privileges() {
	need_btf || return 0
	cp "$tapio" "$tmp/tapio-anybody"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/tapio-anybody" check --btf $own_btf --json \
		>"$tmp/out" 2>"$tmp/err" </dev/null
	is "exit status" 0 $?
	is "stderr" "" "$(cat "$tmp/err")"
}

test_check_btf_options() {
	need_btf || return 0
	run check --btf $own_btf --require full
	is "exit status of --require full" "$("$tapio" check --btf $own_btf --json | jq 'if .level == "full" then 0 else 1 end')" "$status"
	run check --btf $own_btf --no-btf --require partial
	is "exit status without BTF" 1 "$status"
	like "message" "--require partial: not met: support there is fallback" "$(cat "$tmp/err")"
	like "reason" 'needs btf: switched off by --no-btf' "$(cat "$tmp/out")"
	run check --btf $own_btf --no-ringbuf --json
	is "ring buffer" '{"present":false,"reason":"switched off by --no-ringbuf"}' "$(q -c .ringbuf)"
	is "level" partial "$(q .level)"
	run check --btf $own_btf --tier process=raw_tp --require process=raw_tp --json process
	is "exit status of a forced tier" 0 "$status"
	is "sensors" '["process"]' "$(q -c '[.sensors[].name]')"
	run check --btf $own_btf --require nonsense
	is "exit status of a wrong requirement" 2 "$status"
	run check --btf $own_btf --privileges
	is "exit status with --privileges" 2 "$status"
}

refused() { # MESSAGE PATH
	run check --btf "$2"
	is "exit status of $2" 2 "$status"
	like "message" "$1" "$(cat "$tmp/err")"
	is "stdout" "" "$(cat "$tmp/out")"
}

test_check_btf_refusals() {
	mkdir "$tmp/none"
	echo "CONFIG_BPF=y" >"$tmp/none/config"
	refused '--btf .*/config: neither BTF nor a kernel: known are' "$tmp/none/config"
	refused '--btf .*/none: there is no kernel and no BTF in this folder' "$tmp/none"
	refused '--btf .*/gone: No such file or directory' "$tmp/gone"
	refused 'not a file' /dev/null
	head -c 2000 "$corpus/x86_64-5.10" >"$tmp/short"
	refused 'BTF is cut off' "$tmp/short"
	"$tapio" check --btf "$corpus" --json >/dev/full 2>"$tmp/err"
	is "exit status with a full disk" 1 $?
	like "message" "No space left on device" "$(cat "$tmp/err")"
	head -c 1000 "$corpus/xz" >"$tmp/short.xz"
	refused 'decompressing it \(xz\): the data is damaged' "$tmp/short.xz"
}

# A line per kernel, whatever else is in the folder.
test_check_btf_folder() {
	if [ "$arch" != x86_64 ]; then
		skip "the kernels at hand are of x86_64"
		return
	fi
	mkdir "$tmp/kernels"
	cp "$corpus"/{bzimage,zboot,vmlinux,image,xz,lz4} "$tmp/kernels"
	echo text >"$tmp/kernels/config"
	run check --btf "$tmp/kernels"
	is "exit status" 0 "$status"
	is "lines" 6 "$(wc -l <"$tmp/out")"
	# cut to what the sensors of that time asked for: a later one finds nothing of its own there
	is "lines that are not as they should be" "" "$(grep -vE '^[a-z0-9]+ release=(5\.10|7\.3)[^ ]+ machine=x86_64 level=(full|fallback) ringbuf=yes process=tp_btf cgroup=tp_btf( [a-z]+=[a-z_0-9?]+)*$' "$tmp/out")"
	head -c 3000 "$corpus/vmlinux" >"$tmp/kernels/damaged"
	run check --btf "$tmp/kernels" --json
	is "exit status with a damaged one" 1 "$status"
	is "JSON lines" 7 "$(q -c '.file' | wc -l)"
	like "its error" damaged "$(q 'select(.error).error')"
	run check --btf "$tmp/kernels" --require process=tp_btf
	is "exit status with a requirement" 1 "$status"
}

test_btf_minimize() {
	need_btf || return 0
	run btf minimize $own_btf -o "$tmp/small"
	is "exit status" 0 "$status"
	like "what it says" "small: [0-9]+ bytes, of [0-9]+$" "$(cat "$tmp/err")"
	between "bytes" 1000 16384 "$(stat -c %s "$tmp/small")"
	is "mode" 644 "$(stat -c %a "$tmp/small")"
	"$tapio" check --btf $own_btf --json | jq -c '[.level, (.sensors[] | {name, tiers})]' >"$tmp/whole.json"
	run check --btf "$tmp/small" --json
	is "tiers" "$(cat "$tmp/whole.json")" "$(q -c '[.level, (.sensors[] | {name, tiers})]')"
	is "whose it is" "$(uname -r) true" "$(q '.kernel.release + " " + (.btf.minimal | tostring)')"
	zstd -q "$tmp/small" -o "$tmp/small.zst"
	run trace -t 1 --btf "$tmp/small.zst" --tier process=raw_tp process
	is "exit status of tapio trace with it" 0 "$status"
	run btf minimize $own_btf -o "$tmp/nowhere/small"
	is "exit status where it cannot be written" 1 "$status"
	"$tapio" btf minimize $own_btf -o - 2>/dev/null | cmp - "$tmp/small"
	is "the same on stdout" "0 0" "${PIPESTATUS[*]}"
}

test_btf_usage() {
	local args
	for args in '' 'nonsense' 'minimize' "minimize $own_btf" "minimize -o x" "minimize a b -o x" '--nonsense'; do
		# shellcheck disable=SC2086  # words
		run btf $args
		is "exit status of btf $args" 2 "$status"
		like "message" "^tapio: btf: .*; see 'tapio btf --help'$" "$(cat "$tmp/err")"
	done
	run btf minimize /dev/null -o "$tmp/x"
	is "exit status without BTF" 2 "$status"
	run btf --help
	is "exit status of --help" 0 "$status"
}

# Another kernel's types would make programs read anywhere.
test_wrong_btf() {
	need_btf || return 0
	if [ "$arch" != x86_64 ]; then
		skip "the kernels at hand are of x86_64"
		return
	fi
	run trace --btf "$corpus/x86_64-5.10"
	is "exit status with another release's" 2 "$status"
	like "message" "--btf .*x86_64-5.10: of Linux 5\.10\.0-[0-9]+-cloud-amd64: this is $(uname -r)" "$(cat "$tmp/err")"
	# without its name
	sed 's/tapio_release=/tapio_unknown=/' "$corpus/x86_64-5.10" >"$tmp/nameless"
	run trace --btf "$tmp/nameless"
	is "exit status with a nameless one" 2 "$status"
	like "message" "nameless: describes another kernel: .* is not the same in $own_btf" "$(cat "$tmp/err")"
}
