# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks need of the machine: tools that run beside a load, and what they cost.

A tool is started on its own CPU, is measured from outside (/proc and BPF run-time statistics) and is
ended by its pid. Everything here works on any tool: nothing asks the tool about itself.
"""
import contextlib
import ctypes
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, IFF_UP, SIOCSIFFLAGS = 0x40000000, 1, 0x8914
CLONE_NEWNS, MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x20000, 0x4000, 0x40000, 1
CPUS = sorted(os.sched_getaffinity(0))
LOAD_CPU, TOOL_CPU = CPUS[0], CPUS[-1]
STORM = re.compile(rb'exec_storm"?[ ,]+"?-i')   # the load's own command line: it names the marker too
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A tool or a load that did not do its work; the message says which and why."""


def realtime_permitted():
    """Whether a process may run under SCHED_RR here."""
    child = os.fork()
    if child == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


REALTIME = realtime_permitted()


def namespace_of_child(kind, prepare):
    """A descriptor of the namespace ("mnt", "net") that `prepare` made in a child, and why not if it failed.

    It lives as long as the descriptor or who uses it; the machine's own stays as it is.
    """
    ready, tell = os.pipe()
    hold, let_go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(let_go)
        said = b"ok"
        try:
            prepare()
        except OSError as why:
            said = str(why).encode()
        os.write(tell, said)
        os.read(hold, 1)
        os._exit(0)
    os.close(hold)
    said = os.read(ready, 200).decode()
    ns = os.open("/proc/%d/ns/%s" % (child, kind), os.O_RDONLY | os.O_CLOEXEC) if said == "ok" else None
    for fd in (ready, tell, let_go):
        os.close(fd)
    os.waitpid(child, 0)
    return ns, "" if said == "ok" else said


def called(result, what):
    if result:
        raise OSError(ctypes.get_errno(), "%s: %s" % (what, os.strerror(ctypes.get_errno())))


def mount_tracefs():
    called(LIBC.unshare(CLONE_NEWNS), "unshare")
    called(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "making mounts private")
    called(LIBC.mount(b"tracefs", b"/sys/kernel/tracing", b"tracefs", 0, None), "mounting tracefs")


def tracefs_namespace():
    """A descriptor of a mount namespace with tracefs in it, and why not if there is none; for peers that need it."""
    if os.path.exists("/sys/kernel/tracing/events"):
        return None, ""
    return namespace_of_child("mnt", mount_tracefs)


def raise_loopback():
    called(LIBC.unshare(CLONE_NEWNET), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def network_namespace():
    """A descriptor of a network namespace with its lo up."""
    ns, reason = namespace_of_child("net", raise_loopback)
    if ns is None:
        raise Failed("a network namespace: " + reason)
    return ns


def place(cpu, ns=None):
    """What a child does before exec: its CPU, its class, its namespace, and to die with us."""
    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)    # a shell's background jobs inherit it ignored
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        os.sched_setaffinity(0, {cpu})
        if REALTIME:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        if ns is not None and LIBC.setns(ns, 0):
            raise OSError(ctypes.get_errno(), "setns")
    return prepare


def load(argv):
    """Runs a load on its CPU; the seconds that it measured."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=place(LOAD_CPU))
    if done.returncode:
        raise Failed("%s: %s" % (os.path.basename(argv[0]), done.stderr.strip()))
    return float(done.stdout.split()[0])


def read(path, default=""):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return default


# ---- BPF, through bpf(2) ----

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_LOAD, PROG_GET_NEXT_ID, PROG_GET_FD_BY_ID, OBJ_GET_INFO = 5, 11, 13, 15
RAW_TRACEPOINT_OPEN, ENABLE_STATS = 17, 32
PROG_TYPE_RAW_TRACEPOINT = 17


def bpf(command, attr):
    attr = ctypes.create_string_buffer(attr, 128)
    result = LIBC.syscall(SYS_BPF, command, attr, len(attr))
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf command %d: %s" % (command, os.strerror(ctypes.get_errno())))
    return result, attr.raw


@contextlib.contextmanager
def bpf_stats():
    """Run-time statistics are on inside: they belong to a descriptor and end with it."""
    fd, _ = bpf(ENABLE_STATS, struct.pack("I", 0))
    try:
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def empty_program(tracepoint):
    """A program that returns at once, on a raw tracepoint; yields its id."""
    text = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0))
    licence, name = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(tracepoint.encode())
    prog, _ = bpf(PROG_LOAD, struct.pack("IIQQ", PROG_TYPE_RAW_TRACEPOINT, 2, ctypes.addressof(text),
                                         ctypes.addressof(licence)))
    try:
        link, _ = bpf(RAW_TRACEPOINT_OPEN, struct.pack("QI", ctypes.addressof(name), prog))
        try:
            yield int(fdinfo(os.getpid(), prog)["prog_id"])
        finally:
            os.close(link)
    finally:
        os.close(prog)


def program_ids():
    """The ids of all programs of the machine."""
    ids, last = set(), 0
    while True:
        try:
            _, attr = bpf(PROG_GET_NEXT_ID, struct.pack("I", last))
        except OSError:
            return ids
        last = struct.unpack_from("I", attr, 4)[0]
        ids.add(last)


def program_run_time(prog_id):
    """(name, ns, runs) of a program, or None if it is gone."""
    try:
        fd, _ = bpf(PROG_GET_FD_BY_ID, struct.pack("I", prog_id))
    except OSError:
        return None
    try:
        info = ctypes.create_string_buffer(80)
        bpf(OBJ_GET_INFO, struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
        stats = fdinfo(os.getpid(), fd)
        return info.raw[64:80].rstrip(b"\0").decode(), int(stats["run_time_ns"]), int(stats["run_cnt"])
    finally:
        os.close(fd)


def fdinfo(pid, fd):
    return dict(re.findall(r"^(\w+):\s*(.*)$", read("/proc/%d/fdinfo/%s" % (pid, fd)), re.M))


# ---- a running tool ----

class Tool:
    """How a tool is run. argv may hold {out}: the file that it writes; else that is its stdout."""

    def __init__(self, name, argv, wanted, namespace=None, lost=None, line_argv=None, says=None):
        self.name, self.argv, self.wanted, self.namespace, self.lost = name, argv, wanted, namespace, lost
        self.says = says                        # on stderr, when it is ready; None: its descriptors tell
        self.line_argv = line_argv or argv      # the same, writing each line to stdout at once

    @contextlib.contextmanager
    def run(self, folder):
        """The tool, attached and quiet; it is ended when the block is left."""
        running = Running(self, folder)
        try:
            running.wait_ready()
            yield running
        finally:
            running.stop()

    def first_event(self, marker, seconds):
        """Seconds from the start of the tool to its first line with the marker, which a load makes."""
        started = time.monotonic()
        process = subprocess.Popen(self.line_argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=place(TOOL_CPU, self.namespace))
        seen, said = b"", b""
        try:
            while time.monotonic() - started < seconds:
                for pipe in select.select([process.stdout, process.stderr], [], [], 0.1)[0]:
                    data = os.read(pipe.fileno(), 65536)
                    if pipe is process.stderr:
                        said += data
                        continue
                    if not data:
                        said += process.stderr.read()
                        raise Failed("%s ended: %s" % (self.name, last_line(said.decode(errors="replace"))))
                    seen += data
                    if any(self.wanted in line and marker in line for line in seen.split(b"\n")[:-1]):
                        return time.monotonic() - started
            raise Failed("%s: no event in %d s: %s" % (self.name, seconds, last_line(said.decode(errors="replace"))))
        finally:
            end(process)
            process.stdout.close()
            process.stderr.close()


def last_line(text):
    """The last line that complains, or else that says something: bpftrace quotes the script after its error."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    errors = [line for line in lines if re.search("error|fail|cannot", line, re.I)]
    return (errors or lines or ["it said nothing"])[-1]


def end(process):
    """Ends a process by its pid: SIGINT, and SIGKILL if it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        # Its pipes may be full: whoever reads them has stopped.
        for pipe in (process.stdout, process.stderr):
            while pipe and process.poll() is None and select.select([pipe], [], [], 1)[0] and os.read(pipe.fileno(), 65536):
                pass
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
    return True


class Running:
    def __init__(self, tool, folder):
        self.tool = tool
        self.out, self.err = os.path.join(folder, "out"), os.path.join(folder, "err")
        self.before = program_ids()
        self.obeyed = True
        argv = [word.replace("{out}", self.out) for word in tool.argv]
        stdout = os.devnull if argv != tool.argv else self.out
        for stale in (self.out, self.err):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(stale)
        with open(stdout, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                            preexec_fn=place(TOOL_CPU, tool.namespace))
        self.pid = self.process.pid

    def descriptors(self):
        folder = "/proc/%d/fd" % self.pid
        with contextlib.suppress(OSError):
            for fd in os.listdir(folder):
                with contextlib.suppress(OSError):
                    yield fd, os.readlink(os.path.join(folder, fd))

    def attached(self):
        if self.tool.says:
            return re.search(self.tool.says, read(self.err))
        return any(re.match(r"anon_inode:(bpf.(link|raw)|\[perf_event)", name) for _, name in self.descriptors())

    def cpu_ns(self, pid=None):
        """CPU time of all threads of the tool and of its children, exact while they sleep."""
        folder, total = "/proc/%d/task" % (pid or self.pid), 0
        with contextlib.suppress(FileNotFoundError):
            for thread in os.listdir(folder):
                total += int((read("%s/%s/schedstat" % (folder, thread)) or "0").split()[0])
                total += sum(self.cpu_ns(int(child)) for child in read("%s/%s/children" % (folder, thread)).split())
        return total

    def wait_quiet(self, span=0.2, limit=15, ready=lambda: True):
        """Until the tool has used no CPU to speak of for `span` seconds."""
        deadline, last, since = time.monotonic() + limit, -1, 0
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed("%s ended: %s" % (self.tool.name, last_line(read(self.err))))
            used = self.cpu_ns()
            if used - last > 1e6 or not ready():
                last, since = used, time.monotonic()
            elif time.monotonic() - since >= span:
                return
            time.sleep(0.02)
        raise Failed("%s: not quiet after %d s" % (self.tool.name, limit))

    def wait_ready(self):
        self.wait_quiet(ready=self.attached)

    def stop(self):
        self.obeyed = end(self.process) and self.obeyed

    def seen(self, marker):
        """Lines about our load."""
        with open(self.out, "rb") as f:
            return sum(marker in line and self.tool.wanted in line and not STORM.search(line) for line in f)

    def admitted(self):
        """Events that the tool itself says it lost."""
        text = read(self.err) + "".join(line for line in open(self.out, errors="replace") if "ost" in line)
        return sum(map(int, re.findall(self.tool.lost, text))) if self.tool.lost else 0

    def programs(self):
        """Its programs: those that its descriptors name, else those that came while it started."""
        ids = {fdinfo(self.pid, fd).get("prog_id") for fd, name in self.descriptors() if "bpf" in name}
        ids = {int(i) for i in ids if i}
        return ids or program_ids() - self.before

    def run_times(self):
        return {i: times for i, times in ((i, program_run_time(i)) for i in self.programs()) if times}

    def memory(self):
        """(bytes of RSS without rings, bytes of rings: each page once)."""
        rings = {}
        for fd, name in self.descriptors():
            info = fdinfo(self.pid, fd) if name == "anon_inode:bpf-map" else {}
            if info.get("map_type") == "27":
                rings[info.get("map_id", fd)] = int(info["max_entries"])
        # A ring's data is mapped twice, behind the producer's page. Perf buffers do not count in RSS since 6.15.
        sizes = {PAGE + 2 * size for size in rings.values()}
        resident, once = 0, 0
        for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", read("/proc/%d/smaps" % self.pid), flags=re.M)[1:]:
            start, stop, name = re.match(r"(\w+)-(\w+) \S+ \S+ \S+ \d+ *(.*)", mapping).groups()
            size, rss = int(stop, 16) - int(start, 16), int(re.search(r"^Rss: +(\d+)", mapping, re.M)[1]) * 1024
            if name == "anon_inode:[perf_event]":
                once += size
            elif name == "anon_inode:bpf-map" and (size in sizes if sizes else size > 128 << 10):
                once += (size - PAGE) // 2
            else:
                resident += rss
        return resident, once
