#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ask.py KIND SERVER PORT NAME[/TYPE]...: asks in one way, and prints what came as a line of JSON.

KIND: connected or unconnected (UDP, one socket for all), mapped (UDP, unconnected, IPv4 by an IPv6 socket), tcp (one
connection, all questions in one segment), bytes (tcp, an octet at a time). Opens its socket, prints a line, waits for
one, asks, and waits for one more before it goes. WAIT=SECONDS: for each answer, 2.
"""
import json
import os
import random
import socket
import struct
import sys
import time

import dns.message

KIND, SERVER, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
TCP = KIND in ("tcp", "bytes")


def opened():
    family = socket.AF_INET6 if ":" in SERVER or KIND == "mapped" else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if TCP else socket.SOCK_DGRAM)
    s.settimeout(float(os.environ.get("WAIT", "2")))
    if TCP:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if TCP or KIND == "connected":
        s.connect((SERVER, PORT))
    return s


def send(s, messages):
    if not TCP:
        for m in messages:
            s.send(m) if KIND == "connected" else s.sendto(m, (("::ffff:" if KIND == "mapped" else "") + SERVER, PORT))
        return
    data = b"".join(struct.pack(">H", len(m)) + m for m in messages)
    for part in [data] if KIND == "tcp" else [data[i:i + 1] for i in range(len(data))]:
        s.send(part)


def read(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def receive(s, came, began):
    """A message; of UDP, one from the server's address. What came meanwhile is added to `came`."""
    if TCP:
        data = read(s, struct.unpack(">H", read(s, 2))[0])
        came.append([data.hex(), time.monotonic_ns() - began])
        return data
    while True:
        data, source = s.recvfrom(65535)
        came.append([data.hex(), time.monotonic_ns() - began])
        if source[0] == ("::ffff:" if KIND == "mapped" else "") + SERVER:
            return data


def main():
    s = opened()
    print("open", flush=True)
    sys.stdin.readline()
    questions = [(word.split("/") + ["A"])[:2] for word in sys.argv[4:]]
    asked = [dns.message.make_query(name, kind, id=random.randrange(65536)) for name, kind in questions]
    began = time.monotonic_ns()
    send(s, [q.to_wire() for q in asked])
    wanted, came = {q.id for q in asked}, []
    while wanted:
        try:
            data = receive(s, came, began)
        except (OSError, EOFError):
            break
        # what has the right id, question and form ends the waiting for it
        try:
            m = dns.message.from_wire(data)
        except Exception:
            continue
        wanted -= {q.id for q in asked if q.is_response(m)}
    print(json.dumps({"ids": [q.id for q in asked], "came": came, "local": s.getsockname()[:2], "left": len(wanted)}),
          flush=True)
    sys.stdin.readline()


main()
