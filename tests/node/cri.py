#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cri.py ROOT VERB ARGUMENT...: makes pods as a kubelet does, through containerd's CRI on the node of that root.

  pod NAMESPACE/NAME UID CGROUP-PARENT CONTAINER=COMMAND...
                    makes and starts it; COMMAND is for sh -c; after '!' the container has the node's cgroups
                    in /cgroups and may write there. A line for judge.py per container, the sandbox's first: what the
                    runtime says of it
  exec ID COMMAND...           runs a command in a container; its output, its status
  remove SANDBOX...            ends pods
  churn PODS CONTAINERS PARENT so many pods at once, below PARENT with their uid for U_I_D; in each so many
                    containers one after the other; each runs exec_storm, whose processes have the
                    container's mark for an argument; all are removed. Lines as of pod, with "mark"
"""
import concurrent.futures
import json
import os
import sys
import time
import uuid

import grpc

import cri_pb2 as cri

IMAGE = "tapio.test/tools:1"
PAUSE = "tapio.test/pause:1"
EXITED = 2
root = sys.argv[1]
channel = grpc.insecure_channel("unix://" + root + "/run/containerd/containerd.sock")


def call(method, request, answer=cri.Empty):
    rpc = channel.unary_unary("/runtime.v1.RuntimeService/" + method,
                              request_serializer=lambda message: message.SerializeToString(),
                              response_deserializer=answer.FromString)
    return rpc(request, timeout=60)


def pod_config(namespace, name, uid, parent):
    config = cri.PodSandboxConfig(hostname=name, log_directory=f"/var/log/pods/{namespace}_{name}_{uid}")
    config.metadata.name, config.metadata.namespace, config.metadata.uid = name, namespace, uid
    config.labels.update({"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace,
                          "io.kubernetes.pod.uid": uid})
    config.annotations["kubernetes.io/config.source"] = "api"
    config.linux.cgroup_parent = parent
    config.linux.security_context.namespace_options.pid = 1
    os.makedirs(root + config.log_directory)
    return config


def container_config(pod, name, command, cgroups=False):
    config = cri.ContainerConfig(command=command, log_path=name + "/0.log")
    config.metadata.name = name
    config.image.image = IMAGE
    config.labels.update(pod.labels)
    config.labels["io.kubernetes.container.name"] = name
    config.annotations["io.kubernetes.container.restartCount"] = "0"
    config.linux.resources.cpu_shares = 102
    config.linux.resources.oom_score_adj = 997
    config.linux.security_context.namespace_options.pid = 1
    if cgroups:
        config.mounts.add(container_path="/cgroups", host_path="/sys/fs/cgroup")
    os.makedirs(f"{root}{pod.log_directory}/{name}")
    return config


def first_process(info):
    return json.loads(info["info"])["pid"]


def cgroup_of(pid):
    """Its path and number in version 2, as the machine sees them."""
    with open(f"{root}/proc/{pid}/cgroup", encoding="ascii") as file:
        path = next(line[3:].rstrip() for line in file if line.startswith("0::"))
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        mount = next(line.split()[4] for line in file if " - cgroup2 " in line and line.split()[3] == "/")
    return {"cgroup": path, "id": os.stat(mount + path).st_ino}


def say(pod, container, where, name=None):
    told = {"container.id": container, "container.runtime.name": "containerd", "k8s.pod.uid": pod.metadata.uid,
            "k8s.pod.name": pod.metadata.name, "k8s.namespace.name": pod.metadata.namespace}
    if name:
        told["k8s.container.name"] = told["container.name"] = name
        told["container.image.name"] = IMAGE
    # containerd before 1.7 does not write down the sandbox's image
    told.setdefault("container.image.name", PAUSE)
    print(json.dumps({**where, "identity": told, "optional": [] if name else ["container.image.name"]}), flush=True)


def run_sandbox(config):
    answer = call("RunPodSandbox", cri.RunPodSandboxRequest(config=config), cri.RunPodSandboxResponse)
    sandbox = answer.pod_sandbox_id
    status = call("PodSandboxStatus", cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox, verbose=True),
                  cri.PodSandboxStatusResponse)
    say(config, sandbox, cgroup_of(first_process(status.info)))
    return sandbox


def create(sandbox, pod, container):
    return call("CreateContainer", cri.CreateContainerRequest(pod_sandbox_id=sandbox, config=container,
                                                              sandbox_config=pod),
                cri.CreateContainerResponse).container_id


def start(container):
    call("StartContainer", cri.StartContainerRequest(container_id=container))


def wait_for_end(container):
    while call("ContainerStatus", cri.ContainerStatusRequest(container_id=container),
               cri.ContainerStatusResponse).status.state != EXITED:
        time.sleep(0.02)


def pod_verb(where, uid, parent, *containers):
    wanted = [container.split("=", 1) for container in containers]
    config = pod_config(*where.split("/"), uid, parent)
    sandbox = run_sandbox(config)
    for name, command in wanted:
        shell = ["/bin/sh", "-c", command.lstrip("!")]
        container = create(sandbox, config, container_config(config, name, shell, command[0] == "!"))
        start(container)
        status = call("ContainerStatus", cri.ContainerStatusRequest(container_id=container, verbose=True),
                      cri.ContainerStatusResponse)
        say(config, container, cgroup_of(first_process(status.info)), name)


def exec_verb(container, *command):
    answer = call("ExecSync", cri.ExecSyncRequest(container_id=container, cmd=command, timeout=30),
                  cri.ExecSyncResponse)
    sys.stdout.buffer.write(answer.stdout)
    sys.stderr.buffer.write(answer.stderr)
    return answer.exit_code


def remove(sandbox):
    # containerd may say no while a container of the pod is just ending: a kubelet asks again, too
    for tries_left in range(9, -1, -1):
        try:
            call("StopPodSandbox", cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))
            break
        except grpc.RpcError:
            if not tries_left:
                raise
            time.sleep(0.2)
    call("RemovePodSandbox", cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox))


def remove_verb(*sandboxes):
    for sandbox in sandboxes:
        remove(sandbox)


def churn_pod(number, containers, parent):
    uid = str(uuid.uuid4())
    config = pod_config("churn", f"pod-{number}", uid, parent.replace("U_I_D", uid.replace("-", "_")))
    sandbox = run_sandbox(config)
    for index in range(containers):
        mark = f"mark-{number}-{index}"
        name = f"c{index}"
        command = ["/bin/exec_storm", "20", "/bin/exit0", mark]
        container = create(sandbox, config, container_config(config, name, command))
        start(container)
        say(config, container, {"mark": mark}, name)
        wait_for_end(container)
    remove(sandbox)


def churn_verb(pods, containers, parent):
    with concurrent.futures.ThreadPoolExecutor(int(pods)) as pool:
        list(pool.map(lambda number: churn_pod(number, int(containers), parent), range(int(pods))))


def main(verb, *arguments):
    verbs = {"pod": pod_verb, "exec": exec_verb, "remove": remove_verb, "churn": churn_verb}
    try:
        return verbs[verb](*arguments)
    except grpc.RpcError as error:
        return f"cri.py: {verb}: {error.code().name}: {error.details()}"


if len(sys.argv) < 4:
    sys.exit(__doc__)
sys.exit(main(*sys.argv[2:]))
