#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bundles.py ROOT COUNT: writes so many bundles for runc to ROOT/tmp/bundles/ID, each of a pod of its own.

Each container runs exec_storm with the container's mark. Prints the lines of truth for judge.py.
"""
import json
import os
import secrets
import sys
import uuid

QOS = ("", "burstable/", "besteffort/")
root, count = sys.argv[1], int(sys.argv[2])

for number in range(count):
    container, uid, mark = secrets.token_hex(32), str(uuid.uuid4()), f"mark-{number}"
    parent = f"/kubepods/{QOS[number % 3]}pod{uid}"
    name, namespace = f"pod-{number}", f"team-{number % 7}"
    bundle = f"{root}/tmp/bundles/{container}"
    os.makedirs(bundle)
    os.makedirs(f"{root}/var/log/pods/{namespace}_{name}_{uid}/main")
    with open(bundle + "/config.json", "w", encoding="utf-8") as file:
        json.dump({
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/",
                        "args": ["/bin/exec_storm", "20", "/bin/exit0", mark]},
            "root": {"path": "/tmp/rootfs", "readonly": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
            "linux": {"cgroupsPath": f"{parent}/{container}", "namespaces": [{"type": "pid"}, {"type": "mount"}]},
        }, file)
    # only the log folder names the container, and only as long as it is the pod's only one
    print(json.dumps({"mark": mark, "least": 40, "parent": parent,
                      "optional": ["container.runtime.name", "container.name", "k8s.container.name"],
                      "identity": {"container.id": container, "k8s.pod.uid": uid, "k8s.pod.name": name,
                                   "k8s.namespace.name": namespace, "k8s.container.name": "main"}}))
