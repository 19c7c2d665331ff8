#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/cli/run: `tapio dns` and `tapio top dns` against a server that this makes, in a network namespace of its own.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2317

# Answers on 127.0.0.1: www.example.com and db.svc.cluster.local have addresses; servfail.example fails; silent.example
# gets no answer; all else does not exist. Asks, too: "ask NAME..." sends a question for A each and waits for the answer.
cat >"$tmp/dns.py" <<'END'
import os, socket, struct, sys

FOUND = (b"www.example.com", b"db.svc.cluster.local")

def encode(name):
    return b"".join(bytes([len(l)]) + l for l in name.split(b".")) + b"\0"

def decode(wire, at):
    labels = []
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    return b".".join(labels), at + 1

def serve():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        q, peer = s.recvfrom(4096)
        name, end = decode(q, 12)
        if name == b"silent.example":
            continue
        found = name in FOUND
        rcode = 0 if found else 2 if name == b"servfail.example" else 3
        a = q[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, found, 0, 0) + q[12:end + 4]
        if found:
            a += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1"
        s.sendto(a, peer)

def ask(names):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.2)
    s.connect(("127.0.0.1", 53))
    for i, name in enumerate(names):
        s.send(struct.pack("!HHHHHH", i + 1, 0x100, 1, 0, 0, 0) + encode(os.fsencode(name)) + struct.pack("!HH", 1, 1))
        try:
            s.recv(4096)
        except socket.timeout:
            pass

serve() if sys.argv[1] == "serve" else ask(sys.argv[2:])
END

# In a network namespace that is gone with it.
dns_up() {
	: >"$tmp/ready"
	unshare --net sh -c 'ip link set lo up && exec /usr/bin/python3 "$0" serve' "$tmp/dns.py" >"$tmp/ready" &
	dns_server=$!
	for ((i = 0; i < 500; i++)); do
		[ ! -s "$tmp/ready" ] || return 0
		sleep 0.01
	done
	fail "a DNS server" "that it starts" "not"
}

dns_down() {
	{ kill "$dns_server" && wait "$dns_server"; } 2>/dev/null
}

# A program of this name asks.
dns_ask() { # NAME...
	[ -x "$tmp/bin/$me-dns" ] || cp "$(realpath /usr/bin/python3)" "$tmp/bin/$me-dns"
	nsenter --net="/proc/$dns_server/ns/net" env PYTHONHOME=/usr "$tmp/bin/$me-dns" "$tmp/dns.py" ask "$@"
}

# Runs `tapio COMMAND...` for our program and asks meanwhile; without -t it is ended then.
dns_watched() { # COMMAND... -- NAME...
	local command=()
	while [ "$1" != -- ]; do command+=("$1") && shift; done
	start "${command[@]}" --comm "$me-dns" || return
	dns_ask "${@:2}"
	if [[ " ${command[*]} " == *" -t "* ]]; then
		ended 10
	else
		stop
	fi
	is "status of tapio ${command[*]}" 0 "$status"
}

searched=(www.example.com.shop.svc.cluster.local www.example.com.svc.cluster.local www.example.com.cluster.local www.example.com)

test_dns_sums() {
	local row
	dns_up || { skip "no network namespaces"; return; }
	dns_watched dns -t 3 -o json -- "${searched[@]}" "${searched[@]}" servfail.example $'a\e[31mb.example' silent.example
	jq -c . "$tmp/out" >/dev/null || fail "the output" "JSON" "$(head -c 300 "$tmp/out")"
	is "outcomes" '[11,2,7,1,1]' "$(jq -c '[.lookups, .found, .nxdomain, .servfail, .unanswered]' "$tmp/out")"
	is "waste" 6 "$(jq .search_wasted "$tmp/out")"
	is "whose" "[\"$me-dns\",11]" "$(jq -c '.clients | map([."process.executable.name", .lookups])[]' "$tmp/out")"
	is "the advice" '["www.example.com","www.example.com.cluster.local",2,6]' \
		"$(jq -c '.clients[0].search | [.found, .after, .ndots, .ndots_saves]' "$tmp/out")"
	is "the server" '[["127.0.0.1",53,11,1]]' "$(jq -c '.servers | map([."server.address", ."server.port", .lookups, .unanswered])' "$tmp/out")"
	is "a name asked twice" '[2,2]' "$(jq -c '.names[] | select(."dns.question.name" == "www.example.com") | [.lookups, .found]' "$tmp/out")"
	is "failing names" '["servfail.example","silent.example"]' "$(jq -c '[.failing_names[]."dns.question.name"] | sort' "$tmp/out")"
	is "bounds" '[0,0,0,0]' "$(jq -c '[.bounds[].error_max]' "$tmp/out")"
	between "p99 in ns" 1000 200000000 "$(jq .latency_ns.p99 "$tmp/out")"
	dns_down
}

test_dns_page() {
	dns_up || { skip "no network namespaces"; return; }
	# until Ctrl-C, which comes when all was asked
	dns_watched dns --time 60 -n 6 -- "${searched[@]}" servfail.example $'a\e[31mb.example' other.example
	like "totals" '^DNS +7 lookups in ' "$(cat "$tmp/out")"
	like "answers" 'found 1 \(14\.3%\) +NXDOMAIN 5 \(71\.4%\) +SERVFAIL 1 ' "$(cat "$tmp/out")"
	like "advice" '-> ndots:2 \(options of resolv.conf\) saves 3 questions; or a dot at the end: www.example.com\.' "$(cat "$tmp/out")"
	is "control characters from the wire" "" "$(grep -a $'\e' "$tmp/out")"
	like "a hostile name" 'a\\027\[31mb\.example' "$(cat "$tmp/out")"
	is "rows of names" 6 "$(sed '1,/ NAME$/d' "$tmp/out" | wc -l)"
	dns_down
}

test_top_dns() {
	dns_up || { skip "no network namespaces"; return; }
	dns_watched top dns -t 2 -i 500ms -o json -- "${searched[@]}"
	between "intervals" 3 6 "$(wc -l <"$tmp/out")"
	is "all of them together" 4 "$(jq -s 'map(.lookups) | add' "$tmp/out")"
	# on a terminal, until q
	{ sleep 1.5; dns_ask "${searched[@]}"; sleep 1.2; printf q; } |
		script -qec "stty cols 80 rows 30; $tapio top dns --comm $me-dns" "$tmp/typescript" >/dev/null
	like "the exit status" 'COMMAND_EXIT_CODE="0"' "$(tail -n 1 "$tmp/typescript")"
	like "the last page" $'DNS.{1,8} +4 lookups in [0-9.]+s' "$(tr -d '\r' <"$tmp/typescript" | grep -a 'lookups in' | tail -n 1)"
	is "columns" "" "$(tr -d '\r' <"$tmp/typescript" | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' | LC_ALL=C.UTF-8 grep -aE '.{81}' | grep -av '^Script')"
	dns_down
}

test_dns_usage() {
	local args
	while read -r args; do
		# shellcheck disable=SC2086  # words
		"$tapio" $args >/dev/null 2>"$tmp/err" && fail "tapio $args" "status 2" 0
		like "what is said of tapio $args" "see 'tapio (dns|top|trace) --help'" "$(cat "$tmp/err")"
	done <<-'END'
		dns -t 0
		dns --by name
		dns -n 0
		dns -o xml
		dns what
		dns -i 1
		top
		top cpu
		top dns -i x
		dns --dns-port 0
		dns --dns-port 53,53
		trace --dns-port 1,2,3,4,5
		dns --pod cart-0
	END
}
