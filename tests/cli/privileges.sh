#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: with the capabilities that tapio check --privileges prints and no others it gives all that
# root gets, and with one less it loses what the table says, and nothing else.
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317

nobody=65534
unit=$PWD/deploy/tapio.service
confined_tapio=$tmp/bin/tapio # where everybody may execute it
cp "$tapio" "$confined_tapio"
full="process.exec process.exec_failed process.exit process.fork"
no_syscalls="raw_tp_no_syscalls process.exec -process.exec_failed process.exit process.fork"
view=no_tracefs # or tracefs

# Puts into `seeing` how a command is run where tracefs is mounted, or not, whatever the machine has.
see() {
	local change='umount -R /sys/kernel/debug/tracing /sys/kernel/tracing 2>/dev/null'
	[ $view = no_tracefs ] || change='mount -t tracefs tracefs /sys/kernel/tracing'
	seeing=(unshare --mount --propagation private sh -c "$change; exec \"\$@\"" sh)
}

# Puts into `confined` how to run a command there as a user with exactly these capabilities.
confine() { # UID LIST
	local sets=-all cap
	see
	for cap in $2; do sets+=,+$cap; done
	confined=("${seeing[@]}" setpriv --reuid "$1" --regid "$1" --clear-groups --no-new-privs
		--inh-caps="$sets" --ambient-caps="$sets" --bounding-set="$sets")
}

# To the end of a tapio that is confined so: $tmp/out, $tmp/err, status.
run_confined() { # UID LIST ARGUMENT...
	confine "$1" "$2"
	shift 2
	"${confined[@]}" "$confined_tapio" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

# What is printed as needed, as setpriv names it: "bpf perfmon".
needed() { # ARGUMENT...
	see
	"${seeing[@]}" "$tapio" check --json "$@" |
		jq -r '[.privileges[].capability | ltrimstr("CAP_") | ascii_downcase] | unique | join(" ")'
}

# Debian's and Ubuntu's kernels with kernel.perf_event_paranoid above 2: then CAP_PERFMON does not do for perf events.
perf_takes_admin() {
	"$tapio" check --json | jq -e 'any(.privileges[].for; test("perf_event_paranoid"))' >/dev/null
}

without() { # CAPABILITY LIST
	local cap
	for cap in $2; do
		[ "$cap" = "$1" ] || printf '%s ' "$cap"
	done
}

# The tier of the process sensor and each of its events, "-" before one that is not given.
gives() { # WHAT EXPECTED UID LIST ARGUMENT...
	local what=$1 expected=$2 uid=$3 list=$4
	shift 4
	run_confined "$uid" "$list" check --json "$@"
	is "what $what gives to user $uid with '$list' ($view)" "$expected" \
		"$(q '.sensors[] | select(.name == "process") | [.tier // "none", (.events[] | (if .present then "" else "-" end) + .name)] | join(" ")')"
}

missing() { # CAPABILITY
	is "capabilities that are said to be missing" "$1" \
		"$(q '[.privileges[] | select(.held | not) | .capability] | unique | join(" ")')"
}

reason() { # REGEX
	like "why the best tier does not run" "$1" "$(q '.sensors[].tiers[] | select(.state == "failed") | .reason' | head -n 1)"
}

# Events of eight programs, of which three fail to start another one.
traced() { # EXPECTED UID LIST ARGUMENT...
	local i expected=$1 uid=$2 list=$3
	shift 3
	confine "$uid" "$list"
	"${confined[@]}" "$confined_tapio" trace -o json -c "$me,$me-env" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	await "$pid" || return
	hit 5
	for i in 1 2 3; do "$tmp/bin/$me-env" "/nonexistent/$me" 2>/dev/null; done
	stop
	summary
	is "lost" 0 "$lost"
	is "events of user $uid with '$list' ($view)" "$expected" \
		"$(q -s 'group_by(.event)[] | "\(length) \(.[0].event)"' | paste -sd' ')"
}

# This kernel's best tier, with everything allowed; and whether it has these capabilities at all.
best_tier() {
	best=$("$tapio" check --json | jq -r '.sensors[] | select(.name == "process") | .tier')
	case $(needed) in
	*bpf*) ;;
	*)
		skip "before 5.8 there are no CAP_BPF and CAP_PERFMON"
		return 1
		;;
	esac
}

# The tier of the dns sensor.
dns_tier() { # EXPECTED UID LIST
	run_confined "$2" "$3" check --json
	is "the dns sensor's tier for user $2 with '$3' ($view)" "$1" \
		"$(q '.sensors[] | select(.name == "dns") | .tier // "none"')"
}

# Packets take CAP_NET_ADMIN, and nothing less than it does for the sockets of others.
test_privileges_of_dns() {
	local uid list packets
	best_tier || return 0
	view=tracefs list=$(needed)
	packets=$("$tapio" check --json | jq -r '.sensors[] | select(.name == "dns") | .tier')
	like "tier" '^cgroup_skb' "$packets"
	for uid in 0 $nobody; do
		dns_tier "$packets" "$uid" "$list"
		dns_tier syscalls "$uid" "$(without net_admin "$(without sys_admin "$list")") ipc_lock"
		like "reason" 'CAP_NET_ADMIN' "$(q '.sensors[] | select(.name == "dns") | .tiers[] | select(.state == "failed") | .reason' | head -n 1)"
		dns_tier "$packets" "$uid" "$(without sys_ptrace "$list")"
		missing CAP_SYS_PTRACE
	done
}

test_privileges_exact() {
	local uid list
	best_tier || return 0
	for view in no_tracefs tracefs; do
		list=$(needed)
		for uid in 0 $nobody; do
			gives "the list" "$best $full" "$uid" "$list"
			is "exit status" 0 "$status"
			missing ""
			traced "8 process.exec 3 process.exec_failed 8 process.exit" "$uid" "$list"
		done
	done
}

# CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON: they are taken away where it is not there either.
test_privileges_without_bpf() {
	local cap list
	best_tier || return 0
	view=tracefs list=$(without sys_admin "$(needed)")
	if perf_takes_admin; then
		gives "the list without sys_admin" "$no_syscalls" 0 "$list"
		reason 'perf_event_paranoid.*CAP_SYS_ADMIN'
	else
		gives "the list without sys_admin" "$best $full" 0 "$list"
	fi
	missing CAP_SYS_ADMIN # for counting run time
	for cap in bpf perfmon; do
		run_confined 0 "$(without $cap "$list")" trace -t 1
		is "exit status without $cap" 2 "$status"
		like "message without $cap" "missing privilege: CAP_${cap^^} " "$(cat "$tmp/err")"
		run_confined 0 "$(without $cap "$list")" check --privileges
		is "exit status of check --privileges without $cap" 2 "$status"
		is "what it says is missing" "CAP_${cap^^} CAP_SYS_ADMIN" "$(sed -n 's/^  \(CAP_[A-Z_]*\) *MISSING.*/\1/p' "$tmp/out" | sort -u | paste -sd' ')"
	done
}

test_privileges_without_sys_admin() {
	local uid list
	best_tier || return 0
	view=no_tracefs list=$(without sys_admin "$(needed)")
	for uid in 0 $nobody; do
		gives "the list without sys_admin" "$no_syscalls" "$uid" "$list"
		is "exit status" 0 "$status"
		missing CAP_SYS_ADMIN
		reason 'tracefs is not mounted.*CAP_SYS_ADMIN'
		traced "8 process.exec 8 process.exit" "$uid" "$list"
	done
}

# Root owns tracefs and needs no more than that.
test_privileges_without_dac_read_search() {
	local list
	best_tier || return 0
	for view in no_tracefs tracefs; do
		list=$(without dac_read_search "$(needed)")
		gives "the list without dac_read_search" "$best $full" 0 "$list"
		missing CAP_DAC_READ_SEARCH
		gives "the list without dac_read_search" "$no_syscalls" $nobody "$list"
		missing CAP_DAC_READ_SEARCH
		reason 'tracefs belongs to root.*CAP_DAC_READ_SEARCH'
	done
	traced "8 process.exec 3 process.exec_failed 8 process.exit" 0 "$list"
	traced "8 process.exec 8 process.exit" $nobody "$list"
}

# Perf buffers count against RLIMIT_MEMLOCK.
test_privileges_ipc_lock() {
	local list
	best_tier || return 0
	view=no_tracefs
	list=$(ulimit -l 64 && needed --no-ringbuf)
	like "what perf buffers need" ipc_lock "$list"
	is "what they need besides" "$(needed)" "$(without ipc_lock "$list" | sed 's/ $//')"
	(
		ulimit -l 64
		run_confined 0 "$list" check --json --no-ringbuf
		q '.sensors[0].tier'
		run_confined 0 "$(without ipc_lock "$list")" check --json --no-ringbuf
		q '"\(.sensors[0].tier) \([.privileges[] | select(.held | not) | .capability]) \(.sensors[0].tiers[0].reason)"'
		echo "$status"
	) >"$tmp/said"
	is "tier with the list" "$best" "$(sed -n 1p "$tmp/said")"
	like "tier and reason without ipc_lock" '^null \["CAP_IPC_LOCK"\] perf buffers: .*CAP_IPC_LOCK' "$(sed -n 2p "$tmp/said")"
	is "exit status without ipc_lock" 1 "$(sed -n 3p "$tmp/said")"
}

unit_list() { # KEY
	sed -n "s/^$1=//p" "$unit" | tr ' ' '\n' | sed 's/^CAP_//' | tr '[:upper:]' '[:lower:]' | sort | paste -sd' '
}

# What the unit gives is what is needed at most where the kernel counts maps by cgroup: with no tracefs mounted, and with
# perf buffers, which the dns sensor takes where it cannot see the root of cgroup v2.
test_privileges_of_the_unit() {
	local most
	best_tier || return 0
	view=no_tracefs
	most=$(printf '%s\n' $(needed) ipc_lock | sort | paste -sd' ')
	is "CapabilityBoundingSet" "$most" "$(unit_list CapabilityBoundingSet)"
	is "AmbientCapabilities" "$most" "$(unit_list AmbientCapabilities)"
	if ! command -v systemd-analyze >/dev/null; then
		skip "no systemd-analyze"
		return
	fi
	sed -e "s#^ExecStart=[^ ]*#ExecStart=$confined_tapio#" -e '/^Documentation=/d' "$unit" >"$tmp/tapio.service"
	is "what systemd-analyze verify says" "" "$(systemd-analyze verify "$tmp/tapio.service" 2>&1)"
	systemd-analyze security --no-pager --offline=yes --threshold=32 "$unit" >"$tmp/out" 2>&1
	is "exit status of systemd-analyze security" 0 $?
	like "its verdict" 'exposure level for tapio.service: (2\.[0-9]|3\.[01]) OK' "$(tail -n 1 "$tmp/out")"
}

test_privileges_of_a_configuration() {
	run check --privileges
	like "without a configuration" 'run time of BPF programs' "$(cat "$tmp/out")"
	echo 'bpf_stats: off' >"$tmp/tapio.yaml"
	run check --privileges --config "$tmp/tapio.yaml"
	is "exit status" 0 "$status"
	is "lines about run time with bpf_stats: off" 0 "$(grep -c 'run time of BPF programs' "$tmp/out")"
}
