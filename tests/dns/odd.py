#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""odd.py ADDRESS ADDRESS6 OTHER ECHOES: a server that does what the first label of the question says: see ODD."""
import socket
import struct
import sys
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset


def answer(q, rcode=0, address="192.0.2.99"):
    r = dns.message.make_response(q)
    r.set_rcode(rcode)
    if not rcode and len(q.question) == 1:
        r.answer.append(dns.rrset.from_text(q.question[0].name, 60, "IN", "A", address))
    return r


def later(seconds, send, data):
    threading.Timer(seconds, send, (data,)).start()


def never(q, send):
    pass


def second(q, send, seen=set()):
    """Answers the second time that it is asked."""
    if q.question[0].name in seen:
        send(answer(q).to_wire())
    seen.add(q.question[0].name)


def slow(q, send):
    """As long as its second label says, in milliseconds."""
    later(int(q.question[0].name.labels[1]) / 1000, send, answer(q).to_wire())


def wrongid(q, send):
    data = answer(q, address="192.0.2.66").to_wire()
    send(bytes([data[0] ^ 1]) + data[1:])
    later(0.1, send, answer(q).to_wire())


def wrongquestion(q, send):
    other = dns.message.make_query("other.odd.test", "A", id=q.id)
    send(answer(other, address="192.0.2.66").to_wire())
    later(0.1, send, answer(q).to_wire())


def twice(q, send):
    send(answer(q).to_wire())
    later(0.1, send, answer(q).to_wire())


def loop(q, send):
    """The answer's name is a pointer to itself."""
    data = bytearray(answer(q).to_wire()[:12] + q.to_wire()[12:])
    struct.pack_into(">4H", data, 4, 1, 1, 0, 0)
    at = len(data)
    send(bytes(data) + struct.pack(">HHHIH", 0xC000 | at, 1, 1, 60, 4) + b"\xc0\0\2\1")


def servfail(q, send):
    r = answer(q, dns.rcode.SERVFAIL)
    r.use_edns(0, options=[dns.edns.EDEOption(9, "no \"key\" here")])
    send(r.to_wire())


def badvers(q, send):
    r = answer(q, dns.rcode.BADVERS)
    send(r.to_wire())


def subnet(q, send):
    r = answer(q)
    r.use_edns(0, options=[o for o in q.options if o.otype == 8])
    send(r.to_wire())


ODD = {f.__name__: f for f in (never, second, slow, wrongid, wrongquestion, twice, loop, servfail, badvers, subnet)}


def serve(udp, other):
    while True:
        data, client = udp.recvfrom(65535)
        q = dns.message.from_wire(data)
        what = q.question[0].name.labels[0].decode()
        if what == "wrongsource":
            other.sendto(answer(q, address="192.0.2.66").to_wire(), client)
            later(0.1, lambda d, c=client: udp.sendto(d, c), answer(q).to_wire())
        else:
            ODD.get(what, lambda q, send: send(answer(q).to_wire()))(q, lambda d, c=client: udp.sendto(d, c))


def bound(address, kind=socket.SOCK_DGRAM, port=53):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    return s


def echo(s):
    while True:
        s.sendto(*s.recvfrom(65535))


def echo_streams(listener):
    listener.listen()
    while True:
        c, _ = listener.accept()
        while data := c.recv(65536):
            c.sendall(data)
        c.close()


def main():
    for port in (53, 7777):
        for what, kind in ((echo, socket.SOCK_DGRAM), (echo_streams, socket.SOCK_STREAM)):
            threading.Thread(target=what, args=(bound(sys.argv[4], kind, port),), daemon=True).start()
    other = bound(sys.argv[3])
    tls = bound(sys.argv[1], socket.SOCK_STREAM, 853)
    tls.listen()
    for address in sys.argv[1:3]:
        threading.Thread(target=serve, args=(bound(address), other), daemon=True).start()
    while True:
        time.sleep(3600)


main()
