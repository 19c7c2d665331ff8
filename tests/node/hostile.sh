# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: containers that want to be taken for others, on a node of mode hybrid.

# Makes the cgroup PATH below its own, goes there and runs processes with the argument MARK.
masquerade='
	own=/cgroups/unified$(sed -n s/^0:://p /proc/self/cgroup)
	mkdir -p "$own/$0" && echo $$ >"$own/$0/cgroup.procs" && exec exec_storm 10 /bin/exit0 "$1"'

# A container whose cgroups it can write makes some that are named like those of others, below its own.
test_impersonation() {
	local victim_uid evil_identity name path paths
	need hybrid || return
	make_pod 2 0 bank/vault 'safe=sleep 1000'
	victim=$sandbox
	victim_uid=$(jq -rs '.[0].identity["k8s.pod.uid"]' "$tmp/truth")
	start_trace || return
	make_pod 1 1 evil/mallory 'web=!sleep 1000'
	evil_identity=$(jq -c 'select(.identity["container.id"] == $id) | .identity' --arg id "${container[web]}" "$tmp/truth")
	paths=(
		"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${victim_uid//-/_}.slice/cri-containerd-${container[safe]}.scope"
		"kubepods/burstable/pod$victim_uid/${container[safe]}"
		"system.slice/docker-${container[safe]}.scope"
		"docker/${container[safe]}"
		"system.slice/containerd.service"
		"user.slice/user-0.slice/user@0.service/app.slice/bash.service"
		"cri-containerd-${container[safe]}.scope/kubepods/pod$victim_uid"
	)
	for path in "${paths[@]}"; do
		name=evil-${path//[^a-z0-9]/-}
		jq -nc --arg mark "$name" --argjson identity "$evil_identity" \
			'{$mark, $identity, least: 20}' >>"$tmp/truth"
		in_container web /bin/sh -c "$masquerade" "$path" "$name" >"$tmp/evil" 2>&1 ||
			fail "$path" "that the container can make it" "$(cat "$tmp/evil")"
	done
	in_container safe /bin/true
	stop
	judge

	# what a container calls a unit is no unit of the machine's, to a filter
	start_trace --unit containerd.service || return
	in_container web /bin/sh -c "$masquerade" system.slice/containerd.service filtered >/dev/null
	stop
	like "events of containerd.service" '^[1-9]' "$(wc -l <"$tmp/out")"
	is "events of containers among them" "" "$(q 'select(has("container.id"))' | head -n 1)"
	remove_pods "$victim" "$sandbox"
}

# A container of Docker's may be a node itself, as with kind. Seen from the machine, whose disk has that container and
# not what is inside, it is who it is, whatever it says of pods; the machine's own are not claimed that way either.
test_pods_claimed_in_docker() {
	local id pod claimed=11111111-2222-3333-4444-555555555555 other
	start_docker cgroupfs || return
	other=$(printf '%064d' 7)
	make_pod 1 0 bank/vault 'safe=sleep 1000'
	pod=$(jq -rs '.[0].identity["k8s.pod.uid"]' "$tmp/truth")
	start_trace || return
	docker_run node 4 '{}' -v /sys/fs/cgroup:/cgroups
	id=$(docker inspect -f '{{.Id}}' node)
	for path in "kubelet/kubepods/burstable/pod$claimed/$other" "kubepods/burstable/pod$pod/${container[safe]}" "kubelet/kubepods/pod$claimed/${container[safe]}"; do
		claim "$path" "lie-${path//\//-}" "{\"container.id\": \"$id\", \"container.name\": \"node\",
			\"container.image.name\": \"tools\", \"container.runtime.name\": \"docker\"}"
	done
	in_container safe /bin/true
	stop
	judge
	docker rm -f node >/dev/null
	node_in systemctl stop docker.service docker.socket 2>/dev/null
	remove_pods "$sandbox"
}

claim() { # PATH MARK IDENTITY
	jq -nc --arg mark "$2" --argjson identity "$3" '{$mark, $identity, least: 20}' >>"$tmp/truth"
	docker exec node /bin/sh -c "$masquerade" "$1" "$2" >"$tmp/evil" 2>&1 ||
		fail "$1" "that the container can make it" "$(cat "$tmp/evil")"
}
