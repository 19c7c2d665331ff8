# SPDX-License-Identifier: Apache-2.0
"""Figures 4 to 7: what watching DNS costs, and what it costs those who speak none.

The load (dns_load.c) and the peers are in a network namespace of their own; Tapio's programs see all of them.
"""
import collections
import json
import os
import re
import shutil
import subprocess

import machine
from machine import Failed, Tool

FAST, PACED, PLAIN = 100000, 5000, 200000   # lookups of a run: at full speed; of each of 4 clients; not DNS
IN_THE_RING = ("ring_full", "no_slot", "perf_full")
LISTENING = r"(?i)listening on|capturing on"
OTHERS = [("UDP, connected", ["-p", "5300"]), ("UDP, sendto", ["-p", "5300", "-u"]), ("TCP", ["-p", "5300", "-t"])]


class Lookups:
    def __init__(self, bench, pairs):
        self.bench, self.report, self.pairs = bench, bench.report, pairs
        self.network = machine.network_namespace()
        self.comm = "load-%d" % os.getpid()     # so that others' lookups are not taken for ours
        self.program = os.path.join(bench.folder, self.comm)
        shutil.copy(os.path.join(bench.bin, "dns_load"), self.program)
        self.tapio = self.tapio_tool("tapio")
        self.tools = [self.tapio] + list(self.find_peers())

    def tapio_tool(self, name, *options):
        return Tool(name, [self.bench.binary, "trace", "dns", "-o", "json"] + list(options), b'"dns.lookup"',
                    lost=r"(\d+) lost")

    def find_peers(self):
        where = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        tcpdump, tshark = shutil.which("tcpdump", path=where), shutil.which("tshark", path=where)
        capture = [tcpdump, "-i", "lo", "-n", "-w", "/dev/null"]
        ours = ["udp", "port", "53"]
        if tcpdump:
            yield Tool("tcpdump -w /dev/null", capture + ours, None, self.network, says=LISTENING)
            yield Tool("tcpdump -B 16384", capture + ["-B", "16384"] + ours, None, self.network, says=LISTENING)
        if tshark:
            fields = ["dns.id", "dns.qry.name", "dns.a", "dns.time"]
            yield Tool("tshark -T fields", [tshark, "-i", "lo", "-n", "-f", " ".join(ours), "-T", "fields"] +
                       [word for field in fields for word in ("-e", field)], None, self.network, says=LISTENING)
        for name, path in ("tcpdump", tcpdump), ("tshark", tshark):
            if path:
                self.bench.versions.append("%s %s" % (name, self.bench.package_version(name)))
            else:
                self.report.note("peer left out: %s is not installed" % name)

    def load(self, *argv):
        """(seconds, lookups, {p50, p99, packets}) of one run."""
        done = subprocess.run([self.program, "-k"] + [str(word) for word in argv], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, preexec_fn=machine.place(machine.LOAD_CPU, self.network))
        if done.returncode:
            raise Failed("dns_load: " + done.stderr.strip())
        words = done.stdout.split()
        return float(words[0]), int(words[1]), {k: int(v) for k, v in (word.split("=") for word in words[2:])}

    def beside(self, tool, argv, value):
        """(value alone, value beside the tool, CPU ns of the tool, missed): alone is the mean of before and after."""
        before = value(self.load(*argv))
        with tool.run(self.bench.folder) as running:
            cpu = running.cpu_ns()
            said = self.load(*argv)
            running.wait_quiet(limit=60)
            cpu = running.cpu_ns() - cpu
        after = value(self.load(*argv))
        return (before + after) / 2, value(said), cpu, self.missed(running, said), said

    def missed(self, running, said):
        """The part that the tool did not see: Tapio of lookups, the others of packets."""
        _, asked, counts = said
        if running.tool.name.startswith("tapio"):
            return 1 - running.seen(self.comm.encode()) / asked
        told = re.search(r"(\d+) packets captured", machine.read(running.err))
        if running.tool.name.startswith("tcpdump"):
            return 1 - (int(told[1]) if told else 0) / counts["packets"]
        with open(running.out, "rb") as f:
            return 1 - sum(1 for _ in f) / counts["packets"]

    def rounds(self, argv, value, tools, what):
        taken, noise = collections.defaultdict(list), []
        self.load(*argv)
        for turn in range(self.pairs):
            self.bench.say("%s: round %d of %d" % (what, turn + 1, self.pairs))
            for tool in tools[turn % len(tools):] + tools[:turn % len(tools)]:
                try:
                    taken[tool.name].append(self.beside(tool, argv, value))
                except Failed as why:
                    self.report.note("%s: %s" % (what, why))
            one, other = value(self.load(*argv)), value(self.load(*argv))
            noise.append(other / one)
        if not taken[tools[0].name]:
            raise Failed("no run succeeded")
        return taken, noise

    def missed_row(self, figure, tool, got):
        self.report.add(figure, "  not seen: " + tool.name, [100 * one[3] for one in got], "%.2f", " %")

    def full_speed(self):
        for window, tools, target in ("1", self.tools, "4"), ("32", self.tools[:1], None):
            argv = ["-n", FAST, "-w", window]
            what = "DNS at full speed" if target else "  the same, 32 questions under way"
            taken, noise = self.rounds(argv, lambda said: said[0], tools, what.strip())
            for tool in tools:
                got = taken[tool.name]
                if not got:
                    continue
                self.report.add("4", "%s, slowdown: %s" % (what, tool.name), [one[1] / one[0] for one in got], "%.3f",
                                target=target if tool is self.tapio else None)
                if target:
                    self.report.add("4", "  CPU per 100k lookups: " + tool.name,
                                    [one[2] / one[4][1] * 1e5 / 1e9 for one in got], "%.3f", " s")
                self.missed_row("4", tool, got)
            if target:
                self.report.add("4", "  control: none against none", noise, "%.3f")
            self.report.add("4", "  lookups per second without a tool" if target else "  so many per second",
                            [FAST / one[0] / 1e3 for one in taken[self.tapio.name]], "%.0f", "k")

    def lost(self):
        ours = self.tapio_tool("tapio", "-c", self.comm)
        rates, missing = [], []
        for _ in range(3):
            with ours.run(self.bench.folder) as running:
                seconds, asked, _ = self.load("-c", 2, "-n", 150000, "-r", 100000, "-w", 10)
                running.wait_quiet()
            rates.append(asked / seconds / 1e3)
            missing.append(asked - running.seen(self.comm.encode()))
        self.report.add("5", "lookups not told at 100k per second, of 300,000: tapio", missing, "%d", target="5")
        self.report.add("5", "  reached", rates, "%.0f", "k/s")
        each = self.tapio_tool("tapio, each message", "-c", self.comm, "-e", "dns.query,dns.response")
        for _ in range(3):
            with each.run(self.bench.folder) as running:
                seconds, asked, counts = self.load("-n", 400000, "-w", 32)
                running.wait_quiet()
            seen, lost = self.tally(running.out)
            passed = 2 * counts["answered"] + 2 * asked     # sent and received, each
            self.report.text("5", "above: packets sent + received = seen + lost",
                             "%.0fk lookups/s: %d = %d + %d%s" % (
                                 asked / seconds / 1e3, passed, seen, lost, "" if passed == seen + lost else
                                 ", %+d" % (seen + lost - passed)), "5above" if passed == seen + lost else None)

    @staticmethod
    def tally(path):
        seen = lost = 0
        with open(path, "rb") as f:
            for line in f:
                if b'"tapio.lost"' in line:
                    told = json.loads(line)
                    lost += told["tapio.lost.count"] if told["tapio.lost.cause"] in IN_THE_RING else 0
                else:
                    seen += b'"event":"dns.' in line
        return seen, lost

    def paced(self):
        argv = ["-c", 4, "-n", PACED, "-r", 10000]
        tools = [tool for tool in self.tools if tool.name != "tcpdump -B 16384"]
        taken, noise = self.rounds(argv, lambda said: said[2]["p99"], tools, "10k per second")
        for tool in tools:
            got = taken[tool.name]
            ours = tool is self.tapio
            if not got:
                continue
            self.report.add("6", "10k/s, CPU per 100k lookups: " + tool.name,
                            [one[2] / one[4][1] * 1e5 / 1e9 for one in got], "%.3f", " s", "6" if ours else None)
            self.report.add("6", "  p99 of the lookups, with / without: " + tool.name, [one[1] / one[0] for one in got],
                            "%.2f", target="6p99" if ours else None)
            self.missed_row("6", tool, got)
        self.report.add("6", "  control: p99, none against none", noise, "%.2f")

    def not_dns(self):
        for what, argv in OTHERS:
            argv = argv + ["-n", PLAIN]
            taken, _ = self.rounds(argv, lambda said: said[0], [self.tapio], "not DNS, " + what)
            # sent once and received once: each packet passes two programs
            added = [(one[1] - one[0]) / (2 * one[4][2]["packets"]) * 1e9 for one in taken[self.tapio.name]]
            self.report.add("7", "added per packet and direction: " + what, added, "%.0f", " ns", "7")
            with machine.bpf_stats(), self.tapio.run(self.bench.folder) as running:
                before = running.run_times()
                packets = self.load(*argv)[2]["packets"]
                after = running.run_times()
            spent = sum(after[i][1] - before[i][1] for i in before)
            self.report.add("7", "  in the programs, statistics included: " + what, [spent / (2 * packets)], "%.0f", " ns")

    def close(self):
        os.close(self.network)


STEPS = [("4", "DNS at full speed, slowdown", Lookups.full_speed), ("5", "lookups not told at 100k per second", Lookups.lost),
         ("6", "10k/s, CPU per 100k lookups", Lookups.paced), ("7", "added per packet and direction", Lookups.not_dns)]
