# SPDX-License-Identifier: Apache-2.0
"""Zones, and the servers that have them: knot, dnsmasq, unbound, and odd.py, which does what a server must not do."""
import os
import subprocess

from box import HERE, OUT, PYTHON

KNOT, DNSMASQ, UNBOUND, ODD = "10.53.3.2", "10.53.3.3", "10.53.3.4", "10.53.3.5"
KNOT6, DNSMASQ6, UNBOUND6, ODD6 = "fd53:3::2", "fd53:3::3", "fd53:3::4", "fd53:3::5"
OTHER = "10.53.3.6"  # from which odd.py answers what its other address was asked
ECHOES = "10.53.3.7"  # gives back what it gets, on ports 53 and 7777
DENIED = "10.53.3.8"  # to which a foreign program lets nothing through

SHOP = r"""$ORIGIN shop.test.
$TTL 300
@ IN SOA ns1 hostmaster.shop.test. 1 7200 900 1209600 60
@ IN NS ns1
@ IN MX 10 mail
@ IN MX 20 mail2.other.test.
ns1 IN A 10.53.3.2
mail IN A 192.0.2.25
www IN A 192.0.2.80
www IN A 192.0.2.81
www IN AAAA 2001:db8::80
c1 IN CNAME c2
c2 IN CNAME c3
c3 IN CNAME www
out IN CNAME elsewhere.example.
text IN TXT "v=spf1 -all" "a \"quoted\" \\ \000\255 end"
_sip._tcp IN SRV 5 10 5060 mail
@ IN CAA 0 issue "ca.example; account=1"
_dns.svc IN SVCB 1 svc.shop.test. alpn=dot port=8853 ipv4hint=192.0.2.53
web IN HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.80,192.0.2.81 ipv6hint=2001:db8::80
child IN NS ns.child
ns.child IN A 192.0.2.3
child IN DS 12345 13 2 3f2a1b0c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708
strange IN TYPE65280 \# 4 deadbeef
sp\032ace IN A 192.0.2.7
\000\001\255.bytes IN A 192.0.2.8
\001\255.bytes IN A 192.0.2.8
do\.t IN A 192.0.2.9
*.wild IN A 192.0.2.10
*.wild IN AAAA 2001:db8::10
*.wild IN TXT "wild"
"""

CLUSTER = """$ORIGIN cluster.local.
$TTL 5
@ IN SOA ns.dns hostmaster 1 7200 900 1209600 5
@ IN NS ns.dns
ns.dns IN A 10.53.3.2
web.shop.svc IN A 10.96.0.7
"""

REVERSE = """$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@ IN SOA ns1.shop.test. hostmaster.shop.test. 1 7200 900 1209600 60
@ IN NS ns1.shop.test.
80 IN PTR www.shop.test.
"""

KNOT_CONF = """server:
    rundir: {dir}
    listen: [ {listen} ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {dir}/knot
log:
  - target: stdout
    any: warning
policy:
  - id: one
    algorithm: ECDSAP256SHA256
    single-type-signing: on
template:
  - id: default
    storage: {dir}
    journal-content: none
    zonefile-sync: -1
zone:
  - domain: shop.test
    file: shop.zone
    dnssec-signing: on
    dnssec-policy: one
  - domain: cluster.local
    file: cluster.zone
  - domain: 2.0.192.in-addr.arpa
    file: reverse.zone
  - domain: broken.test
    file: not-there.zone
"""

UNBOUND_CONF = """server:
    interface: {a}
    interface: {b}
    port: 53
    do-daemonize: no
    use-syslog: no
    logfile: ""
    chroot: ""
    username: ""
    directory: {dir}
    pidfile: ""
    num-threads: 1
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    module-config: "iterator"
    do-not-query-localhost: no
    ede: yes
    local-zone: "test." nodefault
    local-zone: "2.0.192.in-addr.arpa." nodefault
    outgoing-interface: {a}
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {knot}
"""


def shop_zone():
    many = "".join(f"many IN A 198.51.100.{i}\n" for i in range(1, 61))
    more = "".join(f"h{i} IN A 192.0.2.{i % 250 + 1}\nh{i} IN AAAA 2001:db8::{i:x}\nh{i} IN TXT \"host {i}\"\n"
                   for i in range(200))
    return SHOP + many + more


def start_knot(box):
    box.write("shop.zone", shop_zone())
    box.write("cluster.zone", CLUSTER)
    box.write("reverse.zone", REVERSE)
    os.mkdir(box.path("knot"))
    listen = f"{KNOT}@53, {KNOT6}@53, {KNOT}@1053"
    conf = box.write("knot.conf", KNOT_CONF.format(dir=box.dir, listen=listen))
    return box.server("knot", ["/usr/sbin/knotd", "-c", conf])


def start_dnsmasq(box):
    return box.server("dnsmasq", ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts",
                                  "--no-resolv", "--user=root", "--pid-file=", "--bind-interfaces", "--cache-size=0",
                                  f"--listen-address={DNSMASQ},{DNSMASQ6}", f"--server={KNOT}"])


def start_unbound(box):
    conf = box.write("unbound.conf", UNBOUND_CONF.format(a=UNBOUND, b=UNBOUND6, dir=box.dir, knot=KNOT))
    return box.server("unbound", ["/usr/sbin/unbound", "-d", "-p", "-c", conf])


def start_odd(box):
    return box.server("odd", [PYTHON, os.path.join(HERE, "odd.py"), ODD, ODD6, OTHER, ECHOES])


def fetch_resolved():
    """(program, None), or (None, why not). Unpacked and not installed: that would start it, and change /etc/resolv.conf."""
    installed = "/lib/systemd/systemd-resolved"
    if os.path.exists(installed):
        return installed, None
    directory = os.path.join(OUT, "resolved")
    program = directory + installed
    if not os.path.exists(program):
        # its library is systemd's: the same version
        version = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "systemd"], stdout=subprocess.PIPE, text=True).stdout
        os.makedirs(directory, exist_ok=True)
        script = f"""apt-get -q -o APT::Sandbox::User=root download systemd-resolved={version} &&
                     dpkg-deb -x systemd-resolved_*.deb . && rm systemd-resolved_*.deb"""
        p = subprocess.run(["sh", "-c", script], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            return None, f"the package of version {version} cannot be had: {p.stdout.strip().splitlines()[-1:]}"
    return program, None
