# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: what one pod's flood costs another, with `tapio run` on a node of mode hybrid.

# A pod that executes programs as fast as it can, beside one that does so from time to time: all of the quiet one's
# events come; of the other one's no more than the budget, and it is said how many were refused, and whose.
test_flood_beside_a_quiet_pod() {
	local loud quiet budget=300 seconds execs
	need hybrid || return
	make_pod 600 0 evil/mallory 'flood=while true; do exec_storm 1000 /bin/exit0 >/dev/null; done'
	loud=${container[flood]} pods=("$sandbox")
	make_pod 160 0 shop/cart 'web=sleep 1000'
	quiet=${container[web]} pods+=("$sandbox")
	# the sandboxes do nothing
	jq -c 'select(.identity["k8s.container.name"])' "$tmp/truth" >"$tmp/truth.new" && mv "$tmp/truth.new" "$tmp/truth"
	cat >"$node/share/budget.yaml" <<-YAML
		limits:
		  events_per_second: $budget
		listen: off
		socket: off
	YAML
	start run --config /run/node/budget.yaml || return
	seconds=$(now_ms)
	in_container web /bin/exec_storm -i 50000 80 /bin/exit0 quiet >/dev/null || fail "exec_storm" "that it ends well" "$?"
	stop TERM
	seconds=$((($(now_ms) - seconds + 999) / 1000))
	# what came before the agent had read its first names is told later
	judge_identities 0 50
	for event in exec exit; do
		is "the quiet pod's process.$event" 80 "$(q --arg id "$quiet" --arg event "process.$event" 'select(.event == $event
			and .["container.id"] == $id and .["process.executable.name"] == "exit0") | 1' | wc -l)"
	done
	between "the loud pod's events" $((budget / 2)) $((budget * (seconds + 2))) \
		"$(q --arg id "$loud" 'select(.["container.id"] == $id and (.event | startswith("process."))) | 1' | wc -l)"
	between "refused of the loud pod" 1000 100000000 "$(q -s --arg id "$loud" 'map(select(.event == "tapio.lost"
		and .["tapio.lost.cause"] == "budget" and .["container.id"] == $id) | .["tapio.lost.count"]) | add')"
	is "refused of the quiet pod" "" "$(q --arg id "$quiet" 'select(.event == "tapio.lost" and .["container.id"] == $id)')"
	remove_pods "${pods[@]}"
}
