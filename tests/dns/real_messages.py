# SPDX-License-Identifier: Apache-2.0
"""tests/dns/real: what is asked and answered; by which client, and how well."""
import time

from servers import KNOT, KNOT6, ODD, OTHER, UNBOUND
from world import DIG, Ask, asked_by, canonical, dig_answers, test


# ---- 3: sockets that are older ----


@test
def older_sockets(w):
    for kind, ask in w.old.items():
        e = asked_by(w, f"older than Tapio, {kind}", ask.go(), f"old-{kind}.wild.shop.test")
        w.fields(f"older than Tapio, {kind}: knot, which is older too", e, dns__server__pid=w.knot.pid,
                 dns__server__executable__name="knotd", server__address=KNOT)


# ---- 1: types, codes, clients ----

TYPES = (("www", "A"), ("www", "AAAA"), ("c1", "A"), ("out", "A"), ("", "NS"), ("", "SOA"), ("", "MX"), ("text", "TXT"),
         ("_sip._tcp", "SRV"), ("", "CAA"), ("_dns.svc", "SVCB"), ("web", "HTTPS"), ("child", "DS"), ("", "DNSKEY"),
         ("www", "RRSIG"), ("strange", "TYPE65280"), ("80.2.0.192.in-addr.arpa.", "PTR"))


@test
def types(w):
    for i, (label, kind) in enumerate(TYPES):
        name = label.rstrip(".") if label.endswith(".") else f"{label}.shop.test".lstrip(".")
        server, transport = ((KNOT, "udp"), (KNOT6, "udp"), (KNOT, "tcp"), (KNOT6, "tcp"))[i % 4]
        pid, _, out = w.dig("+noall", "+answer", "+authority", "+additional", "+tcp" if transport == "tcp" else "+notcp",
                            "+bufsize=4096", f"@{server}", name, kind)
        e = w.one(f"{kind} of {name}: one lookup, dig's", name, pid, DIG, process__pid=pid)
        w.fields(f"{kind} of {name}: question, code, transport, server", e, dns__question__type=kind,
                 dns__response_code="NOERROR", network__transport=transport, server__address=server, server__port=53,
                 dns__role="client")
        theirs, ours = dig_answers(out), sorted(canonical(r) for r in e.get("dns.response.records", []))
        w.check.that(f"{kind} of {name}: the records that dig prints", theirs == ours and theirs,
                     f"dig: {theirs}, ours: {ours}")


@test
def addresses(w):
    pid, _, _ = w.dig(f"@{KNOT}", "chain.c1.shop.test")
    w.one("a name that does not exist", "chain.c1.shop.test", pid, DIG, dns__response_code="NXDOMAIN")
    e = w.one("a chain of CNAMEs by kdig", "c2.shop.test", w.dig(f"@{KNOT}", "c2.shop.test", command="kdig")[0], "kdig")
    w.check.same("its addresses", ["192.0.2.80", "192.0.2.81"], sorted(e.get("dns.answers", [])))


@test
def truncation(w):
    pid, _, out = w.dig("+noedns", f"@{KNOT}", "many.shop.test")
    w.check.same("dig retries over TCP", 60, len([r for r in dig_answers(out) if r[0] == "many.shop.test"]))
    first = w.one("the truncated answer", "many.shop.test", pid, DIG, network__transport="udp")
    again = w.one("its retry over TCP", "many.shop.test", pid, DIG, network__transport="tcp")
    w.fields("the first is marked", first, dns__truncated=True, dns__response_code="NOERROR")
    w.fields("the second has 60 records", again, dns__truncated=None, dns__response__answer_count=60)
    w.check.same("and 60 addresses", 60, len(again.get("dns.answers", [])))
    w.check.same("the second names the first", first.get("dns.lookup.id"), again.get("dns.lookup.previous_id"))


@test
def codes(w):
    for what, server, name, code in (("NXDOMAIN", KNOT, "nothing.shop.test", "NXDOMAIN"),
                                     ("SERVFAIL of a zone without a file", KNOT, "x.broken.test", "SERVFAIL"),
                                     ("REFUSED for another's name", KNOT, "refused.example", "REFUSED"),
                                     ("SERVFAIL by way of unbound", UNBOUND, "y.broken.test", "SERVFAIL")):
        pid, _, out = w.dig("+tries=1", "+time=20", f"@{server}", name)
        w.check.that(f"{what}: dig says so", f"status: {code}" in out, out)
        e = w.one(f"{what}: one lookup", name, pid, DIG, process__pid=pid)
        w.fields(f"{what}: its code", e, dns__response_code=code, error__type=code)
    pid, _, out = w.dig("+tries=1", f"@{ODD}", "badvers.odd.test")
    w.fields("BADVERS, of which a half is in EDNS",
             w.one("BADVERS: one lookup", "badvers.odd.test", pid, DIG, process__pid=pid), dns__response_code="BADVERS")


@test
def edns(w):
    pid, _, _ = w.dig("+subnet=198.51.100.0/24", "+dnssec", "+bufsize=1232", f"@{ODD}", "subnet.odd.test")
    e = w.one("client subnet: one lookup", "subnet.odd.test", pid, DIG)
    w.fields("client subnet, DO, size", e, dns__edns__client_subnet="198.51.100.0/24", dns__edns__dnssec_ok=True,
             dns__edns__payload_size=1232)
    pid, _, _ = w.dig("+tries=1", f"@{ODD}", "servfail.odd.test")
    w.fields("an extended error, with its text", w.one("extended error: one lookup", "servfail.odd.test", pid, DIG),
             dns__edns__extended_error='DNSKEY Missing: no "key" here', dns__response_code="SERVFAIL")
    pid, _, out = w.dig("+dnssec", "+bufsize=4096", "+noall", "+answer", f"@{KNOT}", "www.shop.test", "AAAA")
    e = w.one("signed answer: one lookup", "www.shop.test", pid, DIG, process__pid=pid)
    w.check.that("signed answer: an RRSIG is among the records",
                 any(" RRSIG AAAA " in r for r in e.get("dns.response.records", [])), e)


@test
def bytes_in_names(w):
    for name, shown in ((r"sp\032ace.shop.test", r"sp\032ace.shop.test"),
                        (r"\000\001\255.bytes.shop.test", r"\000\001\255.bytes.shop.test"),
                        (r"do\.t.shop.test", r"do\.t.shop.test"),
                        ("x" * 63 + "." + ".".join(["y" * 61] * 2) + ".wild.shop.test",) * 2):
        pid, _, out = w.dig(f"@{KNOT}", name, command="kdig")
        e = w.one(f"{name}: one lookup", shown, pid, "kdig", process__pid=pid)
        w.fields(f"{name}: as it was asked", e, dns__question__name=shown, dns__response_code="NOERROR")
        w.check.that(f"{name}: has an address", len(e.get("dns.answers", [])) >= 1, f"{e} {out}")
    pid, _, _ = w.dig(f"@{KNOT}", "WwW.ShOp.TeSt")
    w.fields("capital letters: as they were sent", w.one("capital letters", "www.shop.test", pid, DIG, process__pid=pid),
             dns__question__name="WwW.ShOp.TeSt")


@test
def timeouts(w):
    w.never.wait(10)
    e = w.one("never answered: one dns.timeout", "never.odd.test", w.never.pid, DIG, "dns.timeout")
    w.fields("never answered: attempts, server, kind of error", e, dns__lookup__attempts=3, server__address=ODD,
             error__type="timeout", dns__answers=None)
    w.check.same("never answered: no lookup", [], w.tapio.named("dns.lookup", "never.odd.test", seconds=0))
    pid, _, _ = w.dig("+tries=2", "+time=1", f"@{ODD}", "second.odd.test")
    e = w.one("answered at the second attempt", "second.odd.test", pid, DIG)
    w.fields("two attempts, no failover", e, dns__lookup__attempts=2, dns__lookup__failover=None)
    w.check.that("its time begins with the first", 1e9 < e.get("dns.lookup.duration", 0) < 3e9, e)


@test
def failover(w):
    pid, _, out = w.libc(["getent", "ahostsv4", "never.wild.shop.test"],
                         f"nameserver {ODD}\nnameserver {KNOT}\noptions timeout:1 attempts:1\n")
    w.check.that("getent falls back on the second server", "192.0.2.10" in out, out)
    e = w.one("one lookup of both", "never.wild.shop.test", pid, "getent")
    w.fields("attempts, servers, failover", e, dns__lookup__attempts=2, dns__lookup__servers=[ODD, KNOT],
             dns__lookup__failover=True, server__address=KNOT)
    pid, _, out = w.libc(["getent", "ahostsv4", "never.two.odd.test"],
                         f"nameserver {ODD}\nnameserver {OTHER}\noptions timeout:1 attempts:1\n")
    e = w.one("neither answers: one dns.timeout", "never.two.odd.test", pid, "getent", "dns.timeout", seconds=8)
    w.fields("it names both", e, dns__lookup__attempts=2, dns__lookup__servers=[ODD, OTHER])


@test
def search(w):
    pid, _, out = w.libc(["getent", "ahosts", "www.shop.test"], f"nameserver {KNOT}\n"
                         "search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n")
    w.check.that("getent finds it at last", "192.0.2.80" in out, out)
    mine = w.tapio.wait("dns.lookup", lambda e: e["process.pid"] == pid, 8)
    w.check.same("eight lookups, A and AAAA of four names", 8, len(mine))
    w.check.same("six in vain", 6, len([e for e in mine if e["dns.response_code"] == "NXDOMAIN"]))
    w.check.same("as many are told as wasted", 6, sum(e.get("dns.search.wasted", 0) for e in mine))
    w.check.that("with the name that was found", all(e["dns.question.name"] == "www.shop.test"
                                                     for e in mine if "dns.search.wasted" in e), mine)
    pid, _, out = w.libc(["getent", "ahostsv4", "web.shop"], f"nameserver {KNOT}\n"
                         "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n")
    mine = w.tapio.wait("dns.lookup", lambda e: e["process.pid"] == pid, 2)
    w.check.same("of a short name, the search that was needed", [None, 1],
                 [e.get("dns.search.wasted") for e in mine])


@test
def lies(w):
    # For as long as twice the timeout after Tapio's start, an answer may be that to a question before it.
    time.sleep(max(0, w.tapio.began + 10.5 - time.monotonic()))
    for name, reason in (("wrongid", "unsolicited"), ("wrongquestion", "question_mismatch"), ("twice", "duplicate"),
                         ("wrongsource", "server_mismatch")):
        full = f"{name}.odd.test"
        ask = Ask(w.box, "unconnected", ODD, full).go()
        time.sleep(0.3)
        came = ask.result()["came"]
        w.check.that(f"{name}: the client gets it all", len(came) == (1 if name == "twice" else 2), came)
        e = w.one(f"{name}: the true answer makes a lookup", full, ask.pid, "python3")
        w.fields(f"{name}: and what it says", e, dns__answers=["192.0.2.99"], server__address=ODD)
        errors = w.tapio.wait("dns.error", lambda e, p=ask.pid: e.get("process.pid") == p)
        w.check.that(f"{name}: the lie is a dns.error", len(errors) == 1 and
                     errors[0]["error.type"] == reason, errors)
    pid, _, out = w.dig("+tries=1", "+noedns", f"@{ODD}", "loop.odd.test")
    w.check.that("a name that points to itself: dig gets it and refuses it", "bad compression pointer" in out, out)
    e = w.one("a name that points to itself: a dns.error", "loop.odd.test", pid, DIG, "dns.error", process__pid=pid)
    w.fields("and why, and where", e, error__type="pointer", dns__error__offset=31)
    w.fields("what was answered has no addresses", w.one("it ends the lookup, as for dig", "loop.odd.test", pid, DIG),
             dns__answers=None, dns__response__answer_count=1)
