# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: that the judge can say no.

# The judge's words about events of a pod (cgroup 7), a service (8) and a stranger (9), changed by a jq filter.
judged() { # FILTER
	jq -c "$1" <<-'EVENTS' >"$tmp/out"
		{"event": "process.exec", "process.pid": 1, "cgroup.id": 7, "process.linux.cgroup": "/kubepods/podu/c", "container.id": "c", "k8s.pod.uid": "u"}
		{"event": "process.exec", "process.pid": 2, "cgroup.id": 8, "process.linux.cgroup": "/system.slice/s.service", "systemd.unit": "s.service", "process.executable.name": "exit0", "process.command_args": ["exit0", "of-s"]}
		{"event": "process.exit", "process.pid": 2, "cgroup.id": 8, "process.linux.cgroup": "/system.slice/s.service", "systemd.unit": "s.service"}
		{"event": "tapio.identity", "cgroup.id": 7, "process.linux.cgroup": "/kubepods/podu/c", "container.id": "c", "k8s.pod.uid": "u"}
		{"event": "process.exec", "process.pid": 3, "cgroup.id": 9, "process.linux.cgroup": "/", "process.executable.name": "runc"}
	EVENTS
	cat >"$tmp/truth" <<-'TRUTH'
		{"cgroup": "/kubepods/podu/c", "id": 7, "identity": {"container.id": "c", "k8s.pod.uid": "u"}}
		{"mark": "of-s", "identity": {"systemd.unit": "s.service"}, "least": 2}
	TRUTH
	"$here/judge.py" "$tmp/out" "$tmp/truth"
}

test_judge() {
	local late='if .event == "process.exec" and .["k8s.pod.uid"] then del(.["k8s.pod.uid"]) | .["tapio.identity.unknown"] = "late" else . end'
	is "the truth" "4 events: 3 right, 0 wrong, 0 unknown, 0 told later, 1 of others" "$(judged .)"
	like "another pod" 'k8s.pod.uid is v, not u.*2 right, 1 wrong' "$(judged 'if .["k8s.pod.uid"] then .["k8s.pod.uid"] = "v" else . end')"
	like "no pod" 'k8s.pod.uid is None, not u.*2 right, 1 wrong' "$(judged 'del(.["k8s.pod.uid"])')"
	like "no pod, with a reason" '2 right, 0 wrong, 1 unknown, 1 gone, 0 told later, 1 of others' \
		"$(judged 'if .["k8s.pod.uid"] then del(.["k8s.pod.uid"]) | .["tapio.identity.unknown"] = "gone" else . end')"
	like "no pod, but later" '2 right, 0 wrong, 0 unknown, 1 told later' "$(judged "$late")"
	like "no pod, and never" '2 right, 0 wrong, 1 unknown, 1 late, 0 told later' \
		"$(judged "$late"' | select(.event != "tapio.identity")')"
	like "no pod, and later another" '2 right, 0 wrong, 1 unknown, 1 late, 0 told later' \
		"$(judged "$late"' | if .event == "tapio.identity" then .["k8s.pod.uid"] = "v" else . end')"
	like "a pod for the service" 'k8s.pod.uid is x, not None' "$(judged 'if .["systemd.unit"] then .["k8s.pod.uid"] = "x" else . end')"
	like "another unit" 'systemd.unit is t.service, not s.service' \
		"$(judged 'if .event == "process.exit" then .["systemd.unit"] = "t.service" else . end')"
	like "the container's name for runc" 'process.exec of runc is elsewhere.*has container.id=c' \
		"$(judged 'if .["cgroup.id"] == 9 then .["container.id"] = "c" else . end')"
	like "another cgroup" 'process.linux.cgroup is /x, not /kubepods/podu/c' \
		"$(judged 'if .["cgroup.id"] == 7 then .["process.linux.cgroup"] = "/x" else . end')"
	like "a unit that is not in the path" 'systemd.unit is s.service, not None' \
		"$(judged 'if .["cgroup.id"] == 7 then .["systemd.unit"] = "s.service" else . end')"
	like "too few" 'systemd.unit=s.service: 1 events, not 2' "$(judged 'select(.event == "process.exec")')"
	like "none" 'container.id=c: 0 events, not 1' "$(judged 'select(.["cgroup.id"] != 7)')"
	like "one mark in two cgroups" 'its mark is in the cgroup of container.id=c' \
		"$(judged 'if .["process.command_args"] then .["cgroup.id"] = 7 else . end')"
}
