#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/agent/run: clients that want nothing good, while events come.
# shellcheck shell=bash disable=SC2034,SC2154,SC2216,SC2317

# 50 of the 64 connections that there can be, with a byte now and then, and never a whole request.
slow_clients() {
	local address=${url#http://} i fd fds=()
	trap '' PIPE
	for ((i = 0; i < 50; i++)); do
		exec {fd}<>"/dev/tcp/${address%:*}/${address##*:}" && fds+=("$fd")
		printf 'GET /metrics HTTP/1.1\r\nA: ' >&"$fd"
	done
	for ((i = 0; i < 100; i++)); do
		for fd in "${fds[@]}"; do printf 'G' >&"$fd"; done
		sleep 0.1
	done
}

garbage_clients() {
	local address=${url#http://} fd
	while :; do
		{ exec {fd}<>"/dev/tcp/${address%:*}/${address##*:}" && head -c 20000 /dev/urandom >&"$fd"; exec {fd}>&-; }
		curl -s -m 1 -o /dev/null "$url/$(printf '%9000s' x | tr ' ' x)"
		curl -s -m 1 -o /dev/null -X POST --data-binary @/dev/urandom "$url/metrics"
		head -c 5000 /dev/urandom | "$nc" "$socket" >/dev/null
		"$nc" "$socket" </dev/null >/dev/null
	done
}

# Sends stdin to a Unix socket and takes what comes, for half a second.
cat >"$tmp/nc" <<'END'
#!/bin/bash
timeout 0.5 curl -s -m 0.4 --unix-socket "$1" -X POST --data-binary @- http://tapio/ 
END
chmod +x "$tmp/nc"
nc=$tmp/nc

test_hostile_clients() {
	local clients=() i from
	configure 'limits: {events_per_second: 0}'
	agent || return
	slow_clients 2>/dev/null & clients+=($!)
	garbage_clients 2>/dev/null & clients+=($!)
	# one that attaches and does not read
	"$tapio" trace --attach="$socket" 2>/dev/null | sleep 12 & clients+=($!)
	sleep 1
	# each event is in the file soon after it happened
	for ((i = 0; i < 60; i++)); do
		storm 1 "late$i"
		from=$(now_ms)
		until grep -qF "\"late$i\"" "$events"; do
			[ $(($(now_ms) - from)) -lt 3000 ] || break
			sleep 0.01
		done
		echo $(($(now_ms) - from))
	done | sort -n >"$tmp/delays"
	page /healthz
	is "/healthz" 200 "$code"
	await_that "slow clients in /metrics" 10 metric_grew 'tapio_clients_refused_total{server="http",cause="too_slow"}' 20
	kill "${clients[@]}" 2>/dev/null
	wait "${clients[@]}" 2>/dev/null
	agent_stop
	tally "$me" "$events"
	complete 60
	is "sum of tapio.lost" $((lost + refused)) "$told"
	# half of them by the 100 ms that polling takes, whatever else this machine does
	between "ms until an event is in the file, in the middle" 0 200 "$(sed -n 30p "$tmp/delays")"
	between "ms at worst" 0 2000 "$(tail -n 1 "$tmp/delays")"
	echo "    $(sed -n 30p "$tmp/delays") ms in the middle, $(tail -n 1 "$tmp/delays") at worst"
}
