# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: --pod, --namespace, --container and --unit, on a node of mode hybrid.

# Two pods that were there before, and a service.
filter_scene() {
	need hybrid || return
	write_unit one.service
	write_unit two.service
	node_in systemctl daemon-reload
	node_in systemctl start one.service two.service
	make_pod 0 0 shop/a 'web=exec_storm -i 50000 100000 /bin/exit0' 'log=exec_storm -i 50000 100000 /bin/exit0'
	pods=("$sandbox")
	web=${container[web]} log=${container[log]}
	make_pod 0 0 test/a 'web=exec_storm -i 50000 100000 /bin/exit0'
	pods+=("$sandbox")
	for unit in one two; do
		truth_systemd "$(main_process $unit.service)" 0
	done
	all_truth=$(<"$tmp/truth")
}

filter_scene_ends() {
	node_in systemctl stop one.service two.service
	remove_pods "${pods[@]}"
}

# Traces with those options and keeps the rules that the jq condition CHOOSES: there are events of each, and
# of nothing else.
filtered() { # CHOOSES OPTION...
	jq -c "select($1) | .least = 6" <<<"$all_truth" >"$tmp/truth"
	start_trace "${@:2}" || return
	sleep 0.5
	stop
	judge >"$tmp/sums"
	[[ $(<"$tmp/sums") == *' 0 of others' ]] || fail "trace ${*:2}" "events of what was asked for" "$(<"$tmp/sums")"
}

test_filters() {
	filter_scene || return
	local pod='.identity["k8s.pod.name"] == "a" and .identity["k8s.container.name"]'
	filtered "$pod and .identity[\"k8s.namespace.name\"] == \"shop\"" --pod shop/a
	filtered "$pod and .identity[\"k8s.namespace.name\"] == \"test\"" --namespace test
	filtered "$pod" --namespace test --namespace shop
	filtered ".identity[\"container.id\"] == \"$log\"" --container "$log"
	filtered ".identity[\"container.id\"] == \"$web\"" --container "${web:0:12}"
	filtered ".identity[\"container.id\"] == \"$web\"" --container "$web" --pod shop/a
	filtered '.identity["systemd.unit"] == "one.service"' --unit one.service
	filtered '.identity["systemd.unit"]' --unit one.service --unit two.service
	filtered 'false' --pod shop/nobody
	filtered 'false' --container "$web" --pod test/a
	filter_scene_ends
}

# What is asked for comes only later: its cgroups have no number yet when the filter is made.
test_filters_of_what_comes_later() {
	filter_scene || return
	: >"$tmp/truth"
	start_trace --pod shop/later || return
	make_pod 6 1 shop/later 'web=exec_storm 2 /bin/exit0; sleep 1000'
	pods+=("$sandbox")
	in_container web /bin/exec_storm 5 /bin/exit0 >/dev/null
	sleep 0.2
	stop
	judge >"$tmp/sums"
	[[ $(<"$tmp/sums") == *' 0 of others' ]] || fail "trace --pod shop/later" "events of what was asked for" "$(<"$tmp/sums")"

	start_trace --unit later.service || return
	write_unit later.service
	node_in systemctl daemon-reload
	node_in systemctl start later.service
	sleep 0.3
	: >"$tmp/truth"
	truth_systemd "$(main_process later.service)" 6
	stop
	judge >"$tmp/sums"
	[[ $(<"$tmp/sums") == *' 0 of others' ]] || fail "trace --unit later.service" "events of what was asked for" "$(<"$tmp/sums")"
	node_in systemctl stop later.service
	filter_scene_ends
}
