# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: lookups of pods, through a service's address that the node translates to a server's.

service_ip=10.96.0.10

# A server on the bridge's address, and a service's address that leads to it: from pods (PREROUTING) and from the node
# itself (OUTPUT).
serve_dns() {
	local chain
	gateway=$(node_in ip -4 -o addr show cni0 | awk '{ sub(/\/.*/, "", $4); print $4 }')
	like "the bridge's address" '^10\.244\.' "$gateway"
	for chain in PREROUTING OUTPUT; do
		node_in iptables -t nat -A $chain -d $service_ip -p udp --dport 53 -j DNAT --to-destination "$gateway:53"
		node_in iptables -t nat -A $chain -d $service_ip -p tcp --dport 53 -j DNAT --to-destination "$gateway:53"
	done
	node_in dnsmasq --keep-in-foreground --no-resolv --no-hosts --user=root --pid-file= --listen-address="$gateway" \
		--bind-interfaces --address=/cart.shop.test/192.0.2.80 --local=/test/ >"$tmp/dnsmasq" 2>&1 </dev/null &
	dnsmasq=$!
	for _ in {1..100}; do
		node_in sh -c "echo >/dev/udp/$gateway/53" 2>/dev/null
		[ -z "$(node_in ss -Hlun "sport = :53" 2>/dev/null)" ] || return 0
		sleep 0.05
	done
	fail "dnsmasq" "that it listens" "$(cat "$tmp/dnsmasq")"
}

lookup() { # JQ
	jq -r "select(.event == \"dns.lookup\" and .\"dns.role\" == \"client\") | $1" <"$tmp/out"
}

test_pods_ask() {
	local shop
	need hybrid || return
	make_pod 1 1 shop/cart 'web=sleep 1000'
	shop=$sandbox
	serve_dns
	start trace dns -o json || return
	in_container web /bin/busybox nslookup -type=a cart.shop.test $service_ip >"$tmp/answer" 2>&1
	like "what the pod was told" '192\.0\.2\.80' "$(cat "$tmp/answer")"
	in_container web /bin/busybox nslookup -type=a nothing.test $service_ip >/dev/null 2>&1
	sleep 0.5
	stop
	summary
	is "lost" 0 "$lost"
	is "names" "cart.shop.test nothing.test" "$(lookup '."dns.question.name"' | sort -u | paste -sd' ')"
	is "whose they are" "shop/cart:web busybox" \
		"$(lookup '"\(."k8s.namespace.name")/\(."k8s.pod.name"):\(."k8s.container.name") \(."process.executable.name")"' | sort -u)"
	is "whom they asked, and who answered" "$service_ip $gateway dnsmasq" \
		"$(lookup '"\(."server.address") \(."dns.server.nat.address") \(."dns.server.executable.name")"' | sort -u)"
	is "answers" '["192.0.2.80"]' "$(lookup 'select(."dns.question.name" == "cart.shop.test") | ."dns.answers"' | jq -c . | sort -u)"
	is "codes" "NOERROR NXDOMAIN" "$(lookup '."dns.response_code"' | sort -u | paste -sd' ')"
	is "other events" "" "$(jq -r 'select(.event != "dns.lookup") | .event' <"$tmp/out" | sort -u)"

	# and only those that are asked for
	start trace dns -o json --pod shop/other || return
	in_container web /bin/busybox nslookup -type=a cart.shop.test $service_ip >/dev/null 2>&1
	sleep 0.5
	stop
	is "lookups of another pod" "" "$(jq -r 'select(."dns.role" == "client") | .event' <"$tmp/out")"
	kill "$dnsmasq"
	remove_pods "$shop"
}
