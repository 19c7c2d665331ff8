# SPDX-License-Identifier: Apache-2.0
"""What the tests of tests/dns/real have: servers that run, clients, Tapio, and checks."""
import json
import os
import re
import subprocess
import time

import dns.name
import dns.rdata

import servers
from box import HERE, OUT, PYTHON, Tapio
from servers import DENIED, DNSMASQ, ECHOES, KNOT, ODD, UNBOUND

TESTS = {}
DIG = "isc-net-0000"  # the name of dig's thread that sends


def test(f):
    TESTS[f.__name__] = f
    return f


class Ask:
    """ask.py, from the opening of its socket on."""

    def __init__(self, box, kind, server, *questions, port=53, wait=2):
        self.p = box.start([PYTHON, os.path.join(HERE, "ask.py"), kind, server, str(port), *questions], "client",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "WAIT": str(wait)})
        if self.p.stdout.readline() != "open\n":
            raise RuntimeError("ask.py did not open its socket")
        self.pid, self.said = self.p.pid, None

    def go(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        return self

    def result(self):
        if not self.said:
            self.said = json.loads(self.p.stdout.readline())
            self.p.communicate("\n", timeout=10)
        return self.said


def canonical(line):
    """A record's text, dig's or ours (without the dot at the end of names), in one form."""
    name, ttl, rdclass, rdtype, data = line.split(None, 4)
    rdata = dns.rdata.from_text(rdclass, rdtype, data, origin=dns.name.root, relativize=False)
    return (name.rstrip(".").lower(), int(ttl), rdclass, rdtype, rdata.to_digestable().hex())


def dig_answers(out):
    """The records of all sections but EDNS that dig printed."""
    return sorted(canonical(line) for line in out.splitlines() if line and line[0] != ";")


class Foreign:
    """foreign.c: somebody else's programs where Tapio's are."""

    def __init__(self, box):
        tools = os.path.join(OUT, "tests")
        self.p = box.start([f"{tools}/dns-foreign", f"{tools}/dns-foreign.bpf.o", box.mount, ODD, DENIED],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "attached\n":
            raise RuntimeError("foreign programs could not be attached")

    def seen(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        return [int(n) for n in self.p.stdout.readline().split()]


class World:
    def __init__(self, box, checks):
        self.box, self.check = box, checks

    def begin(self):
        box = self.box
        self.knot = servers.start_knot(box)
        self.unbound = servers.start_unbound(box)
        box.await_answer(KNOT, "shop.test", "knot")
        box.await_answer(UNBOUND, "shop.test", "unbound")
        # sockets that are older than Tapio
        self.old = {kind: Ask(box, kind, KNOT, f"old-{kind}.wild.shop.test") for kind in ("connected", "tcp")}
        self.old["unconnected"] = Ask(box, "unconnected", KNOT, "old-unconnected.wild.shop.test")
        self.foreign = Foreign(box)
        self.tapio = Tapio(box)
        self.dnsmasq = servers.start_dnsmasq(box)
        self.odd = servers.start_odd(box)
        box.await_answer(DNSMASQ, "shop.test", "dnsmasq")
        box.await_answer(ODD, "ready.odd.test", "odd")
        # asked now, looked at later: nobody ever answers
        self.never = box.start(["dig", "+tries=3", "+time=1", f"@{ODD}", "never.odd.test"], "client",
                               stdout=subprocess.DEVNULL)
        self.late = Ask(box, "connected", ODD, "slow.6500.odd.test", wait=8).go()

    def keep(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(e) + "\n" for e in self.tapio.events)

    def finish(self):
        # Besides what was spoilt on purpose, nothing is. "wrongsource" is so at the server too, by its other socket.
        spoilt = ("wrongid.", "wrongquestion.", "wrongsource.", "twice.", "loop.", "slow.6500.", "other.")
        errors = self.tapio.select("dns.error", lambda e: ECHOES not in (e["server.address"], e["client.address"]) and
                                   not e.get("dns.question.name", "").startswith(spoilt))
        self.check.same("no dns.error about what was sound", [], errors)
        status, last = self.tapio.stop()
        self.check.same("tapio ends with status 0", 0, status)
        self.check.that("nothing was lost", re.match(r"\d+ events, 0 lost, 0 refused", last), last)

    # ---- helpers ----

    def dig(self, *words, command="dig"):
        return self.box.run([command, *words])

    def one(self, what, name, pid, comm, kind="dns.lookup", seconds=4, **also):
        """The only event about a name, of that process; else a failed check and {}."""
        self.tapio.named(kind, name, seconds=seconds, **also)
        time.sleep(0.05)  # for one too many
        events = self.tapio.named(kind, name, seconds=0, **also)
        if not self.check.that(what, len(events) == 1 and events[0]["process.pid"] == pid and
                               events[0].get("process.executable.name") == comm,
                               f"{len(events)} events about {name}, wanted one of {comm} {pid}: {events}"):
            return events[0] if events else {}
        return events[0]

    def fields(self, what, event, **expected):
        want = {key.replace("__", "."): value for key, value in expected.items()}
        got = {key: event.get(key) for key in want}
        self.check.same(what, want, got)

    def resolv(self, text):
        return self.box.write("resolv.conf", text)

    def libc(self, command, resolv):
        """A command for which this is /etc/resolv.conf, and which asks nothing but DNS for hosts."""
        nss = self.box.write("nsswitch.conf", "hosts: dns\n")
        return self.box.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/resolv.conf && '
                             'mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"', "sh", self.resolv(resolv),
                             nss, *command])


def asked_by(w, what, ask, name, **also):
    """A lookup by ask.py: its process and the port of its socket."""
    said = ask.result()
    w.check.same(f"{what}: is answered", 0, said["left"])
    e = w.one(f"{what}: one lookup, of its process", name, ask.pid, "python3", **also)
    w.fields(f"{what}: the socket's port, and the id", e, client__port=said["local"][1], dns__id=said["ids"][0])
    return e
