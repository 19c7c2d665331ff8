# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: what is gone before anybody can look.

# Of processes of less than 1 ms each exec and each exit: exec_storm ends well only if all of them ran.
test_brief_processes() {
	need hybrid || return
	make_pod 3000 0 shop/batch 'job=sleep 1000'
	write_unit storm.service Type=oneshot
	sed -i 's|^ExecStart=.*|ExecStart=/run/node/exec_storm 1500 /run/node/exit0 of-storm.service|' \
		"/proc/$node_pid/root/run/systemd/system/storm.service"
	node_in systemctl daemon-reload
	start_trace || return
	node_in systemctl start storm.service || fail "storm.service" "that it ends well" "$?"
	in_container job /bin/exec_storm 1500 /bin/exit0 of-job >/dev/null || fail "exec_storm in job" "that it ends well" "$?"
	stop
	# its cgroup went with it, so that the mark of its processes tells which it was
	echo '{"mark": "of-storm.service", "least": 3000, "identity":
		{"systemd.unit": "storm.service", "systemd.slice": "system.slice"}}' | jq -c . >>"$tmp/truth"
	judge
	is "execs of the container's processes" 1500 "$(q 'select(.event == "process.exec" and .["process.command_args"][1] == "of-job"
		and .["k8s.container.name"] == "job") | 1' | wc -l)"
	is "execs of the service's processes" 1500 "$(q 'select(.event == "process.exec" and .["process.command_args"][1] == "of-storm.service"
		and .["systemd.unit"] == "storm.service") | 1' | wc -l)"
	remove_pods "$sandbox"
}

# Services that live for one process, many at once.
test_brief_services() {
	local i
	need hybrid || return
	write_unit brief@.service Type=oneshot
	sed -i 's|^ExecStart=.*|ExecStart=/run/node/exit0 of-brief-%i|' "/proc/$node_pid/root/run/systemd/system/brief@.service"
	node_in systemctl daemon-reload
	start_trace || return
	# shellcheck disable=SC2046
	node_in systemctl start $(printf 'brief@%d.service ' {1..60}) || fail "the services" "that they end well" "$?"
	stop
	for i in {1..60}; do
		jq -nc --arg i "$i" '{mark: "of-brief-\($i)", least: 2, identity:
			{"systemd.unit": "brief@\($i).service", "systemd.slice": "system-brief.slice"}}'
	done >>"$tmp/truth"
	judge 1
}

# Pods that come, run one container after the other, and go, six at a time.
test_pods_that_come_and_go() {
	need hybrid || return
	start_trace || return
	cri churn 6 4 /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice >"$tmp/made" 2>"$tmp/made.err" ||
		fail "the pods" "that containerd makes them" "$(cat "$tmp/made.err")"
	stop
	jq -c '. + {least: (if .mark then 40 else 3 end)}' "$tmp/made" >>"$tmp/truth"
	is "containers and sandboxes" 30 "$(wc -l <"$tmp/truth")"
	judge 1
}
