/* SPDX-License-Identifier: Apache-2.0 */
/* Names from the state that each runtime, kubelet and libcni keep on disk. */
#include "tests/unit/workload.h"

#include <errno.h>
#include <stdio.h>
#include "tests/test.h"

#define CRI(key) "\"io.kubernetes.cri." key "\":"
#define CRIO(key) "\"io.kubernetes.cri-o." key "\":"
#define IMAGE "registry.k8s.io/web:1.2@sha256:" ID2

static void put_cri_container(const char *path)
{
	host_put(path, "{\"ociVersion\":\"1.0.2\",\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_CORE\","
		       "\"hard\":18446744073709551615}],\"env\":[\"A=\\u00e4,[{\"]},\"annotations\":{" CRI(
			       "container-type") "\"container\"," CRI("container-name") "\"web\"," CRI(
			       "image-name") "\"" IMAGE "\"," CRI("sandbox-id") "\"" ID2 "\"," CRI(
			       "sandbox-name") "\"shop-7d4b9\"," CRI("sandbox-namespace") "\"prod\"," CRI(
			       "sandbox-uid") "\"" UID1 "\"}}");
}

TEST(unit, workload_containerd)
{
	const struct wanted_workload wanted = { "containerd", "web", IMAGE, UID1, "shop-7d4b9", "prod", "web", false };

	_cleanup_host_ int host = host_begin();
	HOST_CHECK("an empty host", ID1, UID1, -ENOENT, .uid = UID1);
	put_cri_container(CONTAINERD "k8s.io/" ID1 "/config.json");
	host_check("in a pod", ID1, UID1, 0, &wanted);
	host_check("by a path without a pod", ID1, NULL, 0, &wanted);
	HOST_CHECK("another container", ID2, NULL, -ENOENT);
}

TEST(unit, workload_containerd_places)
{
	static const char *const places[] = {
		"run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" ID1 "/config.json",
		"run/k0s/containerd/io.containerd.runtime.v2.task/k8s.io/" ID1 "/config.json",
		"var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID1 "/config.json",
		"run/containerd/io.containerd.runtime.v1.linux/k8s.io/" ID1 "/config.json",
	};
	const struct wanted_workload wanted = { "containerd", "web", IMAGE, UID1, "shop-7d4b9", "prod", "web", false };

	_cleanup_host_ int host = host_begin();
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		put_cri_container(places[i]);
		host_check(places[i], ID1, UID1, 0, &wanted);
		remove(host_path(places[i]));
		HOST_CHECK(places[i], ID1, UID1, -ENOENT, .uid = UID1);
	}
}

/* containerd before 1.6.11 */
TEST(unit, workload_containerd_follows_the_sandbox)
{
	_cleanup_host_ int host = host_begin();
	host_put(CONTAINERD "k8s.io/" ID1 "/config.json",
		 "{\"annotations\":{" CRI("container-type") "\"container\"," CRI("container-name") "\"web\"," CRI(
			 "sandbox-id") "\"" ID2 "\"}}");
	HOST_CHECK("without its sandbox", ID1, UID1, 0,
		   .runtime = "containerd", .name = "web", .uid = UID1, .container = "web");
	host_put(CONTAINERD "k8s.io/" ID2 "/config.json",
		 "{\"annotations\":{" CRI("container-type") "\"sandbox\"," CRI("sandbox-id") "\"" ID2 "\"," CRI(
			 "sandbox-name") "\"shop\"," CRI("sandbox-namespace") "\"prod\"," CRI("image-name") "\"pause:3\"}}");
	HOST_CHECK("without a uid on disk", ID1, UID2, 0,
		   .runtime = "containerd", .name = "web", .uid = UID2, .pod = "shop", .namespace = "prod", .container = "web");
	HOST_CHECK("with its sandbox", ID1, UID1, 0,
		   .runtime = "containerd", .name = "web", .uid = UID1, .pod = "shop", .namespace = "prod", .container = "web");
	HOST_CHECK("the sandbox", ID2, UID1, 0,
		   .runtime = "containerd", .image = "pause:3", .uid = UID1, .pod = "shop", .namespace = "prod", .sandbox = true);
}

TEST(unit, workload_containerd_namespaces)
{
	_cleanup_host_ int host = host_begin();
	host_put(CONTAINERD "default/" ID1 "/config.json",
		 "{\"annotations\":{\"nerdctl/name\":\"db_1\",\"nerdctl/namespace\":\"default\"}}");
	HOST_CHECK("nerdctl", ID1, NULL, 0, .runtime = "containerd", .name = "db_1");
	host_put(CONTAINERD "team-7/" ID2 "/config.json",
		 "{\"annotations\":{\"nerdctl/name\":\"own\"," CRI("sandbox-name") "\"shop\"," CRI(
			 "sandbox-namespace") "\"prod\"," CRI("sandbox-uid") "\"" UID1 "\"}}");
	HOST_CHECK("a namespace of one's own, and a lie", ID2, NULL, 0,
		   .runtime = "containerd", .name = "own");
	host_put(CONTAINERD "team-7/" ID2 "/config.json", "{\"ociVersion\":\"1.1.0\"}");
	HOST_CHECK("a container without a name", ID2, NULL, -ENOENT, .runtime = "containerd");
}

TEST(unit, workload_containerd_passes_what_is_no_bundle)
{
	_cleanup_host_ int host = host_begin();
	host_put(CONTAINERD "a-file", "x");
	host_put(CONTAINERD "a-folder/" ID1 "/log.json", "x");
	host_put(CONTAINERD "z/" ID1 "/config.json", "{\"annotations\":{\"nerdctl/name\":\"db\"}}");
	HOST_CHECK("behind other things", ID1, NULL, 0, .runtime = "containerd", .name = "db");
}

TEST(unit, workload_containerd_sandbox_of_another_pod)
{
	_cleanup_host_ int host = host_begin();
	host_put(CONTAINERD "k8s.io/" ID1 "/config.json",
		 "{\"annotations\":{" CRI("container-name") "\"web\"," CRI("sandbox-id") "\"" ID2 "\"}}");
	host_put(CONTAINERD "k8s.io/" ID2 "/config.json",
		 "{\"annotations\":{" CRI("sandbox-name") "\"shop\"," CRI("sandbox-namespace") "\"prod\"," CRI(
			 "sandbox-uid") "\"" UID1 "\"}}");
	HOST_CHECK("distrusted", ID1, UID2, -ESTALE,
		   .runtime = "containerd", .name = "web", .uid = UID2, .container = "web");
}

#define CRIO_POD                                                                                   \
	"\"io.container.manager\":\"cri-o\",\"io.kubernetes.pod.name\":\"shop\","                  \
	"\"io.kubernetes.pod.namespace\":\"prod\",\"io.kubernetes.pod.uid\":\"" UID1 "\"," CRIO("SandboxID") "\"" ID2 "\""

TEST(unit, workload_crio)
{
	_cleanup_host_ int host = host_begin();
	host_put("run/containers/storage/overlay-containers/" ID1 "/userdata/config.json",
		 "{\"annotations\":{" CRIO_POD ",\"io.kubernetes.container.name\":\"web\"," CRIO(
			 "ContainerType") "\"container\"," CRIO("ImageName") "\"" IMAGE "\"," CRIO("Name") "\"k8s_web_shop\"}}");
	HOST_CHECK("a container", ID1, UID1, 0,
		   .runtime = "cri-o", .name = "web", .image = IMAGE, .uid = UID1, .pod = "shop", .namespace = "prod", .container = "web");
	host_put(STORAGE ID2 "/userdata/config.json",
		 "{\"annotations\":{" CRIO_POD ",\"io.kubernetes.container.name\":\"POD\"," CRIO(
			 "ContainerType") "\"sandbox\"}}");
	HOST_CHECK("a sandbox", ID2, UID1, 0,
		   .runtime = "cri-o", .uid = UID1, .pod = "shop", .namespace = "prod", .sandbox = true);
	host_put(STORAGE ID2 "/userdata/config.json", "{\"ociVersion\":\"1.0.0\"}");
	HOST_CHECK("without annotations", ID2, UID1, -EBADMSG, .uid = UID1);
}

TEST(unit, workload_crio_labels)
{
	_cleanup_host_ int host = host_begin();
	host_put(STORAGE ID1 "/userdata/config.json",
		 "{\"annotations\":{" CRIO("ContainerType") "\"container\"," CRIO(
			 "Labels") "\"{\\\"io.kubernetes.container.name\\\":\\\"web\\\","
				   "\\\"io.kubernetes.pod.namespace\\\":\\\"prod\\\",\\\"io.kubernetes.pod.name\\\":\\\"shop\\\","
				   "\\\"io.kubernetes.pod.uid\\\":\\\"" UID1 "\\\"}\"}}");
	HOST_CHECK("labels in a string", ID1, UID1, 0,
		   .runtime = "cri-o", .name = "web", .uid = UID1, .pod = "shop", .namespace = "prod", .container = "web");
}

TEST(unit, workload_podman)
{
	static const char config[] = "{\"annotations\":{\"io.container.manager\":\"libpod\",\"io.kubernetes.pod.name\":"
				     "\"lie\",\"io.kubernetes.pod.uid\":\"" UID2 "\"}}";
	static const char names[] = "[{\"id\":\"" ID2 "\",\"names\":[\"other\"]},7,{\"id\":\"" ID1
				    "\",\"names\":[\"db\",\"alias\"],\"metadata\":"
				    "\"{\\\"image-name\\\":\\\"docker.io/library/postgres:16\\\"}\"}]";

	_cleanup_host_ int host = host_begin();
	host_put(STORAGE ID1 "/userdata/config.json", config);
	HOST_CHECK("without a name", ID1, NULL, -ENOENT, .runtime = "podman");
	host_put(STORAGE "containers.json", names);
	HOST_CHECK("by containers.json", ID1, NULL, 0,
		   .runtime = "podman", .name = "db", .image = "docker.io/library/postgres:16");
	host_put(STORAGE "containers.json", "[]");
	host_put(STORAGE "volatile-containers.json", names);
	HOST_CHECK("run with --rm", ID1, NULL, 0,
		   .runtime = "podman", .name = "db", .image = "docker.io/library/postgres:16");
	host_put(STORAGE "volatile-containers.json", "{}");
	HOST_CHECK("no list", ID1, NULL, -EBADMSG, .runtime = "podman");
}

TEST(unit, workload_docker)
{
	_cleanup_host_ int host = host_begin();
	host_put(DOCKER ID1 "/config.v2.json",
		 "{\"ID\":\"" ID1 "\",\"Name\":\"/db\",\"Image\":\"sha256:" ID2 "\",\"Config\":{\"Image\":\"postgres:16\","
		 "\"Labels\":{\"io.kubernetes.pod.name\":\"Shop!\",\"io.kubernetes.pod.uid\":\"" UID1 "\","
		 "\"io.kubernetes.container.name\":\"POD\"}}}");
	HOST_CHECK("plain, with labels that claim a pod", ID1, NULL, 0,
		   .runtime = "docker", .name = "db", .image = "postgres:16");
	host_put(CONTAINERD "moby/" ID1 "/config.json", "{\"annotations\":{}}");
	HOST_CHECK("with containerd's part of it", ID1, NULL, 0,
		   .runtime = "docker", .name = "db", .image = "postgres:16");
	host_put(CONTAINERD "moby/" ID2 "/config.json", "{}");
	HOST_CHECK("only containerd's part of it", ID2, NULL, -ENOENT, .runtime = "docker");
	host_put(DOCKER ID2 "/config.v2.json", "{\"ID\":\"" ID1 "\",\"Name\":\"/db\"}");
	HOST_CHECK("another's state", ID2, NULL, -EBADMSG, .runtime = "docker");
}

TEST(unit, workload_docker_in_a_pod)
{
#define LABELS(container, more)                                                                    \
	"\"Config\":{\"Image\":\"web:1\",\"Labels\":{\"io.kubernetes.pod.name\":\"shop\","         \
	"\"io.kubernetes.pod.namespace\":\"prod\",\"io.kubernetes.pod.uid\":\"" UID1 "\","         \
	"\"io.kubernetes.container.name\":\"" container "\"" more "}}}"
	_cleanup_host_ int host = host_begin();
	host_put(DOCKER ID1 "/config.v2.json",
		 "{\"ID\":\"" ID1 "\",\"Name\":\"/k8s_web_shop_prod_x_0\"," LABELS("web", ""));
	HOST_CHECK("a container", ID1, UID1, 0,
		   .runtime = "docker", .name = "k8s_web_shop_prod_x_0", .image = "web:1", .uid = UID1, .pod = "shop", .namespace = "prod", .container = "web");
	host_put(DOCKER ID2 "/config.v2.json", "{\"ID\":\"" ID2 "\"," LABELS("POD", ""));
	HOST_CHECK("a sandbox by name", ID2, UID1, 0,
		   .runtime = "docker", .image = "web:1", .uid = UID1, .pod = "shop", .namespace = "prod", .sandbox = true);
	host_put(DOCKER ID2 "/config.v2.json",
		 "{\"ID\":\"" ID2 "\"," LABELS("x", ",\"io.kubernetes.docker.type\":\"podsandbox\""));
	HOST_CHECK("a sandbox by type", ID2, UID1, 0,
		   .runtime = "docker", .image = "web:1", .uid = UID1, .pod = "shop", .namespace = "prod", .sandbox = true);
}

TEST(unit, workload_log_folders)
{
	static const char static_uid[] = "8b1d47e6a1b5c2fd3e4f506172839405";

	_cleanup_host_ int host = host_begin();
	host_mkdir("var/log/pods/prod_shop_" UID1);
	host_mkdir("var/log/pods/kube-system_etcd-node1_8b1d47e6a1b5c2fd3e4f506172839405");
	host_mkdir("var/log/pods/odd");
	host_mkdir("var/log/pods/odd_two");
	host_mkdir("var/log/pods/prod_x_" UID2 "_more");
	HOST_CHECK("a pod alone", NULL, UID1, 0, .uid = UID1, .pod = "shop", .namespace = "prod");
	HOST_CHECK("a static pod", ID1, static_uid, 0,
		   .uid = static_uid, .pod = "etcd-node1", .namespace = "kube-system");
	HOST_CHECK("an unknown pod", NULL, UID2, -ENOENT, .uid = UID2);
	host_mkdir("var/log/pods/Prod_shop_" UID2);
	HOST_CHECK("no namespace's name", NULL, UID2, -EBADMSG, .uid = UID2, .pod = "shop");
}

TEST(unit, workload_log_links)
{
	_cleanup_host_ int host = host_begin();
	host_put("var/log/containers/shop_prod_web-a-" ID1 ".log", "");
	host_put("var/log/containers/shop_prod_web.log", "");
	host_put("var/log/containers/" ID1 ".log", "");
	HOST_CHECK("in a pod", ID1, UID1, 0,
		   .uid = UID1, .pod = "shop", .namespace = "prod", .container = "web-a");
	HOST_CHECK("without one", ID1, NULL, 0, .pod = "shop", .namespace = "prod", .container = "web-a");
	HOST_CHECK("another", ID2, UID1, -ENOENT, .uid = UID1);
	host_mkdir("var/log/pods/prod_blog_" UID1);
	HOST_CHECK("of another pod", ID1, UID1, -ESTALE, .uid = UID1, .pod = "blog", .namespace = "prod");
}

TEST(unit, workload_log_links_do_not_name_all)
{
	_cleanup_host_ int host = host_begin();
	host_put("var/log/containers/shop_prod_web-" ID1 ".log", "");
	host_put("var/log/containers/shop_prod_web-" ID2 ".log", "");
	host_put(DOCKER ID1 "/config.v2.json", "{\"ID\":\"" ID1 "\",\"Name\":\"/db\"}");
	HOST_CHECK("a container of no pod", ID1, NULL, 0, .runtime = "docker", .name = "db");
	host_put(CONTAINERD "k8s.io/" ID2 "/config.json",
		 "{\"annotations\":{" CRI("container-type") "\"sandbox\"," CRI("sandbox-name") "\"shop\"}}");
	HOST_CHECK("a sandbox", ID2, UID1, 0, .runtime = "containerd", .uid = UID1, .pod = "shop", .sandbox = true);
}

static void put_cni(const char *id_inside, const char *uid)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"kind\":\"cniCacheV1\",\"containerId\":\"%s\",\"config\":\"e30=\",\"ifName\":\"eth0\",\"cniArgs\":["
		 "[\"IgnoreUnknown\",\"1\"],[\"K8S_POD_NAMESPACE\",\"prod\"],[\"K8S_POD_NAME\",\"shop\"],[],7,[7,7],"
		 "[\"K8S_POD_UID\",\"%s\"]],\"result\":{}}",
		 id_inside, uid);
	host_put("var/lib/cni/results/cbr0-" ID2 "-eth0", text);
}

TEST(unit, workload_cni)
{
	_cleanup_host_ int host = host_begin();
	put_cni(ID2, UID1);
	HOST_CHECK("the sandbox itself", ID2, UID1, 0, .uid = UID1, .pod = "shop", .namespace = "prod");
	HOST_CHECK("a path without a pod", ID2, NULL, 0, .uid = UID1, .pod = "shop", .namespace = "prod");
	host_put(CONTAINERD "k8s.io/" ID1 "/config.json",
		 "{\"annotations\":{" CRI("container-name") "\"web\"," CRI("sandbox-id") "\"" ID2 "\"}}");
	HOST_CHECK("by its sandbox", ID1, UID1, 0,
		   .runtime = "containerd", .name = "web", .uid = UID1, .pod = "shop", .namespace = "prod", .container = "web");
	HOST_CHECK("of another pod", ID1, UID2, -ESTALE,
		   .runtime = "containerd", .name = "web", .uid = UID2, .container = "web");
	put_cni(ID1, UID1);
	HOST_CHECK("of another container", ID2, UID1, -EBADMSG, .uid = UID1);
	put_cni(ID2, "");
	HOST_CHECK("without a uid", ID2, UID1, 0, .uid = UID1, .pod = "shop", .namespace = "prod");
}

/* The path wins: it is the kernel's word about the process at hand. */
TEST(unit, workload_of_another_pod)
{
	_cleanup_host_ int host = host_begin();
	put_cri_container(CONTAINERD "k8s.io/" ID1 "/config.json");
	HOST_CHECK("distrusted", ID1, UID2, -ESTALE, .runtime = "containerd", .uid = UID2);
	host_mkdir("var/log/pods/dev_blog_" UID2);
	HOST_CHECK("named by the path", ID1, UID2, -ESTALE,
		   .runtime = "containerd", .uid = UID2, .pod = "blog", .namespace = "dev");
}

TEST(unit, workload_first_runtime_does_not_hide_the_next)
{
	_cleanup_host_ int host = host_begin();
	host_mkdir(CONTAINERD "k8s.io/" ID1 "/config.json"); /* a folder */
	HOST_CHECK("unreadable", ID1, NULL, -EBADMSG);
	host_put(DOCKER ID1 "/config.v2.json", "{\"ID\":\"" ID1 "\",\"Name\":\"/db\"}");
	HOST_CHECK("another runtime's", ID1, NULL, 0, .runtime = "docker", .name = "db");
}

TEST(unit, workload_keeps_no_memory)
{
	_cleanup_host_ int host = host_begin();
	put_cri_container(CONTAINERD "k8s.io/" ID1 "/config.json");
	host_check_memory(ID1, UID1);
	host_check_memory(ID1, UID2);
	host_put(CONTAINERD "k8s.io/" ID1 "/config.json",
		 "{\"annotations\":{" CRI("container-name") "7," CRI("sandbox-id") "\"" ID2 "\"}}");
	put_cri_container(CONTAINERD "k8s.io/" ID2 "/config.json");
	host_check_memory(ID1, UID1);
	host_check_memory(ID1, UID2);
	remove(host_path(CONTAINERD "k8s.io/" ID1 "/config.json"));
	remove(host_path(CONTAINERD "k8s.io/" ID2 "/config.json"));
	host_put(STORAGE ID1 "/userdata/config.json",
		 "{\"annotations\":{" CRIO_POD "," CRIO("KubeName") "\"x\"," CRIO("Labels") "\"{\\\"a\\\":[]}\"}}");
	host_check_memory(ID1, UID1);
	put_cni(ID2, UID1);
	host_check_memory(ID2, UID1);
	host_check_memory(ID2, NULL);
}
