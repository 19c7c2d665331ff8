# SPDX-License-Identifier: Apache-2.0
"""Tapio's lookups beside what tshark reads in a capture of the same traffic.

tshark's JSON has names in which octets beyond ASCII are lost and a dot of a label is a dot: both sides are compared in
that form (plain). Of a record whose name begins with a NUL it has no name: the test asks for none.
"""
import json
import re
import statistics
import subprocess

import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype

FLAGS = {"aa": "authoritative", "tc": "truncated", "rd": "recdesired", "ra": "recavail", "ad": "authenticated",
         "cd": "checkdisable"}
SECTIONS = "Answers", "Authoritative nameservers", "Additional records"


def plain(name):
    """What both can say of a name, lower case."""
    name = re.sub(r"\\([^0-9])", r"\1", name)
    name = re.sub(r"\\([0-9]{3})", lambda m: chr(int(m[1])) if 32 <= int(m[1]) < 127 else "?", name)
    name = re.sub(r"[^ -~]", "?", name).lower()
    return "" if name in (".", "<root>") else name


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


# ---- tshark's side ----

FIELDS = {1: ["dns.a"], 28: ["dns.aaaa"], 5: ["dns.cname"], 2: ["dns.ns"], 12: ["dns.ptr.domain_name"],
          15: ["dns.mx.preference", "dns.mx.mail_exchange"],
          33: ["dns.srv.priority", "dns.srv.weight", "dns.srv.port", "dns.srv.target"],
          6: ["dns.soa.mname", "dns.soa.rname", "dns.soa.serial_number", "dns.soa.refresh_interval",
              "dns.soa.retry_interval", "dns.soa.expire_limit", "dns.soa.minimum_ttl"],
          43: ["dns.ds.key_id", "dns.ds.algorithm", "dns.ds.digest_type"],
          48: ["dns.dnskey.flags", "dns.dnskey.protocol", "dns.dnskey.algorithm"],
          46: ["dns.rrsig.algorithm", "dns.rrsig.labels", "dns.rrsig.original_ttl", "dns.rrsig.key_tag",
               "dns.rrsig.signers_name"],
          65280: ["dns.data"]}


def their_value(kind, r):
    return tuple(plain(str(int(v, 16)) if v.startswith("0x") else v.replace(":", "") if kind == 65280 else v)
                 for v in (str(r.get(f)) for f in FIELDS.get(kind, [])))


def their_records(message):
    for section in SECTIONS:
        for entry in message.get(section, {}).values():
            for r in listed(entry):
                kind = int(listed(r["dns.resp.type"])[0])  # NSEC lists more types
                name = r.get("dns.resp.name") or ".".join(r["dns.srv." + part] for part in ("service", "proto", "name"))
                if kind != 41:
                    yield plain(name), kind, int(r["dns.resp.ttl"]), their_value(kind, r)


def their_rcode(message):
    code = int(message["dns.flags_tree"]["dns.flags.rcode"])
    for entry in message.get("Additional records", {}).values():
        for r in listed(entry):
            code |= int(r.get("dns.resp.ext_rcode", "0"), 16) << 4
    return dns.rcode.to_text(dns.rcode.Rcode.make(code))


def their_message(packet, message):
    layers = packet["_source"]["layers"]
    ip = "ip" if "ip" in layers else "ipv6"
    transport = "udp" if "udp" in layers else "tcp"
    question = listed(next(iter(message["Queries"].values())))[0]
    flags = message["dns.flags_tree"]
    m = {"transport": transport, "id": int(message["dns.id"], 16), "response": flags["dns.flags.response"] == "1",
         "name": plain(question["dns.qry.name"]), "type": int(question["dns.qry.type"]),
         "from": (layers[ip][ip + ".src"], int(layers[transport][transport + ".srcport"])),
         "to": (layers[ip][ip + ".dst"], int(layers[transport][transport + ".dstport"])),
         "time": float(layers["frame"]["frame.time_epoch"])}
    if m["response"]:
        records = list(their_records(message))
        m.update(rcode=their_rcode(message), records=sorted(records), answers=int(message["dns.count.answers"]),
                 flags=sorted(f for f, long in FLAGS.items() if flags.get("dns.flags." + long) == "1"),
                 addresses=[r[3][0] for r in list(records)[:int(message["dns.count.answers"])] if r[1] in (1, 28)])
    return m


def with_lists(pairs):
    """Of a key that is there more than once, as of records that are alike, a list."""
    made = {}
    for key, value in pairs:
        made[key] = listed(made[key]) + [value] if key in made else value
    return made


def read(pcap):
    out = subprocess.run(["tshark", "-r", pcap, "-T", "json", "-Y", "dns", "-J",
                          "frame ip ipv6 udp tcp dns"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=True).stdout
    packets = json.loads(out.decode("utf-8", "replace"), object_pairs_hook=with_lists)
    return [their_message(packet, message) for packet in packets
            for message in listed(packet["_source"]["layers"]["dns"])]


def their_lookups(pcap):
    """By (transport, client, server, id, name, type): the answers, with how long they took."""
    asked, found = {}, {}
    for m in read(pcap):
        client, server = (m["to"], m["from"]) if m["response"] else (m["from"], m["to"])
        key = m["transport"], client, server, m["id"], m["name"], m["type"]
        if not m["response"]:
            asked.setdefault(key, m["time"])
        elif key in asked:
            found.setdefault(key, []).append({**m, "took": m["time"] - asked[key]})
    return found


# ---- ours ----


def our_value(kind, text):
    words = text.split()
    if kind in (43, 48):
        words = words[:3]
    elif kind == 46:
        words = [words[i] for i in (1, 2, 3, 6, 7)]
    elif kind == 65280:
        words = words[2:]
    elif kind not in FIELDS:
        words = []
    return tuple(plain(word) for word in words)


def our_record(line):
    name, ttl, _, kind, text = line.split(" ", 4)
    kind = int(dns.rdatatype.from_text(kind))
    return plain(name), kind, int(ttl), our_value(kind, text)


def our_lookups(events):
    found = {}
    for e in events:
        key = (e["network.transport"], (e["client.address"], e["client.port"]), (e["server.address"], e["server.port"]),
               e["dns.id"], plain(e["dns.question.name"]), int(dns.rdatatype.from_text(e["dns.question.type"])))
        found.setdefault(key, []).append({
            "rcode": e["dns.response_code"], "records": sorted(our_record(r) for r in e.get("dns.response.records", [])),
            "answers": e.get("dns.response.answer_count", 0), "addresses": e.get("dns.answers", []),
            "flags": sorted(f for f in e.get("dns.flags", "").split() if f in FLAGS),
            "took": e["dns.lookup.duration"] / 1e9})
    return found


def compare(events, pcap):
    """Lookups that tshark has, differences, and the median difference of their times in seconds."""
    ours, theirs = our_lookups(events), their_lookups(pcap)
    different, times, count = [], [], 0
    for key in sorted(set(ours) | set(theirs), key=str):
        mine, other = ours.get(key, []), theirs.get(key, [])
        count += len(other)
        if len(mine) != len(other):
            different.append(f"{key}: {len(mine)} of ours, {len(other)} of tshark's")
            continue
        for a, b in zip(mine, other):
            times.append(abs(a["took"] - b["took"]))
            different += [f"{key}: {what}: ours {a[what]}, tshark's {b[what]}"
                          for what in ("rcode", "records", "answers", "addresses", "flags") if a[what] != b[what]]
    return count, different, statistics.median(times) if times else 1
