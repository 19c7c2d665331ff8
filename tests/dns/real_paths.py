# SPDX-License-Identifier: Apache-2.0
"""tests/dns/real: whose sockets they are, by which way the packets go, and what stands there."""
import os
import time

import servers
from servers import DNSMASQ, DNSMASQ6, KNOT, KNOT6, ODD, UNBOUND
from world import Ask, asked_by, test


# ---- 3: whose sockets ----


@test
def sockets(w):
    for kind, server in (("connected", KNOT), ("unconnected", KNOT), ("mapped", KNOT), ("connected", KNOT6),
                         ("unconnected", KNOT6), ("tcp", KNOT6)):
        name = f"{kind}-{server.count(':')}.wild.shop.test"
        e = asked_by(w, f"{kind} to {server}", Ask(w.box, kind, server, name).go(), name)
        w.fields(f"{kind} to {server}: server, transport", e, server__address=server, dns__server__nat__address=None,
                 network__transport="tcp" if kind == "tcp" else "udp")


@test
def short_lived(w):
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do kdig +short @$0 s$i.wild.shop.test >/dev/null & echo $! $i; wait; done"
    out = w.box.run(["sh", "-c", script, KNOT])[2]
    pids = {f"s{i}.wild.shop.test": int(pid) for pid, i in (line.split() for line in out.splitlines())}
    mine = w.tapio.wait("dns.lookup", lambda e: e["dns.question.name"] in pids, 10)
    w.check.same("ten clients that live for a moment: their pids", pids,
                 {e["dns.question.name"]: e["process.pid"] for e in mine})
    w.check.same("and one lookup of each", 10, len(mine))


@test
def streams(w):
    """Several messages on one connection."""
    names = [f"{kind}{i}.wild.shop.test" for i in range(8) for kind in ("seg",)]
    for kind in ("tcp", "bytes"):
        full = [kind + name for name in names]
        ask = Ask(w.box, kind, KNOT, *[f"{name}/{t}" for name, t in zip(full, ("A", "AAAA", "TXT") * 3)]).go()
        said = ask.result()
        mine = w.tapio.wait("dns.lookup", lambda e, f=full: e["dns.question.name"] in f, 8)
        w.check.same(f"{kind}: 8 messages on one connection, 8 lookups with their ids", dict(zip(full, said["ids"])),
                     {e["dns.question.name"]: e["dns.id"] for e in mine})
        w.check.same(f"{kind}: each is seen at knot, which accepted the connection", {w.knot.pid},
                     {e.get("dns.server.pid") for e in mine})
        w.check.same(f"{kind}: and none twice, over TCP", [("tcp", ask.pid)] * 8,
                     [(e["network.transport"], e["process.pid"]) for e in mine])
    pid, _, _ = w.dig("+tcp", "+keepopen", f"@{KNOT}", *[f"keep{i}.wild.shop.test" for i in range(5)], command="kdig")
    mine = w.tapio.wait("dns.lookup", lambda e: e["process.pid"] == pid, 5)
    w.check.same("kdig +keepopen: five lookups by one port", (5, 1), (len(mine), len({e["client.port"] for e in mine})))


@test
def encrypted(w):
    pid, _, _ = w.dig("+tls", "+retry=0", "+timeout=1", f"@{ODD}", "tls.odd.test", command="kdig")
    mine = w.tapio.wait("dns.encrypted", lambda e: e["process.pid"] == pid)
    w.check.same("DNS over TLS: one dns.encrypted, and to where", [(ODD, 853, "kdig")],
                 [(e["server.address"], e["server.port"], e["process.executable.name"]) for e in mine])
    w.check.same("and no lookup", [], w.tapio.named("dns.lookup", "tls.odd.test", seconds=0))


@test
def filter_by_cgroup(w):
    child = f"{w.box.cgroup}/child"
    os.mkdir(child)
    try:
        for cgroup, name, wanted in ((w.box.mount, "outside.wild.shop.test", 0), (child, "below.wild.shop.test", 1)):
            w.box.run(["sh", "-c", f"echo $$ >{cgroup}/cgroup.procs && exec kdig @{KNOT} {name}"])
            time.sleep(0.3)
            mine = [e for e in w.tapio.named("dns.lookup", name, seconds=1) if e["process.executable.name"] == "kdig"]
            w.check.same(f"--cgroup: lookups by a process of {os.path.basename(cgroup)}", wanted, len(mine))
    finally:
        os.rmdir(child)


# ---- 2: destination NAT ----

NAT = (("output", "10.53.9.1", "fd53:9::1", KNOT, KNOT6, 53), ("output", "10.53.9.2", None, KNOT, None, 1053),
       ("prerouting", "10.53.9.3", "fd53:9::3", KNOT, KNOT6, 53), ("prerouting", "10.53.9.4", None, KNOT, None, 1053))


def translate(w, chain, asked, to, port):
    command = "ip6tables" if ":" in asked else "iptables"
    to = f"[{to}]:{port}" if ":" in to else f"{to}:{port}"
    for protocol in ("udp", "tcp"):
        rule = ["-t", "nat", "-A", chain.upper(), "-d", asked, "-p", protocol, "--dport", "53", "-j", "DNAT",
                "--to-destination", to]
        _, status, out = w.box.run([command, *rule], "client" if chain == "output" else "router")
        if status:
            raise RuntimeError(f"{command}: {out}")


@test
def nat(w):
    for chain, *asked, to, to6, port in NAT:
        for address, real in zip(asked, (to, to6)):
            if not address:
                continue
            translate(w, chain, address, real, port)
            for kind in ("connected", "unconnected", "tcp"):
                what = f"DNAT in {chain.upper()} of {address} to port {port}, {kind}"
                name = f"{kind}.{address.replace(':', '-').replace('.', '-')}.wild.shop.test"
                e = asked_by(w, what, Ask(w.box, kind, address, name).go(), name)
                # What is behind NAT elsewhere is known from the server's side, which is looked at on port 53.
                seen = chain == "output" or port == 53
                w.fields(f"{what}: who was asked, and where it went", e, server__address=address, server__port=53,
                         dns__server__nat__address=real if seen else None, dns__answers=["192.0.2.10"],
                         dns__server__nat__port=port if seen else None, dns__lookup__failover=None,
                         dns__server__pid=w.knot.pid if port == 53 else None, dns__lookup__servers=None)
    errors = [e for e in w.tapio.select("dns.error", lambda e: "-9-" in e.get("dns.question.name", ""))]
    w.check.same("DNAT: no dns.error", [], errors)


@test
def nat_from_another_port(w):
    """What is asked at another port is not DNS, whatever port NAT sends it to: no half of it is told."""
    w.box.run(["iptables", "-t", "nat", "-A", "OUTPUT", "-d", "10.53.9.5", "-p", "udp", "--dport", "5300", "-j", "DNAT",
               "--to-destination", f"{KNOT}:53"])
    ask = Ask(w.box, "unconnected", "10.53.9.5", "other-port.wild.shop.test", port=5300).go()
    w.check.same("DNAT from port 5300 to 53: is answered", 0, ask.result()["left"])
    w.other_port, w.other_port_at = ask.pid, time.monotonic()


# ---- 3: forwarders ----


@test
def forwarders(w):
    for what, server, p, comm in (("dnsmasq", DNSMASQ, w.dnsmasq, "dnsmasq"), ("dnsmasq, IPv6", DNSMASQ6, w.dnsmasq, "dnsmasq"),
                                  ("unbound", UNBOUND, w.unbound, "unbound")):
        for transport in ("udp", "tcp"):
            name = f"{comm}-{transport}-{server.count(':')}.wild.shop.test"
            pid, _, out = w.dig("+noedns", *(["+tcp"] if transport == "tcp" else []), f"@{server}", name, command="kdig")
            w.check.that(f"{what}, {transport}: answers", "192.0.2.10" in out, out)
            both = w.tapio.named("dns.lookup", name, 2)
            first = [e for e in both if e["process.pid"] == pid]
            second = [e for e in both if e["process.pid"] != pid]
            if not w.check.same(f"{what}, {transport}: two legs", (1, 1), (len(first), len(second))):
                print(both)
                continue
            w.fields(f"{what}, {transport}: the first, and its server's process", first[0],
                     process__executable__name="kdig", server__address=server, dns__server__pid=p.pid,
                     dns__server__executable__name=comm, network__transport=transport, dns__role="client")
            w.fields(f"{what}, {transport}: the second, for the first", second[0], process__executable__name=comm,
                     server__address=KNOT, dns__server__pid=w.knot.pid,
                     dns__lookup__parent_id=first[0]["dns.lookup.id"])
            if (comm, transport) != ("dnsmasq", "tcp"):  # it forks for a connection
                w.check.same(f"{what}, {transport}: is asked by the forwarder", p.pid, second[0]["process.pid"])
    for server, p in ((DNSMASQ, w.dnsmasq), (UNBOUND, w.unbound)):
        pid, _, out = w.libc(["getent", "ahosts", "c1.shop.test"], f"nameserver {server}\n")
        w.check.that(f"getent through {server}", "2001:db8::80" in out, out)
        mine = w.tapio.wait("dns.lookup", lambda e, x=pid: e["process.pid"] == x, 2)
        w.check.same(f"getent through {server}: A and AAAA", ["A", "AAAA"], sorted(e["dns.question.type"] for e in mine))
        w.check.same(f"getent through {server}: its process", {p.pid}, {e.get("dns.server.pid") for e in mine})


# ---- 4: systemd-resolved ----

RESOLVED = """set -e
mount -t tmpfs tmpfs /run
mkdir /run/systemd
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount --bind "$1/etc" /etc/systemd
exec "$2"
"""


def start_resolved(w, program):
    """Without a bus and a systemd, in the client's namespace, with a user of its own."""
    directory = w.box.path("resolved")
    os.makedirs(directory + "/etc")
    for name, line in (("passwd", "systemd-resolve:x:65432:65432::/:/bin/false\n"), ("group", "systemd-resolve:x:65432:\n")):
        with open("/etc/" + name, encoding="utf-8") as f:
            rest = [old for old in f if not old.startswith("systemd-resolve:")]
        w.box.write(f"resolved/{name}", "".join(rest) + line)
    w.box.write("resolved/etc/resolved.conf", f"[Resolve]\nDNS={KNOT}\nDomains=~.\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n"
                "Cache=no\n")
    return w.box.server("resolved", ["unshare", "--mount", "sh", "-c", RESOLVED, "sh", directory, program], "client")


@test
def resolved(w):
    program, why = servers.fetch_resolved()
    if not program:
        w.check.skip("systemd-resolved", why)
        return
    p = start_resolved(w, program)
    w.box.await_answer("127.0.0.53", "shop.test", "resolved")
    for kind in ("+notcp", "+tcp"):
        name = f"resolved{kind[1:]}.wild.shop.test"
        pid, _, out = w.dig(kind, "@127.0.0.53", name)
        w.check.that(f"systemd-resolved, {kind}: answers", "192.0.2.10" in out, out)
        both = w.tapio.named("dns.lookup", name, 2)
        first = [e for e in both if e["process.pid"] == pid]
        second = [e for e in both if e["process.pid"] == p.pid]
        if not w.check.same(f"systemd-resolved, {kind}: two legs, each once", (1, 1, 2), (len(first), len(second), len(both))):
            print(both)
            continue
        w.fields(f"systemd-resolved, {kind}: the first", first[0], server__address="127.0.0.53", dns__server__pid=p.pid,
                 client__address="127.0.0.1", dns__server__executable__name="systemd-resolve", dns__role="client")
        w.fields(f"systemd-resolved, {kind}: the second, for the first", second[0], server__address=KNOT,
                 dns__lookup__parent_id=first[0]["dns.lookup.id"], dns__server__pid=w.knot.pid)
    pid, _, out = w.libc(["getent", "ahosts", "www.shop.test"], "nameserver 127.0.0.53\noptions edns0 trust-ad\n")
    mine = w.tapio.wait("dns.lookup", lambda e: e["process.pid"] == pid, 2)
    w.check.same("getent by way of systemd-resolved: A and AAAA, of its process", [("A", p.pid), ("AAAA", p.pid)],
                 sorted((e["dns.question.type"], e.get("dns.server.pid")) for e in mine))


@test
def late(w):
    w.check.that("an answer after 6.5 s: the client has it", len(w.late.result()["came"]) == 1, w.late.said)
    name = "slow.6500.odd.test"
    w.one("an answer after 6.5 s: a dns.timeout before", name, w.late.pid, "python3", "dns.timeout")
    e = w.one("and a dns.error then", name, w.late.pid, "python3", "dns.error")
    w.fields("which is late", e, error__type="late", dns__answers=["192.0.2.99"])
    w.check.same("and no lookup", [], w.tapio.named("dns.lookup", name, seconds=0))
    took = w.late.said["came"][0][1] if w.late.said["came"] else 0
    w.check.that("how late, beyond the timeout", 1.19e9 <= e.get("dns.error.late", 0) <= took - 5.29e9, (took, e))


@test
def nat_from_another_port_is_no_timeout(w):
    time.sleep(max(0, w.other_port_at + 5.6 - time.monotonic()))
    mine = w.tapio.select("dns.timeout", lambda e: e["process.pid"] == w.other_port)
    w.check.same("DNAT from port 5300 to 53: no dns.timeout", [], mine)
