# SPDX-License-Identifier: Apache-2.0
"""tests/dns/real: beside tshark, beside other programs on the cgroup, and under load."""
import re
import signal
import subprocess
import time

import tshark
from box import PYTHON
from real_messages import TYPES
from servers import DENIED, DNSMASQ, ECHOES, KNOT, KNOT6, ODD, UNBOUND
from world import DIG, Ask, Foreign, test


@test
def load(w):
    data = w.box.write("queries", "".join(f"h{i}.shop.test {'A' if i % 2 else 'AAAA'}\n" for i in range(200)))
    for mode in ("udp", "tcp"):
        pid, _, out = w.box.run(["dnsperf", "-s", KNOT, "-d", data, "-m", mode, "-n", "10", "-Q", "2000", "-c", "4"])
        done = re.search(r"Queries completed: +(\d+)", out)
        count = int(done[1]) if done else -1
        w.check.same(f"dnsperf over {mode}: all are answered", 2000, count)
        mine = w.tapio.wait("dns.lookup", lambda e, p=pid: e.get("process.pid") == p and
                            e["dns.question.name"].startswith("h"), 2000, 10)
        w.check.same(f"dnsperf over {mode}: as many lookups, of its pid", 2000, len(mine))
        w.check.same(f"dnsperf over {mode}: each of knot's", {w.knot.pid}, {e.get("dns.server.pid") for e in mine})


# ---- 5: tshark ----


class Capture:
    def __init__(self, box, namespace, name):
        self.pcap = box.path(name + ".pcapng")
        self.p = box.start(["dumpcap", "-q", "-i", "eth0", "-f", "port 53", "-w", self.pcap], namespace,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.p.stderr:  # "File: ..." once it captures
            if line.startswith("File:"):
                break

    def stop(self):
        time.sleep(0.5)
        self.p.send_signal(signal.SIGINT)
        self.p.communicate(timeout=10)
        return self.pcap


OPTIONS = ("+noedns", "+bufsize=4096", "+dnssec +bufsize=1232", "+tcp", "+subnet=192.0.2.0/24", "+norec", "+cd +ad",
           "+nocookie", "+ignore +noedns", "+tcp +dnssec")
RARE = tuple((label.rstrip(".") if label.endswith(".") else f"{label}.shop.test".lstrip("."), kind)
             for label, kind in TYPES) + (("many.shop.test", "A"), ("no.shop.test", "MX"), ("x.broken.test", "A"),
                                          ("refused.example", "SRV"), ("a.child.shop.test", "A"), ("shop.test", "ANY"),
                                          (r"sp\032ace.shop.test", "A"), (r"\001\255.bytes.shop.test", "A"))


def many_lookups(w):
    """Lookups of all kinds by dig, and by sockets of each kind."""
    lines = [f"@{server} {name} {kind} {OPTIONS[(i + j) % len(OPTIONS)]} +tries=1\n"
             for j, server in enumerate((KNOT, KNOT6, UNBOUND, DNSMASQ)) for i, (name, kind) in enumerate(RARE)]
    digs = [w.box.start(["dig", "-f", w.box.write(f"dig{n}", "".join(lines[n::4]))], "client", stdout=subprocess.DEVNULL)
            for n in range(4)]
    asks = [Ask(w.box, kind, server, *[f"h{n}.shop.test/{t}" for n in range(i * 20, i * 20 + 20) for t in ("A", "AAAA")])
            for i, (kind, server) in enumerate((k, s) for s in (KNOT, KNOT6) for k in ("connected", "unconnected", "tcp", "bytes"))]
    for ask in asks:
        ask.go()
    left = sum(ask.result()["left"] for ask in asks)
    for p in digs:
        p.wait(40)
    return len(lines) + 40 * len(asks) - left


@test
def beside_tshark(w):
    capture = Capture(w.box, "client", "client")
    first = len(w.tapio.events)
    count = many_lookups(w)
    pcap = capture.stop()
    client = {"10.53.1.2", "fd53:1::2"}
    mine = [e for e in w.tapio.events[first:] if e["event"] == "dns.lookup" and e["client.address"] in client]
    theirs, different, apart = tshark.compare(mine, pcap)
    for line in different[:10]:
        print("    " + line[:1000])
    w.check.that(f"tshark sees them all: {theirs} of {count} and more", theirs >= count and theirs > 400)
    w.check.that("lookup for lookup, Tapio and tshark say the same", not different, f"{len(different)} differences")
    w.check.that("the times that they took, at the median within 50 us", apart < 50e-6, apart)
    w.check.same("nothing of it is an error or a timeout", [], [
        e for e in w.tapio.events[first:] if e["event"] in ("dns.error", "dns.timeout") and e["client.address"] in client
        and not e["dns.question.name"].endswith(".odd.test")])


# ---- 6: observe only ----


ECHO = """
import os, random, socket, sys
rng = random.Random(1)
def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((sys.argv[1], port))
    for i in range(200):
        data = rng.randbytes(rng.choice((0, 1, 11, 12, 13, 100, 1400, 1473, 4096, 9000, 60000)))
        s.send(data)
        if s.recv(65536) != data:
            sys.exit(f"port {port}: datagram {i} of {len(data)} octets came back otherwise")
def tcp(port):
    s = socket.create_connection((sys.argv[1], port), 5)
    data, back = rng.randbytes(1 << 20), b""
    for at in range(0, len(data), 1 << 16):
        s.sendall(data[at:at + (1 << 16)])
        while len(back) < at + (1 << 16):
            back += s.recv(1 << 16)
    if back != data:
        sys.exit(f"port {port}: the stream came back otherwise")
for port in (53, 7777):
    udp(port)
    tcp(port)
print("all came back")
"""


@test
def observe_only(w):
    before = w.foreign.seen()
    second = Foreign(w.box)
    asks = [Ask(w.box, "connected", ODD, *[f"foreign{n}-{i}.odd.test" for i in range(20)]).go() for n in range(2)]
    w.check.same("all lookups are answered", [0, 0], [ask.result()["left"] for ask in asks])
    mine = w.tapio.wait("dns.lookup", lambda e: e["dns.question.name"].startswith("foreign"), 40)
    w.check.same("and told", 40, len(mine))
    w.check.same("programs attached after Tapio's see each packet, where it leaves and where it arrives", [40, 40],
                 second.seen()[:2])
    after = w.foreign.seen()
    w.check.same("those attached before it too", [40, 40], [after[i] - before[i] for i in (0, 1)])
    _, _, out = w.dig("+tries=1", "+time=1", f"@{DENIED}", "denied.odd.test")
    w.check.that("what a foreign program denies stays denied", "not permitted" in out or "no servers" in out, out)
    w.check.that("and it is that program that denied it", w.foreign.seen()[2] > after[2], after)
    second.p.stdin.close()
    second.p.wait(5)
    _, status, out = w.box.run([PYTHON, "-c", ECHO, ECHOES])
    w.check.that("what is not DNS passes unchanged, to port 53 and to others", status == 0, out)
    junk = w.tapio.wait("dns.error", lambda e: e["server.address"] == ECHOES)
    w.check.that("of it, what went to port 53 is dns.error with a reason", junk and all(e["error.type"] for e in junk), junk)
    pid, _, _ = w.dig(f"@{KNOT}", "after-junk.wild.shop.test")
    w.one("and lookups are told as before", "after-junk.wild.shop.test", pid, DIG)
