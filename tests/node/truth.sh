# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# What the runtimes and the kernel say of processes, beside what Tapio says. Sourced by tests/node/run.

own_tapio=$tapio
v2=$(hierarchies unified | head -n 1)
nodes=0

# Brings up a node of that mode unless it is there. Returns 1 when the test is to end.
need() { # MODE
	local reason
	tapio=$own_tapio
	reason=$(node_possible "$1")
	if [ -n "$reason" ]; then
		skip "$reason"
		return 1
	fi
	if [ "${node_mode-}" != "$1" ]; then
		node_gone
		nodes=$((nodes + 1))
		if ! node_up "$1" "$tmp/node-$nodes" "tapio-node-$$-$nodes" 2>"$tmp/up"; then
			fail "a node of mode $1" "that it comes up" "$(cat "$tmp/up")"
			return 1
		fi
	fi
	tapio=$node/tapio
	: >"$tmp/truth"
}

node_gone() {
	[ -z "${node-}" ] || node_down
	node=
}

# ---- what is true ----

# All events of the cgroup of a process of the node say this.
truth() { # PID IDENTITY [LEAST [MORE]]
	local path id
	path=$(sed -n 's/^0:://p' "/proc/$node_pid/root/proc/$1/cgroup")
	id=$(stat -c %i "$v2$path")
	truth_cgroup "$path" "$id" "${@:2}"
}

truth_cgroup() { # PATH ID IDENTITY [LEAST [MORE]]
	jq -nc --arg cgroup "$1" --argjson id "$2" --argjson identity "$3" --argjson least "${4:-1}" \
		--argjson more "${5:-"{}"}" '{$cgroup, $id, $identity, $least} + $more' >>"$tmp/truth"
}

# Makes a pod: $sandbox, and ${container[NAME]} for each of its containers. Its lines of truth want LEAST events each,
# of the sandbox PAUSES.
declare -A container
make_pod() { # LEAST PAUSES NAMESPACE/NAME CONTAINER=COMMAND...
	local uid line first=1 least=$2
	uid=$(cat /proc/sys/kernel/random/uuid)
	cri pod "$3" "$uid" "$(pod_parent "$uid")" "${@:4}" >"$tmp/pod" 2>"$tmp/pod.err" ||
		fail "pod $3" "that containerd makes it" "$(cat "$tmp/pod.err")"
	while read -r line; do
		jq -c --argjson least "$least" '. + {$least}' <<<"$line" >>"$tmp/truth"
		least=$1
		if [ $first -eq 1 ]; then
			sandbox=$(jq -r '.identity["container.id"]' <<<"$line")
			first=0
		else
			container[$(jq -r '.identity["k8s.container.name"]' <<<"$line")]=$(jq -r '.identity["container.id"]' <<<"$line")
		fi
	done <"$tmp/pod"
}

remove_pods() { # SANDBOX...
	cri remove "$@" >"$tmp/removed" 2>&1 || fail "removal of pods" "that it works" "$(cat "$tmp/removed")"
}

in_container() { # NAME COMMAND...
	cri exec "${container[$1]}" "${@:2}"
}

# A property of a unit, from the node's systemd, or of that user's.
property() { # UNIT PROPERTY [USER]
	if [ -n "${3-}" ]; then
		user_ctl show --property "$2" --value "$1"
	else
		node_in systemctl show --property "$2" --value "$1"
	fi
}

# The cgroup of an active unit of the node's systemd.
truth_unit() { # UNIT LEAST [SLICE]
	local unit path
	unit=$(property "$1" Id)
	path=/$node_name$(property "$1" ControlGroup)
	truth_cgroup "$path" "$(stat -c %i "$v2$path")" "$(jq -nc --arg unit "$unit" \
		--arg slice "$(property "$1" Slice)" '{"systemd.unit": $unit, "systemd.slice": $slice}')" "$2" '{"sole": true}'
}

# ---- what Tapio says ----

start_trace() { # ARGUMENT...
	start trace -o json -e 'process.*' "$@"
}

# Compares; prints the sums. At most that many of 10,000 events may be unknown, each with its reason; what could not
# wait, on a machine that is busy with other things, is told later.
judge() { # [UNKNOWN]
	summary
	is "lost" 0 "$lost"
	judge_identities "${1:-0}"
}

judge_identities() { # UNKNOWN [LATER-PERCENT]
	local verdict sums
	verdict=$("$here/judge.py" "$tmp/out" "$tmp/truth" 2>&1)
	sums=${verdict##*$'\n'}
	if [ "$verdict" != "$sums" ]; then
		printf '      %s\n' "${verdict%$'\n'*}"
		fail "identities" "those that the runtimes and the kernel give" "$sums"
	fi
	if [[ $sums =~ ^([0-9]+)\ events:.*\ ([0-9]+)\ unknown.*\ ([0-9]+)\ told\ later ]]; then
		[ "$((BASH_REMATCH[2] * 10000))" -le "$(($1 * BASH_REMATCH[1]))" ] ||
			fail "unknown" "at most $1 of 10,000" "$sums"
		[ "$((BASH_REMATCH[3] * 100))" -le "$((${2:-1} * BASH_REMATCH[1]))" ] ||
			fail "told later" "at most ${2:-1} of 100" "$sums"
	else
		fail "the judge" "that it ends" "$verdict"
	fi
	echo "    $sums"
}
