#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: what a real Prometheus makes of /metrics, and what no label may say.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

# The series of the page, without their values.
series() {
	metrics | sed -n 's/^\([a-z_]*\({[^}]*}\)\?\) .*/\1/p' | sort
}

test_metrics_scraped() {
	local selector='{event="process.exec",sensor="process"}' version
	version=$("$tapio" version | sed -n 's/^tapio \([^ ,]*\).*/\1/p')
	prometheus_fetch || {
		fail "prometheus" "that it can be had" "not"
		return
	}
	configure 'limits: {events_per_second: 0}' "filters: {include: [{comm: $me}]}"
	agent || return
	prometheus_start "$url/metrics" 40 || {
		fail "prometheus" "that it scrapes" "it does not"
		return
	}
	storm 100
	prometheus_await "tapio_events_total$selector" 100 20 || fail "execs" 100 "$(prometheus_query "tapio_events_total$selector")"
	storm 1234
	prometheus_await "tapio_events_total$selector" 1334 20 || fail "execs" 1334 "$(prometheus_query "tapio_events_total$selector")"
	is "exits" 1334 "$(prometheus_query 'tapio_events_total{event="process.exit"}')"
	is "lost" 0 "$(prometheus_query 'sum(tapio_lost_events_total)')"
	is "the tier" 1 "$(prometheus_query "tapio_sensor_tier{sensor=\"process\",tier=\"$("$tapio" check --json | jq -r '.sensors[] | select(.name == "process") | .tier')\"}")"
	is "the version" 1 "$(prometheus_query "tapio_build_info{version=\"$version\"}")"
	like "runs of programs" '^[0-9]+$' "$(prometheus_query 'count(tapio_bpf_missed_runs_total)')"
	is "what it asks" 1 "$(prometheus_query up)"
	is "what prometheus says" "" "$(cat "$tmp/prometheus/log")"
	is "promtool check metrics" "" "$(prometheus_lint "$url/metrics" 2>&1)"
	page /metrics -H 'Accept: application/openmetrics-text; version=1.0.0'
	is "the last line of OpenMetrics" '# EOF' "$(tail -n 1 "$tmp/page")"
	agent_stop
	prometheus_await up 0 20 || fail "up after the end" 0 "$(prometheus_query up)"
	prometheus_stop
}

# Names, arguments and pids by the thousand: not one series more.
test_metrics_cardinality() {
	local i name before after names=()
	# DNS has its own below: whoever else looks up a name here would make a series
	configure 'limits: {events_per_second: 500}' 'process: {args: full}' 'collectors: [kernel]'
	agent || return
	storm 1000
	await_that "refusals in /metrics" 5 metric_grew 'tapio_refused_events_total{sensor="process",cause="budget"}' 100
	sleep 1.1
	before=$(series)
	for ((i = 0; i < 30; i++)); do
		name=q$RANDOM$RANDOM
		names+=("$name")
		ln "$tmp/bin/$me" "$tmp/bin/$name"
		"$storm_program" 50 "$tmp/bin/$name" "--$name" "$RANDOM" >/dev/null || fail "processes" "status 0" $?
	done
	sleep 1.1
	after=$(series)
	is "series that came" "" "$(comm -13 <(echo "$before") <(echo "$after"))"
	between "series" 50 400 "$(wc -l <<<"$after")"
	metrics >"$tmp/metrics"
	is "labels with what was made up" "" "$(grep -F -f <(printf '%s\n' "${names[@]}" "$me" "$tmp") "$tmp/metrics" | head -n 2)"
	is "labels with a pid, a path, an argument" "" "$(grep -E '(pid|path|args?|comm|name|filename|cgroup)="' "$tmp/metrics" | grep -vE '(k8s_namespace_name|k8s_pod_name)="' | head -n 2)"
	agent_stop
	for name in "${names[@]}"; do rm "$tmp/bin/$name"; done
}

# Of DNS: thousands of names and dozens of servers, and what nobody answers. Port 5399 of this machine, in no use.
test_metrics_of_dns() {
	local before page
	configure 'dns: {timeout: 200ms, ports: [5399]}' 'limits: {events_per_second: 0}'
	agent || return
	is "lookups at the start" 0 "$(metric 'tapio_dns_lookups_total{type="A",rcode="NOERROR"}')"
	before=$(series | grep -c tapio_dns_)
	/usr/bin/python3 - "$me" <<-'END'
		import socket, struct, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for i in range(2000):
		    name = b"%s-%d" % (sys.argv[1].encode(), i)
		    q = struct.pack("!HHHHHH", i, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + b"\7example\0\0\1\0\1"
		    s.sendto(q, ("127.0.%d.1" % (i % 40), 5399))
	END
	await_that "timeouts in /metrics" 10 metric_is 'tapio_dns_timeouts_total{doubtful="false"}' 2000
	page=$(metrics)
	is "names in labels" "" "$(grep -F "$me-" <<<"$page" | head -n 2)"
	is "servers" 17 "$(grep -c '^tapio_dns_server_lookups_total.*outcome="unanswered"' <<<"$page")"
	is "all of them" 2000 "$(grep '^tapio_dns_server_lookups_total' <<<"$page" | awk '{ n += $NF } END { print n }')"
	is "all clients" 2000 "$(grep '^tapio_dns_client_lookups_total' <<<"$page" | awk '{ n += $NF } END { print n }')"
	is "waiting" 0 "$(metric tapio_dns_waiting)"
	between "series of DNS" "$before" $((before + 22)) "$(series | grep -c tapio_dns_)"
	is "forgotten" 0 "$(metric tapio_dns_forgotten_total)"
	agent_stop
}
