#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py EVENTS TRUTH: whose processes did Tapio say that these were?

TRUTH is JSON Lines; each says what all events of one cgroup must say, and how many there are at least:
  {"cgroup": PATH, "id": N, "identity": {...}, "least": N}   PATH and N as the kernel gives them
  {"mark": TEXT, "identity": {...}, "least": N}   the cgroup is that of exit0 with the argument TEXT
"optional" lists keys of the identity that may be unknown without a reason.
No event of any other cgroup may have one of the containers, pods or units named there.

Prints what is wrong, one line each, then "N events: N right, N wrong, N unknown, N told
later, N of others": later is what a tapio.identity event told of an event that could not wait. Where the machine has
cgroup v1, too, runc enters the container's cgroups there first: its stages that are in those already are of others here,
but may be called the container's.
"""
import collections
import json
import sys

CONTAINER = ("container.id", "container.runtime.name", "container.name", "container.image.name",
             "k8s.pod.uid", "k8s.pod.name", "k8s.namespace.name", "k8s.container.name")
SYSTEMD = ("systemd.unit", "systemd.slice", "systemd.user_unit", "systemd.user_slice")
UNIQUE = ("container.id", "k8s.pod.uid")  # what names one thing only
REASON = "tapio.identity.unknown"
MAX_PROBLEMS = 12

problems = collections.Counter()


def name_of(rule):
    identity = rule["identity"]
    for key in ("k8s.container.name", "systemd.user_unit", "systemd.unit", "container.name", "container.id"):
        if key in identity:
            return f"{key}={identity[key]}"
    return rule.get("mark", rule.get("cgroup"))


def rules_by_cgroup(events, truth):
    """Each cgroup has one rule; a mark is seen in one cgroup only."""
    rules, marked = {}, {}
    for rule in truth:
        rule["seen"] = 0
        if "mark" in rule:
            marked[rule["mark"]] = rule
        else:
            rules[rule["id"]] = rule
    for event in events:
        if event.get("process.executable.name") != "exit0":
            continue  # a shell or a client that is to start it
        for argument in event.get("process.command_args", ()):
            rule = marked.get(argument)
            if not rule:
                continue
            cgroup = event.get("cgroup.id")
            if rules.setdefault(cgroup, rule) is not rule:
                problems[f"{name_of(rule)}: its mark is in the cgroup of {name_of(rules[cgroup])}"] += 1
            if rule.setdefault("id", cgroup) != cgroup:
                problems[f"{name_of(rule)}: its mark is in two cgroups"] += 1
    return rules


def judge_one(event, rule):
    """True: all is right; else the problem, or the reason of what is unknown."""
    wanted, unknown = rule["identity"], False
    path = event.get("process.linux.cgroup")
    is_container = any(key in wanted for key in UNIQUE)
    for key in CONTAINER + SYSTEMD:
        got, want = event.get(key), wanted.get(key)
        if got == want or (got is None and key in rule.get("optional", ())):
            continue
        if got is None and REASON in event:
            unknown = True
        elif want is None and is_container and key in SYSTEMD and got in (path or "").split("/"):
            continue  # a container's slice, and what it calls a unit itself (docs/EVENTS.md)
        else:
            return f"{key} is {got}, not {want}"
    if "cgroup" in rule and path != rule["cgroup"] and (path or not unknown):
        return f"process.linux.cgroup is {path}, not {rule['cgroup']}"
    return (REASON, event[REASON]) if unknown else True


def is_entering(event, containers):
    """runc in the container's v1 cgroup; "exe" is its second stage, executed by descriptor."""
    name, container = event.get("process.executable.name", ""), event.get("container.id")
    return (container in containers and container in event.get("process.linux.cgroup", "")
            and (name in ("runc", "exe") or name.startswith("runc:[")))


def judge(events, truth):
    rules = rules_by_cgroup(events, truth)
    ours = {(key, rule["identity"][key]) for rule in truth for key in UNIQUE if key in rule["identity"]}
    units = {(key, rule["identity"][key]) for rule in truth for key in ("systemd.unit", "systemd.user_unit")
             if rule.get("sole") and key in rule["identity"]}
    containers = {rule["identity"].get("container.id") for rule in truth}
    sums, reasons = collections.Counter(), collections.Counter()
    told_later = {event.get("cgroup.id"): event for event in events if event["event"] == "tapio.identity"}
    for event in events:
        if "process.pid" not in event:
            continue
        rule = rules.get(event.get("cgroup.id"))
        if not rule:
            sums["others"] += 1
            for key, value in ours | units:
                if event.get(key) == value and not is_entering(event, containers):
                    sums["wrong"] += 1
                    problems[f"{event['event']} of {event.get('process.executable.name')} is elsewhere "
                             f"({event.get('process.linux.cgroup')}) and has {key}={value}"] += 1
            continue
        rule["seen"] += 1
        verdict = judge_one(event, rule)
        if verdict is True:
            sums["right"] += 1
        elif verdict == (REASON, "late") and rule["id"] in told_later and judge_one(told_later[rule["id"]], rule) is True:
            sums["later"] += 1
        elif isinstance(verdict, tuple):
            sums["unknown"] += 1
            reasons[verdict[1]] += 1
        else:
            sums["wrong"] += 1
            problems[f"{name_of(rule)}: {event['event']}: {verdict}"] += 1
    for rule in truth:
        if rule["seen"] < rule.get("least", 1):
            problems[f"{name_of(rule)}: {rule['seen']} events, not {rule.get('least', 1)}"] += 1
    return sums, reasons


def main(events_file, truth_file):
    with open(events_file, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    with open(truth_file, encoding="utf-8") as file:
        truth = [json.loads(line) for line in file]
    sums, reasons = judge(events, truth)
    for problem, count in problems.most_common(MAX_PROBLEMS):
        print(problem + (f" (in {count} events)" if count > 1 else ""))
    if len(problems) > MAX_PROBLEMS:
        print(f"and {len(problems) - MAX_PROBLEMS} more problems")
    told = "".join(f", {count} {reason}" for reason, count in reasons.items())
    count = sum("process.pid" in event for event in events)
    print(f"{count} events: {sums['right']} right, {sums['wrong']} wrong, {sums['unknown']} unknown{told}, "
          f"{sums['later']} told later, {sums['others']} of others")


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
