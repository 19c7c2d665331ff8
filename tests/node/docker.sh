# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: containers that Docker makes, on a node of mode hybrid, with both of its drivers.

docker() {
	node_in docker "$@"
}

start_docker() { # DRIVER
	need hybrid || return
	echo "DRIVER=$1" >"/proc/$node_pid/root/run/docker.env"
	if ! node_in systemctl restart docker.service 2>"$tmp/docker.err"; then
		fail "docker.service" "that it starts" "$(node_in journalctl -u docker.service -n 5 --no-pager)"
		return 1
	fi
	is "Docker's driver" "$1" "$(docker info --format '{{.CgroupDriver}}' 2>/dev/null)"
	docker image inspect tools >/dev/null 2>&1 || docker import /run/node/tools.layer.tar tools >/dev/null
}

# Starts a container that is busy, and notes what Docker says of it.
docker_run() { # NAME LEAST IDENTITY-MORE DOCKER-OPTION...
	local id
	if ! id=$(docker run -d --name "$1" --network none "${@:4}" tools /bin/exec_storm -i 50000 100000 /bin/exit0 \
		2>"$tmp/docker.err"); then
		fail "container $1" "that Docker starts it" "$(cat "$tmp/docker.err")"
		return
	fi
	truth "$(docker inspect -f '{{.State.Pid}}' "$id")" "$(docker inspect "$id" | jq -c --argjson more "$3" '.[0]
		| {"container.id": .Id, "container.name": .Name[1:], "container.runtime.name": "docker",
			"container.image.name": .Config.Image} + $more')" "$2"
}

docker_containers() { # PARENT POD-PARENT UID
	local pod
	pod="{\"k8s.pod.uid\": \"$3\", \"k8s.pod.name\": \"cart\", \"k8s.namespace.name\": \"shop\", \"k8s.container.name\": \"web\"}"
	docker_run old 4 '{}'
	start_trace || return
	docker_run plain 10 '{}'
	docker_run below 10 '{}' --cgroup-parent="$1"
	# as cri-dockerd does
	docker_run k8s_web_cart_shop_"$3"_0 10 "$pod" --cgroup-parent="$2" \
		--label io.kubernetes.pod.name=cart --label io.kubernetes.pod.namespace=shop --label io.kubernetes.pod.uid="$3" \
		--label io.kubernetes.container.name=web --label io.kubernetes.docker.type=container
	sleep 0.3
	docker exec plain /bin/exec_storm 5 /bin/exit0 >/dev/null || fail "docker exec" "that it works" "$?"
	# shellcheck disable=SC2046  # ids
	docker rm -f $(docker ps -q) >/dev/null
	stop
	judge
	node_in systemctl stop docker.service docker.socket 2>/dev/null
}

test_docker_cgroupfs() {
	local uid=0c9a3a3e-4a57-4f5c-8c5c-1f1d6ad1a3b1
	start_docker cgroupfs || return
	docker_containers /batch/night "/kubepods/besteffort/pod$uid" $uid
}

test_docker_systemd() {
	local uid=5d4f7ff2-7c7d-4d8b-9be6-3c9f1c1f7e52
	start_docker systemd || return
	docker_containers batch-night.slice "kubepods-besteffort-pod${uid//-/_}.slice" $uid
}
