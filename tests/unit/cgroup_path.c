/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus: cgroup paths as runtimes, systemd and liars make them, and what each must say. */
#include "identity/cgroup_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "tests/test.h"

#define C1 "5f3a1be0c7d94e2f8a6b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7"
#define C2 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define C3 "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
#define U1 "0d6a1c6e-3b1f-4c63-9d59-8a3f1f0f7b21"
#define U1_ "0d6a1c6e_3b1f_4c63_9d59_8a3f1f0f7b21"
#define U2 "ffffffff-0000-4000-8000-123456789abc"
#define U2_ "ffffffff_0000_4000_8000_123456789abc"
#define STATIC_UID "8b1d47e6a1b5c2fd3e4f506172839405"
#define BURST1 "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" U1_ ".slice"
#define BURST2 "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" U2_ ".slice"
#define POD1 "kubepods-burstable-pod" U1_ ".slice"
#define KIND_POD2 "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/" \
		  "kubelet-kubepods-besteffort-pod" U2_ ".slice"
#define USER "user.slice/user-1000.slice/user@1000.service"

struct wanted_units {
	const char *unit, *slice, *user_unit, *user_slice;
};

static const struct row {
	const char *path;
	const char *container, *runtime, *pod, *outer;
	unsigned depth;
	bool by_user, monitor, box, relative;
	struct wanted_units host, inside;
} corpus[] = {
#define HOST(...) .host = { __VA_ARGS__ }
#define INSIDE(...) .inside = { __VA_ARGS__ }
#define ROOT .slice = "-.slice"
	/* systemd alone */
	{ "/", HOST(ROOT) },
	{ "", HOST(ROOT) },
	{ "/init.scope", HOST(.unit = "init.scope", ROOT) },
	{ "/system.slice", HOST(.slice = "system.slice") },
	{ "/system.slice/", HOST(.slice = "system.slice") },
	{ "/-.slice/nginx.service", HOST(.unit = "nginx.service", ROOT) },
	{ "/system.slice/nginx.service", HOST(.unit = "nginx.service", .slice = "system.slice") },
	{ "system.slice/nginx.service", HOST(.unit = "nginx.service", .slice = "system.slice") },
	{ "//system.slice///nginx.service/", HOST(.unit = "nginx.service", .slice = "system.slice") },
	{ "/system.slice/nginx.service (deleted)", HOST(.unit = "nginx.service", .slice = "system.slice") },
	{ "/ (deleted)", HOST(ROOT) },
	{ "/system.slice/nginx.service/workers/1", HOST(.unit = "nginx.service", .slice = "system.slice") },
	{ "/system.slice/system-getty.slice/getty@tty1.service",
	  HOST(.unit = "getty@tty1.service", .slice = "system-getty.slice") },
	{ "/system.slice/getty@.service", HOST(.slice = "system.slice") },
	{ "/system.slice/@tty1.service", HOST(.slice = "system.slice") },
	{ "/system.slice/getty@tty6/tty5.service", HOST(.slice = "system.slice") },
	{ "/system.slice/getty####@tty6.service", HOST(.slice = "system.slice") },
	{ "/system.slice/a@b@c.service", HOST(.unit = "a@b@c.service", .slice = "system.slice") },
	{ "/system.slice/_cpu.service", HOST(.unit = "cpu.service", .slice = "system.slice") },
	{ "/system.slice/__x.service", HOST(.unit = "_x.service", .slice = "system.slice") },
	{ "/system.slice/_.hidden.mount", HOST(.unit = ".hidden.mount", .slice = "system.slice") },
	{ "/_cpu.slice/nginx.service", HOST(.unit = "nginx.service", .slice = "cpu.slice") },
	{ "/system.slice/.service", HOST(.slice = "system.slice") },
	{ "/system.slice/_.service", HOST(.slice = "system.slice") },
	{ "/system.slice/dev-disk-by\\x2dlabel.swap",
	  HOST(.unit = "dev-disk-by\\x2dlabel.swap", .slice = "system.slice") },
	{ "/system.slice/systemd-udevd.service/udev",
	  HOST(.unit = "systemd-udevd.service", .slice = "system.slice") },
	{ "/system.slice/run-docker-netns-" C1 ".mount",
	  HOST(.unit = "run-docker-netns-" C1 ".mount", .slice = "system.slice") },
	{ "/system.slice/foo.slice.d", HOST(.slice = "system.slice") },
	{ "/system.slice/a@b.slice/x.service", HOST(.slice = "system.slice") },
	{ "/dev-hugepages.mount", HOST(.unit = "dev-hugepages.mount", ROOT) },
	{ "/system.slice/x.conf", HOST(.slice = "system.slice") },
	{ "/nginx", HOST(ROOT) },
	/* users */
	{ "/user.slice/user-1000.slice/session-3.scope",
	  HOST("session-3.scope", "user-1000.slice", NULL, "-.slice") },
	{ "/user.slice/user-1000.slice/session-3.scope/app.slice/x.service",
	  HOST("session-3.scope", "user-1000.slice", "x.service", "app.slice") },
	{ "/user.slice/user-1000.slice/session-c2.scope",
	  HOST("session-c2.scope", "user-1000.slice", NULL, "-.slice") },
	{ "/user.slice/user-1000.slice/session-a_b.scope/x.service",
	  HOST("session-a_b.scope", "user-1000.slice") },
	{ "/" USER "/app.slice/foo.service", HOST("user@1000.service", "user-1000.slice", "foo.service", "app.slice") },
	{ "/" USER "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-" U1 ".scope",
	  HOST("user@1000.service", "user-1000.slice", "vte-spawn-" U1 ".scope", "app-org.gnome.Terminal.slice") },
	{ "/" USER "/init.scope", HOST("user@1000.service", "user-1000.slice", "init.scope", "-.slice") },
	{ "/" USER "/app.slice/_cpu.service", HOST("user@1000.service", "user-1000.slice", "cpu.service", "app.slice") },
	{ "/" USER "/foo/bar.service", HOST("user@1000.service", "user-1000.slice", NULL, "-.slice") },
	{ "/user.slice/user-1000.slice/user@.service/x.service", HOST(.slice = "user-1000.slice") },
	{ "/user.slice/user-1000.slice/user@root.service/x.service",
	  HOST(.unit = "user@root.service", .slice = "user-1000.slice") },
	{ "/system.slice/system-capsule.slice/capsule@box.service/app.slice/x.service",
	  HOST("capsule@box.service", "system-capsule.slice", "x.service", "app.slice") },
	/* Kubernetes, systemd driver */
	{ "/" BURST1 "/cri-containerd-" C1 ".scope", C1, "containerd", U1, HOST(.slice = POD1) },
	{ "/kubepods.slice/kubepods-pod" U1_ ".slice/cri-containerd-" C1 ".scope", C1, "containerd", U1,
	  HOST(.slice = "kubepods-pod" U1_ ".slice") },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" U1_ ".slice/crio-" C1 ".scope", C1,
	  "cri-o", U1, HOST(.slice = "kubepods-besteffort-pod" U1_ ".slice") },
	{ "/" BURST1 "/crio-" C1 ".scope/container", C1, "cri-o", U1, HOST(.slice = POD1) },
	{ "/" BURST1 "/docker-" C1 ".scope", C1, "docker", U1, HOST(.slice = POD1) },
	{ "/" BURST1 "/crio-conmon-" C1 ".scope", NULL, "cri-o", U1, .monitor = true, HOST(.slice = POD1) },
	{ "/" BURST1, .pod = U1, HOST(.slice = POD1) },
	{ "/" BURST1 "/foo.service", .pod = U1, HOST(.slice = POD1) },
	{ "/kubepods.slice", HOST(.slice = "kubepods.slice") },
	{ "/kubepods.slice/kubepods-burstable.slice", HOST(.slice = "kubepods-burstable.slice") },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID ".slice/cri-containerd-" C1 ".scope",
	  C1, "containerd", STATIC_UID, HOST(.slice = "kubepods-burstable-pod" STATIC_UID ".slice") },
	{ "/" BURST1 "/cri-containerd-" C1 ".scope (deleted)", C1, "containerd", U1, HOST(.slice = POD1) },
	{ "/system.slice/crio-conmon-" C1 ".scope", NULL, "cri-o", .monitor = true,
	  HOST(.unit = "crio-conmon-" C1 ".scope", .slice = "system.slice") },
	{ "/" BURST1 "/kata_" C1, C1, NULL, U1, HOST(.slice = POD1) },
	/* Kubernetes, cgroupfs driver */
	{ "/kubepods/burstable/pod" U1 "/" C1, C1, NULL, U1, HOST(ROOT) },
	{ "/kubepods/besteffort/pod" U1 "/" C1 "/", C1, NULL, U1, HOST(ROOT) },
	{ "/kubepods/pod" U1 "/" C1, C1, NULL, U1, HOST(ROOT) },
	{ "/kubepods/pod" STATIC_UID "/" C1, C1, NULL, STATIC_UID, HOST(ROOT) },
	{ "/kubepods/burstable/pod" U1 "/crio-" C1, C1, "cri-o", U1, HOST(ROOT) },
	{ "/kubepods/burstable/pod" U1 "/crio-conmon-" C1, NULL, "cri-o", U1, .monitor = true, HOST(ROOT) },
	{ "/kubepods/burstable/pod" U1, .pod = U1, HOST(ROOT) },
	{ "/kubepods/burstable", HOST(ROOT) },
	{ "/kubepods", HOST(ROOT) },
	{ "/kata_overhead/kubepods/besteffort/pod" U1 "/" C1, C1, NULL, U1, HOST(ROOT) },
	{ "/minikube/kubepods/burstable/pod" U1 "/" C1, C1, NULL, U1, HOST(ROOT) },
	/* an address for systemd in a runtime without systemd */
	{ "/kubepods-besteffort-pod" U1_ ".slice:cri-containerd:" C1, C1, "containerd", U1, HOST(ROOT) },
	{ "/system.slice/containerd.service/kubepods-besteffort-pod" U1_ ".slice:cri-containerd:" C1, C1,
	  "containerd", U1, HOST(.slice = "system.slice") },
	{ "/system.slice/containerd.service/kubepods-pod" STATIC_UID ".slice:cri-containerd:" C1, C1, "containerd",
	  STATIC_UID, HOST(.slice = "system.slice") },
	{ "/system.slice:docker:" C1, C1, "docker", HOST(ROOT) },
	{ "/system.slice/docker.service/system.slice:docker:" C1 "/x.service", C1, "docker",
	  HOST(.slice = "system.slice"), INSIDE(.unit = "x.service", ROOT) },
	{ "/kubepods-pod" U1_ ".slice:crio-conmon:" C1, NULL, "cri-o", U1, .monitor = true, HOST(ROOT) },
	{ "/kubepods-pod" U1_ ".slice:cri-containerd:abc", HOST(ROOT) },
	{ "/a:b:" C1, HOST(ROOT) },
	{ "/system.slice:" C1, HOST(ROOT) },
	/* plain containers */
	{ "/docker/" C1, C1, "docker", HOST(ROOT) },
	{ "/system.slice/docker-" C1 ".scope", C1, "docker", HOST(.slice = "system.slice") },
	{ "/docker/buildkit/k3x9qz1w0v8u7t6s5r4q3p2o1", HOST(ROOT) },
	{ "/docker/buildkit/" C1, C1, HOST(ROOT) },
	{ "/actions_job/" C1, C1, HOST(ROOT) },
	{ "/ecs/0123456789abcdef0123456789abcdef/" C1, C1, HOST(ROOT) },
	{ "/ecstasks.slice/ecstasks-0123456789abcdef0123456789abcdef.slice/docker-" C1 ".scope", C1, "docker",
	  HOST(.slice = "ecstasks-0123456789abcdef0123456789abcdef.slice") },
	{ "/k8s.io/" C1, C1, "containerd", HOST(ROOT) },
	{ "/default/" C1, C1, HOST(ROOT) },
	{ "/system.slice/nerdctl-" C1 ".scope", C1, "containerd", HOST(.slice = "system.slice") },
	{ "/machine.slice/libpod-" C1 ".scope", C1, "podman", HOST(.slice = "machine.slice") },
	{ "/machine.slice/libpod-" C1 ".scope/container", C1, "podman", HOST(.slice = "machine.slice") },
	{ "/machine.slice/machine-libpod_pod_" C2 ".slice/libpod-" C1 ".scope/container", C1, "podman",
	  HOST(.slice = "machine-libpod_pod_" C2 ".slice") },
	{ "/machine.slice/libpod-conmon-" C1 ".scope", NULL, "podman", .monitor = true,
	  HOST(.unit = "libpod-conmon-" C1 ".scope", .slice = "machine.slice") },
	{ "/libpod_parent/libpod-" C1, C1, "podman", HOST(ROOT) },
	{ "/libpod_parent/" C2 "/libpod-" C1, C1, "podman", HOST(ROOT) },
	{ "/libpod_parent/conmon", .monitor = true, HOST(ROOT) },
	{ "/libpod_parent/libpod-conmon-" C1, NULL, "podman", .monitor = true, HOST(ROOT) },
	{ "/system.slice/web.service/libpod-payload-" C1, C1, "podman",
	  HOST(.unit = "web.service", .slice = "system.slice") },
	{ "/QM.slice/qm.service/libpod-payload-" C1 "/system.slice/dbus-broker.service", C1, "podman",
	  HOST(.unit = "qm.service", .slice = "QM.slice"), INSIDE(.unit = "dbus-broker.service", .slice = "system.slice") },
	{ "/system.slice/web.service/runtime", HOST(.unit = "web.service", .slice = "system.slice") },
	{ "/" USER "/user.slice/libpod-" C1 ".scope/container", C1, "podman", .by_user = true,
	  HOST("user@1000.service", "user-1000.slice", NULL, "user.slice") },
	{ "/" USER "/app.slice/web.service/libpod-payload-" C1, C1, "podman", .by_user = true,
	  HOST("user@1000.service", "user-1000.slice", "web.service", "app.slice") },
	{ "/" USER "/user.slice/libpod-conmon-" C1 ".scope", NULL, "podman", .monitor = true, .by_user = true,
	  HOST("user@1000.service", "user-1000.slice", "libpod-conmon-" C1 ".scope", "user.slice") },
	{ "/" USER "/k3s-rootless.service/kubepods/burstable/pod" U1 "/" C1, C1, NULL, U1, .by_user = true,
	  HOST("user@1000.service", "user-1000.slice", "k3s-rootless.service", "-.slice") },
	/* containers without an id of 64 digits */
	{ "/lxc/web1", .box = true, HOST(ROOT) },
	{ "/lxc/web1/system.slice/ssh.service", .box = true, HOST(ROOT), INSIDE("ssh.service", "system.slice") },
	{ "/lxc.payload.web1/system.slice/ssh.service", .box = true, HOST(ROOT), INSIDE("ssh.service", "system.slice") },
	{ "/lxc.payload/web1/init.scope", .box = true, HOST(ROOT), INSIDE("init.scope", "-.slice") },
	{ "/lxc.monitor.web1", HOST(ROOT) },
	{ "/user.slice/user-1000.slice/session-1.scope/lxc.payload.web1/system.slice/ssh.service", .box = true,
	  .by_user = true, HOST("session-1.scope", "user-1000.slice", NULL, "-.slice"),
	  INSIDE("ssh.service", "system.slice") },
	{ "/lxc/101/ns/kubepods/burstable/pod" U1 "/" C1, C1, NULL, U1, .depth = 1, HOST(ROOT) },
	{ "/lxc/101/docker/" C1, .box = true, HOST(ROOT) },
	{ "/garden/8f2e1c04-9d3a/x.service", .box = true, HOST(ROOT), INSIDE("x.service", "-.slice") },
	{ "/machine.slice/systemd-nspawn@deb.service/payload/system.slice/ssh.service",
	  HOST("systemd-nspawn@deb.service", "machine.slice") },
	/* a systemd in a box, a systemd in a container */
	{ "/node0/system.slice/foo.service", HOST("foo.service", "system.slice") },
	{ "/a/b/init.scope", HOST("init.scope", "-.slice") },
	{ "/node0/foo.slice/bar", HOST(.slice = "foo.slice") },
	{ "/docker/" C1 "/init.scope", C1, "docker", HOST(ROOT), INSIDE("init.scope", "-.slice") },
	{ "/docker/" C1 "/system.slice/kubelet.service", C1, "docker", HOST(ROOT),
	  INSIDE("kubelet.service", "system.slice") },
	{ "/machine.slice/libpod-" C1 ".scope/container/system.slice/ssh.service", C1, "podman",
	  HOST(.slice = "machine.slice"), INSIDE("ssh.service", "system.slice") },
	{ "/" BURST1 "/cri-containerd-" C1 ".scope/system.slice/sshd.service", C1, "containerd", U1,
	  HOST(.slice = POD1), INSIDE("sshd.service", "system.slice") },
	/* a runtime's early stages */
	{ "/system.slice/containerd.service", HOST("containerd.service", "system.slice") },
	{ "/system.slice/containerd.service/tmp", HOST("containerd.service", "system.slice") },
	{ "/system.slice/k3s.service", HOST("k3s.service", "system.slice") },
	{ "/podruntime/runtime", HOST(ROOT) },
	/* kind: the node is a plain container */
	{ "/docker/" C3 "/kubelet/kubepods/burstable/pod" U2 "/" C2, C2, NULL, U2, C3, 1, HOST(ROOT) },
	{ "/system.slice/docker-" C3 ".scope/" KIND_POD2 "/cri-containerd-" C2 ".scope", C2, "containerd", U2, C3, 1,
	  HOST(.slice = "system.slice") },
	{ "/docker/" C3 "/" KIND_POD2 "/cri-containerd-" C2 ".scope/init.scope", C2, "containerd", U2, C3, 1, HOST(ROOT),
	  INSIDE("init.scope", "-.slice") },
	{ "/" USER "/user.slice/libpod-" C3 ".scope/container/" KIND_POD2 "/cri-containerd-" C2 ".scope", C2,
	  "containerd", U2, C3, 1, .by_user = true, HOST("user@1000.service", "user-1000.slice", NULL, "user.slice") },
	{ "/docker/" C3 "/" KIND_POD2, C3, "docker", HOST(ROOT),
	  INSIDE(.slice = "kubelet-kubepods-besteffort-pod" U2_ ".slice") },
	{ "/docker/" C3 "/docker/" C1 "/" KIND_POD2 "/cri-containerd-" C2 ".scope", C2, "containerd", U2, C3, 2,
	  HOST(ROOT) },
	{ "/docker/" C3 "/kubelet/kubepods/pod" U2 "/" C2 "/" BURST1 "/cri-containerd-" C1 ".scope", C2, NULL, U2, C3, 1,
	  HOST(ROOT), INSIDE(.slice = POD1) },
	{ "/docker/" C3 "/kubepods-besteffort-pod" U2_ ".slice:cri-containerd:" C2, C2, "containerd", U2, C3, 1,
	  HOST(ROOT) },
	{ "/docker/" C3 "/docker/" C1, C3, "docker", HOST(ROOT) },
	{ "/docker/" C3 "/system.slice/docker-" C1 ".scope/x.service", C3, "docker", HOST(ROOT),
	  INSIDE(.slice = "system.slice") },
	/* liars: a container that makes cgroups below its own */
	{ "/" BURST1 "/cri-containerd-" C1 ".scope/" BURST2 "/cri-containerd-" C2 ".scope", C1, "containerd", U1,
	  HOST(.slice = POD1), INSIDE(.slice = "kubepods-burstable-pod" U2_ ".slice") },
	{ "/kubepods/burstable/pod" U1 "/" C1 "/kubepods/burstable/pod" U2 "/" C2, C1, NULL, U1, HOST(ROOT) },
	{ "/kubepods/burstable/pod" U1 "/" C1 "/pod" U2, C1, NULL, U1, HOST(ROOT) },
	{ "/" BURST1 "/cri-containerd-" C1 ".scope/cri-containerd-" C2 ".scope", C1, "containerd", U1, HOST(.slice = POD1) },
	{ "/" BURST1 "/cri-containerd-" C1 ".scope/crio-conmon-" C2 ".scope", C1, "containerd", U1, HOST(.slice = POD1) },
	{ "/" BURST1 "/" POD1 "/kubepods-pod" U2_ ".slice/cri-containerd-" C1 ".scope", C1, "containerd", U1,
	  HOST(.slice = "kubepods-pod" U2_ ".slice") },
	{ "/docker/" C3 "/pod" U2 "/" C2, C3, "docker", HOST(ROOT) },
	{ "/docker/" C3 "/kubepods/x/pod" U2 "/" C2, C3, "docker", HOST(ROOT) },
	{ "/docker/" C3 "/kubepods/pod" U2 "/x/" C2, C3, "docker", HOST(ROOT) },
	{ "/docker/" C3 "/kubepods/pod" U2 "/crio-conmon-" C1 "/" C2, C3, "docker", HOST(ROOT) },
	{ "/docker/" C3 "/kubepods-pod" U2_ ".slice/cri-containerd-" C2 ".scope", C3, "docker", HOST(ROOT),
	  INSIDE(.slice = "kubepods-pod" U2_ ".slice") },
	{ "/docker/" C3 "/container/foo/bar", C3, "docker", HOST(ROOT) },
	{ "/" USER "/docker-" C1 ".scope", C1, "docker", .by_user = true,
	  HOST("user@1000.service", "user-1000.slice", NULL, "-.slice") },
	{ "/" USER "/" BURST1 "/cri-containerd-" C1 ".scope", C1, "containerd", U1, .by_user = true,
	  HOST("user@1000.service", "user-1000.slice", NULL, POD1) },
	/* nearly right */
	{ "/docker/5F3A1BE0C7D94E2F8A6B0C1D2E3F405162738495A6B7C8D9E0F1A2B3C4D5E6F7", HOST(ROOT) },
	{ "/docker/" C1 "0", HOST(ROOT) },
	{ "/system.slice/docker-" C1 "0.scope",
	  HOST("docker-" C1 "0.scope", "system.slice") },
	{ "/docker/5f3a1be0c7d94e2f8a6b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f", HOST(ROOT) },
	{ "/docker/5g3a1be0c7d94e2f8a6b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7", HOST(ROOT) },
	{ "/system.slice/evil-" C1 ".scope", HOST("evil-" C1 ".scope", "system.slice") },
	{ "/system.slice/docker-.scope", HOST("docker-.scope", "system.slice") },
	{ "/kubepods/burstable/pod0D6A1C6E-3B1F-4C63-9D59-8A3F1F0F7B21/" C1, C1, HOST(ROOT) },
	{ "/kubepods/burstable/pod" U1_ "/" C1, C1, HOST(ROOT) },
	{ "/kubepods/burstable/pod" U1 "0/" C1, C1, HOST(ROOT) },
	{ "/kubepods/burstable/pod/" C1, C1, HOST(ROOT) },
	{ "/kubepods/podcast/" C1, C1, HOST(ROOT) },
	{ "/pod" U1 "/" C1, C1, HOST(ROOT) },
	{ "/foo/pod" U1 "/" C1, C1, HOST(ROOT) },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" U1 ".slice/cri-containerd-" C1 ".scope", C1,
	  "containerd", HOST(.slice = "kubepods-burstable-pod" U1 ".slice") },
	{ "/notkubepods.slice/notkubepods-pod" U1_ ".slice/cri-containerd-" C1 ".scope", C1, "containerd",
	  HOST(.slice = "notkubepods-pod" U1_ ".slice") },
	{ "/kubepodsx/pod" U1 "/" C1, C1, HOST(ROOT) },
	/* other cgroup namespaces, and what no kernel writes */
	{ "/..", .relative = true },
	{ "/../..", .relative = true },
	{ "/../../x", .relative = true },
	{ "/../cri-containerd-" C1 ".scope", C1, "containerd", .relative = true },
	{ "/../../" POD1 "/cri-containerd-" C1 ".scope", C1, "containerd", U1, .relative = true, HOST(.slice = POD1) },
	{ "/../system.slice/x.service", .relative = true, HOST("x.service", "system.slice") },
	{ .path = "/system.slice/../docker/" C1 },
	{ .path = "/docker/" C1 "/.." },
	{ .path = "/./docker/" C1 },
	{ .path = "/../a/../docker/" C1 },
	{ "/docker/" C1 "/...", C1, "docker", HOST(ROOT) },
	/* bytes */
	{ "/system.slice/\xff\xfe.service", HOST(.slice = "system.slice") },
	{ "/\xc3\xa4.slice/x.service", HOST("x.service", "-.slice") },
	{ "/system.slice/a b.service", HOST(.slice = "system.slice") },
	{ "/system.slice/a\nb.service", HOST(.slice = "system.slice") },
	{ "/docker/" C1 "/\x80\x81", C1, "docker", HOST(ROOT) },
};

static void check_bytes(const char *path, const char *what, struct bytes got, const char *wanted)
{
	if (!wanted)
		wanted = "";
	CHECK(got.length == strlen(wanted) && !memcmp(got.data ? got.data : "", wanted, got.length),
	      "%s: %s is \"%.*s\", not \"%s\"", path, what, (int)got.length, got.data ? got.data : "", wanted);
}

static void check_units(const char *path, const char *whose, const struct unit_path *got,
			const struct wanted_units *wanted)
{
	const struct {
		const char *what;
		struct bytes got;
		const char *wanted;
	} all[] = {
		{ "unit", got->unit, wanted->unit },
		{ "slice", got->slice, wanted->slice },
		{ "user unit", got->user_unit, wanted->user_unit },
		{ "user slice", got->user_slice, wanted->user_slice },
	};
	char what[32];

	for (unsigned i = 0; i < COUNT_OF(all); i++) {
		snprintf(what, sizeof(what), "%s %s", whose, all[i].what);
		check_bytes(path, what, all[i].got, all[i].wanted);
	}
}

static void check_row(const struct row *row, const struct cgroup_path *got)
{
	const char *runtime = got->container_runtime ? got->container_runtime : "none";

	check_bytes(row->path, "container", got->container_id, row->container);
	check_bytes(row->path, "outer", got->outer_container_id, row->outer);
	CHECK(!strcmp(runtime, row->runtime ? row->runtime : "none"), "%s: runtime %s", row->path, runtime);
	CHECK(!strcmp(got->pod_uid, row->pod ? row->pod : ""), "%s: pod \"%s\"", row->path, got->pod_uid);
	CHECK(got->depth == row->depth, "%s: depth %u", row->path, got->depth);
	CHECK(got->by_user == row->by_user, "%s: by_user %d", row->path, got->by_user);
	CHECK(got->monitor == row->monitor, "%s: monitor %d", row->path, got->monitor);
	CHECK(got->box == row->box, "%s: box %d", row->path, got->box);
	CHECK(got->relative == row->relative, "%s: relative %d", row->path, got->relative);
	check_units(row->path, "host", &got->host, &row->host);
	check_units(row->path, "inside", &got->inside, &row->inside);
}

TEST(unit, cgroup_path_corpus)
{
	CHECK(COUNT_OF(corpus) >= 80, "only %zu paths", COUNT_OF(corpus));
	for (unsigned i = 0; i < COUNT_OF(corpus); i++) {
		size_t n = strlen(corpus[i].path);
		char *path = malloc(n ? n : 1); /* no NUL behind it */
		struct cgroup_path got;

		REQUIRE(path, "no memory");
		memcpy(path, corpus[i].path, n);
		memset(&got, 0xa5, sizeof(got));
		cgroup_path_parse(path, n, &got);
		check_row(&corpus[i], &got);
		free(path);
	}
}

/* Who does not believe in nodes gets the outermost container, and else the same. */
TEST(unit, cgroup_path_outermost)
{
	unsigned nested = 0;

	for (unsigned i = 0; i < COUNT_OF(corpus); i++) {
		const struct row *row = &corpus[i];
		size_t n = strlen(row->path);
		struct cgroup_path got;

		cgroup_path_parse_outermost(row->path, n, &got);
		if (!row->depth) {
			check_row(row, &got);
			continue;
		}
		nested++;
		check_bytes(row->path, "container", got.container_id, row->outer);
		CHECK(!got.depth && !*got.pod_uid && !got.outer_container_id.length, "%s: still nested", row->path);
		CHECK(got.box == !row->outer, "%s: box %d", row->path, got.box);
		check_units(row->path, "host", &got.host, &row->host);
	}
	CHECK(nested >= 5, "only %u nested paths", nested);
}

/* A prefix that is neither slice nor unit changes nothing, unless the path is a relative or odd one. */
TEST(unit, cgroup_path_any_prefix)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < COUNT_OF(corpus); i++) {
		struct row row = corpus[i];
		struct cgroup_path got;
		char path[1024];

		if (row.relative || !row.host.slice || row.path[0] != '/')
			continue;
		snprintf(path, sizeof(path), "/kubelet/node 7%s", row.path);
		row.path = path;
		cgroup_path_parse(path, strlen(path), &got);
		check_row(&row, &got);
		seen++;
	}
	CHECK(seen > 80, "only %u paths", seen);
}

static void fill_path(char *path, size_t n, const char *piece)
{
	for (size_t i = 0, length = strlen(piece); i < n; i++)
		path[i] = piece[i % length];
}

TEST(unit, cgroup_path_4096_bytes)
{
	static const char tail[] = "/docker/" C1;
	static char path[4096];
	struct cgroup_path got;

	fill_path(path, sizeof(path), "/a");
	memcpy(path + sizeof(path) - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	cgroup_path_parse(path, sizeof(path), &got);
	check_bytes("/a/a...", "container", got.container_id, C1);
	CHECK(got.container_id.data + got.container_id.length == path + sizeof(path), "not at the end");

	fill_path(path, sizeof(path), "a");
	memcpy(path + sizeof(path) - 8, ".service", 8);
	cgroup_path_parse(path, sizeof(path), &got);
	CHECK(!got.host.unit.length, "a unit of 4096 bytes");

	fill_path(path, sizeof(path), "/kubepods-pod" U1_ ".slice");
	cgroup_path_parse(path, sizeof(path), &got);
	CHECK(!strcmp(got.pod_uid, U1), "pod \"%s\" among many", got.pod_uid);

	fill_path(path, sizeof(path), "/../kubepods");
	cgroup_path_parse(path, sizeof(path), &got);
	CHECK(!got.host.slice.length && !got.relative, "many dots say something");
}

TEST(unit, cgroup_path_unit_length)
{
	char path[300] = "/system.slice/";
	struct cgroup_path got;

	for (unsigned length = 250; length < 260; length++) {
		memset(path + 14, 'u', length - 8);
		memcpy(path + 14 + length - 8, ".service", 8);
		cgroup_path_parse(path, 14 + length, &got);
		CHECK(got.host.unit.length == (length <= 255 ? length : 0), "%u bytes: %zu", length,
		      got.host.unit.length);
	}
}

TEST(unit, cgroup_path_nul_bytes)
{
	static const char path[] = "/system.slice/a\0b.service", container[] = "/docker/" C1 "\0";
	struct cgroup_path got;

	cgroup_path_parse(path, sizeof(path) - 1, &got);
	CHECK(!got.host.unit.length, "a unit with a NUL in it");
	cgroup_path_parse(container, sizeof(container) - 1, &got);
	CHECK(!got.container_id.length, "an id with a NUL behind it");
	cgroup_path_parse(NULL, 0, &got);
	CHECK(got.host.slice.data == UNIT_ROOT_SLICE, "no path");
}
