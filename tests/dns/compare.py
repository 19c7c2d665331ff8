#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py DECODE [COUNT [SEED]]: our decoder and dnspython's read the same messages, and must say the same.

Messages are made at random, of the types in MAKERS: compressed, with EDNS, in all sections.
Then each is spoilt somewhere: what dnspython reads without an error ours must read too, and the same way. Prints
differences and a last line of counts.
"""
import base64
import ipaddress
import random
import struct
import subprocess
import sys

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.svcbbase
import dns.wire

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
rng = random.Random(SEED)
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-_ABCXYZ"
DOMAINS = ["example.com", "shop.svc.cluster.local", "cluster.local", "example.org", "in-addr.arpa", ""]


def octets(least, most):
    return rng.randbytes(rng.randint(least, most))


def label():
    if rng.random() < 0.05:
        return octets(1, 20)
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, rng.choice((4, 12, 63))))).encode()


def name(deep=3):
    domain = dns.name.from_text(rng.choice(DOMAINS) + ".")
    for _ in range(rng.randint(0, deep)):
        try:
            domain = dns.name.Name((label(),) + domain.labels)
        except dns.name.NameTooLong:
            break
    return domain


def wire(domain):
    return domain.to_wire()


def string(most=255):
    text = octets(0, most) if rng.random() < 0.2 else "".join(
        rng.choice(ALPHABET + ' ";\\') for _ in range(rng.randint(0, 40))).encode()
    return bytes([len(text)]) + text


def number(size):
    return rng.randrange(1 << 8 * size).to_bytes(size, "big")


def bitmap():
    made = b""
    for window in sorted(rng.sample(range(4), rng.randint(0, 2))):
        bits = bytearray(octets(1, 32))
        bits[-1] |= 1
        if not window:
            bits[0] &= 0x7f  # type 0 is none
        made += bytes([window, len(bits)]) + bits
    return made


def parameters():
    made = b""
    values = {1: lambda: b"".join(bytes([n]) + rng.randbytes(n) for n in (rng.randint(1, 8) for _ in range(2))),
              3: lambda: number(2), 4: lambda: octets(4, 4) * rng.randint(1, 3), 5: lambda: octets(1, 30),
              6: lambda: octets(16, 16) * rng.randint(1, 2), 7: lambda: b"/dns-query{?dns}", 667: lambda: octets(0, 20)}
    keys = sorted(rng.sample(list(values), rng.randint(0, len(values))))
    if keys and rng.random() < 0.3:
        made += struct.pack(">HH", 0, 2 * len(keys)) + b"".join(struct.pack(">H", key) for key in keys)
    for key in keys:
        if key == 3 and 1 in keys and rng.random() < 0.3:
            made += struct.pack(">HH", 2, 0)
        value = values[key]()
        made += struct.pack(">HH", key, len(value)) + value
    return made


# Contents by our own hand: what is compared is the reading.
MAKERS = {
    "A": lambda: octets(4, 4), "AAAA": lambda: octets(16, 16),
    "NS": lambda: wire(name()), "CNAME": lambda: wire(name()), "PTR": lambda: wire(name()), "DNAME": lambda: wire(name()),
    "SOA": lambda: wire(name()) + wire(name()) + number(20),
    "MX": lambda: number(2) + wire(name()), "AFSDB": lambda: number(2) + wire(name()),
    "KX": lambda: number(2) + wire(name()), "RT": lambda: number(2) + wire(name()),
    "TXT": lambda: b"".join(string() for _ in range(rng.randint(1, 4))), "SPF": lambda: string() + string(),
    "HINFO": lambda: string() + string(), "X25": lambda: string(), "RP": lambda: wire(name()) + wire(name()),
    "SRV": lambda: number(6) + wire(name()), "PX": lambda: number(2) + wire(name()) + wire(name()),
    "NAPTR": lambda: number(4) + string() + string() + string() + wire(name()),
    "CAA": lambda: number(1) + rng.choice((b"\5issue", b"\5iodef", b"\11issuewild")) + octets(0, 40),
    "DS": lambda: number(3) + b"\2" + octets(32, 32), "CDS": lambda: number(3) + b"\2" + octets(32, 32),
    "SSHFP": lambda: number(2) + octets(1, 40), "TLSA": lambda: number(3) + octets(1, 40),
    "DNSKEY": lambda: number(4) + octets(1, 200), "CDNSKEY": lambda: number(4) + octets(1, 200),
    "RRSIG": lambda: struct.pack(">HBBIIIH", rng.choice((1, 2, 28, 65, 1234)), 8, 2, 300, rng.randrange(1 << 32),
                                 rng.randrange(1 << 32), 7) + wire(name()) + octets(1, 200),
    "NSEC": lambda: wire(name()) + bitmap(), "NSEC3PARAM": lambda: number(4) + string(8),
    "NSEC3": lambda: number(4) + string(8) + (lambda h: bytes([len(h)]) + h)(octets(1, 40)) + bitmap(),
    "OPENPGPKEY": lambda: octets(1, 100), "DHCID": lambda: octets(1, 40), "CSYNC": lambda: number(6) + bitmap(),
    "ZONEMD": lambda: number(4) + b"\1\1" + octets(48, 48), "EUI48": lambda: octets(6, 6), "EUI64": lambda: octets(8, 8),
    "GPOS": lambda: b"\2-1\3+12\0010", "CERT": lambda: number(5) + octets(1, 40), "SMIMEA": lambda: number(3) + octets(1, 9),
    "L32": lambda: number(6), "LP": lambda: number(2) + wire(name()), "NINFO": lambda: string(), "AVC": lambda: string(),
    "URI": lambda: number(4) + b"https://example.com/" + octets(0, 5),
    "SVCB": lambda: number(2) + wire(name()) + parameters(), "HTTPS": lambda: number(2) + wire(name()) + parameters(),
    "NULL": lambda: octets(0, 40), "TYPE65280": lambda: octets(0, 40), "TYPE1234": lambda: octets(0, 40),
}


class Writer:
    """A message, compressed by chance: a suffix that was written before is pointed to."""

    def __init__(self):
        self.data, self.places = bytearray(12), {}

    def name(self, domain):
        labels = list(domain.labels)
        while labels and labels != [b""]:
            rest = tuple(labels)
            if rest in self.places and rng.random() < 0.8:
                self.data += struct.pack(">H", 0xC000 | self.places[rest])
                return
            if len(self.data) < 0x3FFF:
                self.places.setdefault(rest, len(self.data))
            self.data += bytes([len(labels[0])]) + labels.pop(0)
        self.data += b"\0"

    def record(self, kind):
        self.name(name())
        self.data += struct.pack(">HHI", dns.rdatatype.from_text(kind), 1, rng.randrange(1 << 31))
        at = len(self.data)
        self.data += b"\0\0"
        if kind in ("NS", "CNAME", "PTR"):
            self.name(name())
        elif kind in ("MX", "AFSDB"):
            self.data += number(2)
            self.name(name())
        elif kind == "SOA":
            self.name(name())
            self.name(name())
            self.data += number(20)
        else:
            self.data += MAKERS[kind]()
        struct.pack_into(">H", self.data, at, len(self.data) - at - 2)

    def opt(self):
        options = b""
        for code, value in ((8, b"\0\1\x18\0\xc0\0\2"), (8, b"\0\2\x20\0\x20\1\x0d\xb8"), (10, octets(8, 8)),
                            (15, number(1)[:0] + b"\0" + number(1) + b"because"), (3, b"ns1"), (65001, octets(0, 9))):
            if rng.random() < 0.3:
                options += struct.pack(">HH", code, len(value)) + value
        self.data += b"\0" + struct.pack(">HHBBHH", 41, rng.choice((512, 1232, 4096)), rng.choice((0, 0, 1)), 0,
                                         rng.choice((0, 0x8000)), len(options)) + options


def message():
    w = Writer()
    counts = [1, 0, 0, 0]
    w.name(name())
    w.data += struct.pack(">HH", rng.choice((1, 28, 65, 15, 255, 1234)), 1)
    for section in (1, 2, 3):
        for _ in range(rng.choice((0, 1, 1, 3))):
            w.record(rng.choice(list(MAKERS)))
            counts[section] += 1
    if rng.random() < 0.5:
        w.opt()
        counts[3] += 1
    flags = 0x8000 | rng.choice((0, 0x0400)) | rng.choice((0, 0x0200)) | rng.choice((0x0180, 0, 0x0130)) | rng.randrange(6)
    struct.pack_into(">6H", w.data, 0, rng.randrange(65536), flags, *counts)
    return bytes(w.data)


def spoilt(data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 4))):
        data[rng.randrange(2, len(data))] = rng.randrange(256)
    if rng.random() < 0.3:
        del data[rng.randrange(12, len(data)):]
    return bytes(data)


# Types that have had no name yet for this dnspython.
NEWER = {name_: f"TYPE{n}" for name_, n in (("DSYNC", 66), ("HHIT", 67), ("BRID", 68), ("NXNAME", 128), ("DOA", 259), ("RESINFO", 261), ("WALLET", 262),
                                           ("CLA", 263), ("IPN", 264), ("NIMLOC", 32), ("EID", 31), ("ATMA", 34),
                                           ("SINK", 40), ("RKEY", 57), ("TALINK", 58), ("UINFO", 100), ("UID", 101),
                                           ("GID", 102), ("NID", 104), ("L32", 105), ("L64", 106), ("LP", 107))
         if dns.rdatatype.to_text(n) == f"TYPE{n}"}


def without_form(rdtype):
    """Whether this dnspython does not know its contents."""
    return dns.rdata.get_rdata_class(dns.rdataclass.IN, rdtype) is dns.rdata.GenericRdata


def older(line):
    """Our line with what dnspython 2.3 says by intent otherwise: new names, times to live beyond 2^31 (RFC 8767 4)."""
    words = line.split("\t")
    if words[0] == "question":
        words[-1] = NEWER.get(words[-1], words[-1])
    if words[0] == "record":
        words[5] = NEWER.get(words[5], words[5])
        words[3] = words[3] if int(words[3]) < 1 << 31 else "0"
        if words[4] != "IN" or without_form(dns.rdatatype.from_text(words[5])):
            words[6] = ""
        if words[5] in ("NSEC", "NSEC3", "CSYNC", "RRSIG"):
            words[6] = " ".join(NEWER.get(word, word) for word in words[6].split(" "))
    return "\t".join(words)


# ---- dnspython's reading, in the words of decode.c ----

# Rare ones, given as RFC 3597 5 has them: WKS, ISDN, NSAP, LOC, APL, IPSECKEY, HIP, NID, L64, TSIG, AMTRELAY.
OURS_IS_GENERIC = (11, 20, 22, 23, 29, 42, 45, 55, 104, 106, 249, 250, 260)


# In which a word that is an "@" is one.
STRINGS = (13, 16, 19, 27, 35, 56, 99, 257, 258)


def name_text(domain):
    return domain.to_text(omit_final_dot=True) if len(domain.labels) > 1 else "."


def svc_text(rdata):
    """Its own form puts every value in quotes; ours is that of RFC 9460 2.1 and of dig."""
    words = [str(rdata.priority), name_text(rdata.target)]
    for key, value in sorted(rdata.params.items()):
        word = svc_key(key)
        if key == 0:
            word += "=" + ",".join(svc_key(one) for one in value.keys)
        elif key in (4, 6):
            word += "=" + ",".join(value.addresses)
        elif key == 3:
            word += f"={value.port}"
        elif key == 5:
            word += "=" + base64.b64encode(value.ech).decode()
        elif key == 1:
            word += '="' + ",".join(quoted(list_item(one), '"\\') for one in value.ids) + '"'
        elif value is not None:
            word += '="' + quoted(value.value, '"\\') + '"'
        words.append(word)
    return " ".join(words)


def svc_key(key):
    """RFC 9461 and later are newer than dnspython 2.3."""
    return {7: "dohpath", 8: "ohttp"}.get(key) or dns.rdtypes.svcbbase.key_to_text(key)


def list_item(data):
    """RFC 9460 A.1: escaped for the list, before it is for the string."""
    return data.replace(b"\\", b"\\\\").replace(b",", b"\\,")


def quoted(data, special):
    return "".join(("\\" if chr(c) in special else "") + chr(c) if 0x20 <= c <= 0x7e else f"\\{c:03d}" for c in data)


def contents(rdata):
    if rdata.rdclass != dns.rdataclass.IN:
        return ""  # what is of class IN alone is no matter of dnspython's: unit/dns_rdata_of_classes
    if without_form(rdata.rdtype):
        return ""
    if rdata.rdtype in OURS_IS_GENERIC:
        rdata = rdata.to_generic()
    if isinstance(rdata, dns.rdata.GenericRdata):
        return f"\\# {len(rdata.data)}" + (" " + rdata.data.hex() if rdata.data else "")
    if rdata.rdtype in (64, 65):
        return svc_text(rdata)
    if rdata.rdtype == 256:
        return f'{rdata.priority} {rdata.weight} "{quoted(rdata.target, chr(34) + chr(92))}"'
    if rdata.rdtype == 37:
        key = base64.b64encode(rdata.certificate).decode()
        return f"{int(rdata.certificate_type)} {rdata.key_tag} {int(rdata.algorithm)} {key}"
    if rdata.rdtype in (61, 108, 109):
        return rdata.to_text()
    if rdata.rdtype == 27:
        return " ".join('"' + quoted(one, '"\\') + '"' for one in (rdata.latitude, rdata.longitude, rdata.altitude))
    if rdata.rdtype == 50:
        words = rdata.to_text().split(" ")
        words[4] = words[4].rstrip("=")  # RFC 5155 3.3: none
        return " ".join(words)
    text = rdata.to_text(origin=dns.name.root, relativize=True, chunksize=0)
    if rdata.rdtype == 35 and text.endswith(" @"):
        return text[:-1] + "."
    words = " ".join("." if word == "@" and rdata.rdtype not in STRINGS else word for word in text.split(" "))
    return words.rstrip(" ")  # where the last field is empty: SMIMEA without data


read_name = dns.wire.Parser.get_name


def get_name(parser, origin=None):
    """What a name points to may go on beyond the pointer; dnspython would go on behind that, and not behind the pointer."""
    end = parser.current
    name_ = read_name(parser, origin)
    while 0 < parser.wire[end] < 64:
        end += 1 + parser.wire[end]
    parser.current = parser.furthest = end + (2 if parser.wire[end] else 1)
    return name_


dns.wire.Parser.get_name = get_name


def expected(data):
    m = dns.message.from_wire(data, one_rr_per_rrset=True, raise_on_truncation=False)
    lines = ["\t".join(("message", str(m.id), f"{m.flags:#06x}", str(m.opcode() & 15), str(int(m.rcode())), ""))]
    for q in m.question[:1]:
        lines.append("\t".join(("question", name_text(q.name), class_text(q.rdclass), type_text(q.rdtype))))
    for number_, section in enumerate((m.answer, m.authority, m.additional), 1):
        for rrset in section:
            for rdata in rrset:
                lines.append("\t".join(("record", str(number_), name_text(rrset.name), str(rrset.ttl),
                                        class_text(rrset.rdclass), type_text(rrset.rdtype), contents(rdata))))
    if m.edns >= 0:
        lines.append(f"edns\t{m.edns}\t{m.payload}\t{int(bool(m.ednsflags & dns.flags.DO))}")
        lines += [option_text(o) for o in m.options]
    return lines


def class_text(rdclass):
    return dns.rdataclass.to_text(rdclass) if rdclass else "CLASS0"


def type_text(rdtype):
    return dns.rdatatype.to_text(rdtype)


def option_text(option):
    if isinstance(option, dns.edns.ECSOption):
        address = ipaddress.ip_address(option.address)
        # RFC 7871 6: bits beyond the prefix are 0. What has others is no subnet for us.
        if int(address) % (1 << address.max_prefixlen - option.srclen) == 0:
            return f"option\t8\t{address}/{option.srclen}"
        data = struct.pack(">HBB", option.family, option.srclen, option.scopelen) + address.packed
        return f"option\t8\t{data[:4 + (option.srclen + 7) // 8].hex()}"
    if isinstance(option, dns.edns.EDEOption):
        return f"option\t15\t{int(option.code)} {(option.text or '').encode().hex()}"
    return f"option\t{int(option.otype)}\t{option.to_wire().hex()}"


def decode(messages):
    data = b"".join(struct.pack(">H", len(m)) + m for m in messages)
    out = subprocess.run([sys.argv[1]], input=data, stdout=subprocess.PIPE, check=True).stdout.decode("latin-1")
    return [[older(line) for line in ("message" + part).splitlines()] for part in ("\n" + out).split("\nmessage")[1:]]


def main():
    sound = [message() for _ in range(COUNT)]
    messages = sound + [spoilt(m) for m in sound]
    same = different = refused = 0
    for i, (data, ours) in enumerate(zip(messages, decode(messages))):
        try:
            theirs = expected(data)
        except (dns.exception.DNSException, ValueError, struct.error):
            refused += 1
            if i < COUNT:
                raise
            continue
        if ours == theirs:
            same += 1
            continue
        different += 1
        if different <= 5:
            print(f"message {i}: {data.hex()}")
            for mine, other in zip(ours + [""] * 99, theirs):
                if mine != other:
                    print(f"  ours   {mine!r}\n  theirs {other!r}")
    print(f"seed {SEED}: {same} the same, {different} different, {refused} that dnspython refuses")
    sys.exit(1 if different or not same else 0)


main()
