# SPDX-License-Identifier: Apache-2.0
"""Network namespaces with real servers in them, and Tapio beside them.

client --- router --- servers: 10.53.1.2, 10.53.3.0/24, and the same below fd53:1::, fd53:3::. Nothing has a name on
this machine but a cgroup, which tells Tapio what is ours, and a directory. Whatever the end of the process that made
them is, all processes in the cgroup end with it, and the namespaces with them.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ARCH = {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
OUT = os.path.realpath(os.environ.get("OUT", "build"))
TAPIO = os.path.join(OUT, ARCH, "tapio")
PYTHON = "/usr/bin/python3"

# Waits for the end of its input: of who made it. (A parent's death signal is lost with a change of capabilities.)
SWEEP = """read -r _
for i in 1 2 3 4 5 6 7 8 9 10; do
	xargs -r kill -KILL <"$1/cgroup.procs" 2>/dev/null
	rmdir "$1" 2>/dev/null && break
	sleep 0.1
done
rm -rf "$2"
"""


class Checks:
    """One check per thing shown."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def that(self, what, holds, detail=""):
        if holds:
            self.passed += 1
            print(f"ok   {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {what}: {str(detail)[:1500]}", flush=True)
        return bool(holds)

    def same(self, what, expected, got):
        return self.that(what, expected == got, f"expected {expected!r}, got {got!r}")

    def skip(self, what, why):
        self.skipped += 1
        print(f"skipped: {what}: {why}", flush=True)

    def report(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        return self.failed != 0


def cgroup2_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            if " - cgroup2 " in line and line.split()[3] == "/":
                return line.split()[4]
    return None


class Box:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tapio-dns.")
        os.chmod(self.dir, 0o755)
        self.processes, self.namespaces = [], {}
        self.mount = cgroup2_mount()
        self.cgroup = f"{self.mount}/tapio-dns-{os.getpid()}"
        os.mkdir(self.cgroup)
        self.sweeper = subprocess.Popen(["setsid", "sh", "-c", SWEEP, "sh", self.cgroup, self.dir], stdin=subprocess.PIPE)
        self.enter(self.cgroup)

    @staticmethod
    def enter(cgroup):
        with open(f"{cgroup}/cgroup.procs", "w", encoding="utf-8") as f:
            f.write(str(os.getpid()))

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    # ---- namespaces ----

    def namespace(self, name):
        holder = self.start(["unshare", "--net", "--", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        self.await_(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != own, f"namespace {name}")
        self.namespaces[name] = holder.pid
        self.ip(name, "link set lo up")

    def inside(self, namespace):
        return ["nsenter", f"--net=/proc/{self.namespaces[namespace]}/ns/net", "--"] if namespace else []

    def ip(self, namespace, words):
        subprocess.run(self.inside(namespace) + ["ip", *words.split()], check=True)

    def sysctl(self, namespace, name, value):
        path = "/proc/sys/" + name.replace(".", "/")
        subprocess.run(self.inside(namespace) + ["sh", "-c", f"echo {value} >{path}"], check=True)

    def network(self):
        for name in ("client", "router", "servers"):
            self.namespace(name)
        for net, name in ((1, "client"), (3, "servers")):
            self.ip("router", f"link add {name} type veth peer name eth0 netns {self.namespaces[name]}")
            for where, link, host in (("router", name, 1), (name, "eth0", 2)):
                self.ip(where, f"address add 10.53.{net}.{host}/24 dev {link}")
                self.ip(where, f"address add fd53:{net}::{host}/64 dev {link} nodad")
                self.ip(where, f"link set {link} up")
            self.ip(name, f"route add default via 10.53.{net}.1")
            self.ip(name, f"route add default via fd53:{net}::1")
        for host in range(3, 11):
            self.ip("servers", f"address add 10.53.3.{host}/24 dev eth0")
            self.ip("servers", f"address add fd53:3::{host}/64 dev eth0 nodad")
        self.sysctl("router", "net.ipv4.ip_forward", 1)
        self.sysctl("router", "net.ipv6.conf.all.forwarding", 1)

    # ---- processes ----

    def start(self, command, namespace=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.Popen(self.inside(namespace) + command, **options)
        self.processes.append(p)
        return p

    def server(self, name, command, namespace="servers", **options):
        with open(self.path(name + ".log"), "wb") as log:
            return self.start(command, namespace, stdout=log, stderr=log, **options)

    def run(self, command, namespace="client", timeout=30, **options):
        """To its end: (pid, status, output)."""
        p = self.start(command, namespace, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                       **options)
        out, _ = p.communicate(timeout=timeout)
        return p.pid, p.returncode, out

    def await_(self, holds, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if holds():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise TimeoutError(f"{what}: not within {seconds} s")

    def await_answer(self, server, name, log):
        """Until a server answers; with what is not DNS for Tapio's tests, as it does not run yet or has other names."""
        try:
            self.await_(lambda: "status:" in self.run(["dig", "+tries=1", "+time=1", f"@{server}", name, "SOA"])[2],
                        f"server {server}")
        except TimeoutError:
            with open(self.path(log + ".log"), encoding="utf-8", errors="replace") as f:
                print(f.read()[-3000:])
            raise

    def end(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.kill()
        for p in self.processes:
            p.wait()
        self.enter(self.mount)
        self.sweeper.stdin.close()
        self.sweeper.wait()


class Tapio:
    """`tapio trace dns` and what it printed."""

    def __init__(self, box, *options):
        self.events, self.news = [], threading.Condition()
        self.box = box
        self.errors = open(box.path("tapio.err"), "w+", encoding="utf-8")
        events = "dns.lookup,dns.timeout,dns.query,dns.response,dns.error,dns.encrypted"
        self.process = box.start([TAPIO, "trace", "dns", "-o", "json", "-e", events, "--cgroup", box.cgroup, *options],
                                 stdout=subprocess.PIPE, stderr=self.errors)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        box.await_(self.waits, "tapio's start")
        self.began = time.monotonic()

    def waits(self):
        if self.process.poll() is not None:
            raise RuntimeError("tapio ended: " + self.errors_text())
        with open(f"/proc/{self.process.pid}/syscall", encoding="utf-8") as f:
            call = f.read().split()[0]
        return call in (("22",) if ARCH == "arm64" else ("232", "281"))

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.events.append(json.loads(line))
                self.news.notify_all()

    def errors_text(self):
        self.errors.flush()
        self.errors.seek(0)
        return self.errors.read()

    def select(self, kind, fits):
        return [e for e in self.events if e["event"] == kind and fits(e)]

    def wait(self, kind, fits, count=1, seconds=4):
        """The events of a kind that fit; at least `count` of them, or those that came in time."""
        end = time.monotonic() + seconds
        with self.news:
            while len(found := self.select(kind, fits)) < count and time.monotonic() < end:
                self.news.wait(max(0.001, end - time.monotonic()))
            return found

    def named(self, kind, name, count=1, seconds=5, **also):
        """Those about a name; `also`: fields with _ for a dot."""
        want = {key.replace("__", "."): value for key, value in also.items()}
        return self.wait(kind, lambda e: e.get("dns.question.name", "").lower() == name.lower() and
                         all(e.get(key) == value for key, value in want.items()), count, seconds)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(10)
        self.reader.join(10)
        return status, (self.errors_text().strip().splitlines() or [""])[-1]


def main_of(body):
    """Runs body(box, checks), whatever happens in it; prints the sums."""
    checks = Checks()
    if os.geteuid():
        print("skipped: all: loading BPF programs takes root\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    box = Box()
    try:
        body(box, checks)
    except Exception as e:  # a check that could not be made is one that failed
        import traceback
        traceback.print_exc()
        checks.that("the tests ran to their end", False, repr(e))
    finally:
        box.end()
    sys.exit(checks.report())
