// SPDX-License-Identifier: Apache-2.0
/*
 * dns_load [OPTION]...: clients and a server that speak DNS over loopback, in a network namespace of their own.
 *
 *	-c CLIENTS   processes that ask, each with a socket of its own (1)
 *	-n COUNT     lookups of each (100000)
 *	-r RATE      lookups per second of all together; 0: as fast as they go (0)
 *	-w WINDOW    questions under way at a time for each client (1 with a rate, else 32)
 *	-p PORT      of the server (53); of another one with a single client the server's socket is connected, too
 *	-u           sockets are not connected: sendto(2)
 *	-t           TCP, whose messages are no DNS: as much traffic, for its cost alone
 *	-s           the server never answers, and nobody waits for it
 *	-q           every question is the same
 *	-d           start when a line is read from stdin
 *	-k           keep to the network namespace that it is started in
 *	-o FILE      a line "NAME PID NANOSECONDS" for each answered lookup, as its client measured it
 *
 * Prints "SECONDS ASKED answered=N p50=NS p99=NS packets=N": lookups asked, and packets that were sent. Names are
 * distinct: NUMBER.PID.load.example. Status 1 if something was not answered that should have been.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 512
#define TCP_MESSAGE 64
#define ANSWER_WAIT_MS 2000
#define CLIENTS_MAX 64

static struct {
	unsigned clients, window, port;
	unsigned long count, rate;
	bool unconnected, tcp, silent, held, same, stay;
	const char *file;
} options = { .clients = 1, .port = 53, .count = 100000 };

/* What clients tell, in memory that all share. */
static struct told {
	pid_t pid;
	unsigned long asked, answered;
	uint64_t began_ns, ended_ns;
} *told;
static uint32_t *latency_ns; /* of each lookup, client by client; 0: no answer */

static void die(const char *what)
{
	fprintf(stderr, "dns_load: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static struct sockaddr_in server_address(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		die("a network namespace");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		die("lo");
	close(fd);
}

/* ---- messages ---- */

static size_t add_label(uint8_t *at, const char *label)
{
	size_t n = strlen(label);

	at[0] = (uint8_t)n;
	memcpy(at + 1, label, n);
	return n + 1;
}

static const char digits[] = "0123456789abcdef";

/* All but the number and the id, which change: label of 8 digits at octet 13. */
static size_t question_begin(uint8_t m[MESSAGE_MAX], pid_t pid)
{
	static const uint8_t header[12] = { 0, 0, 0x01, 0x00, 0, 1 }; /* RD, one question */
	static const uint8_t type[5] = { 0, 0, 1, 0, 1 };             /* the root, A, IN */
	char label[16];
	size_t n = sizeof(header);

	memcpy(m, header, sizeof(header));
	n += add_label(m + n, "00000000");
	snprintf(label, sizeof(label), "%d", pid);
	n += add_label(m + n, label);
	n += add_label(m + n, "load");
	n += add_label(m + n, "example");
	memcpy(m + n, type, sizeof(type));
	return n + sizeof(type);
}

static void question_number(uint8_t *m, unsigned long number)
{
	m[0] = (uint8_t)(number >> 8);
	m[1] = (uint8_t)number;
	for (int i = 0; i < 8 && !options.same; i++)
		m[13 + i] = (uint8_t)digits[number >> (28 - 4 * i) & 15];
}

static size_t answer(uint8_t *m, size_t n)
{
	static const uint8_t record[16] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1 };

	m[2] |= 0x80;
	m[3] |= 0x80;
	m[7] = 1;
	memcpy(m + n, record, sizeof(record));
	return n + sizeof(record);
}

/* ---- servers ---- */

static void serve_udp(int fd)
{
	bool connected = options.port != 53 && options.clients == 1 && !options.unconnected;
	struct sockaddr_in first;
	socklen_t length = sizeof(first);
	uint8_t m[MESSAGE_MAX];

	if (options.silent)
		pause();
	if (connected && (recvfrom(fd, m, sizeof(m), MSG_PEEK, (struct sockaddr *)&first, &length) < 0 ||
			  connect(fd, (struct sockaddr *)&first, length)))
		die("connect");
	for (;;) {
		struct sockaddr_in from;
		ssize_t n;

		length = sizeof(from);
		n = recvfrom(fd, m, sizeof(m) - 16, 0, (struct sockaddr *)&from, &length);
		if (n > 12)
			sendto(fd, m, answer(m, (size_t)n), 0, connected ? NULL : (struct sockaddr *)&from,
			       connected ? 0 : length);
	}
}

/* Each message comes back; a packet for each. */
static void serve_tcp(int fd)
{
	uint8_t m[64 * TCP_MESSAGE];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, m + have, sizeof(m) - have)) > 0) {
		size_t at = 0;

		have += (size_t)n;
		for (; have - at >= TCP_MESSAGE; at += TCP_MESSAGE)
			if (write(fd, m + at, TCP_MESSAGE) != TCP_MESSAGE)
				return;
		memmove(m, m + at, have - at);
		have -= at;
	}
}

static void accept_all(int fd)
{
	int one = 1, connection;

	while ((connection = accept(fd, NULL, NULL)) >= 0) {
		if (!fork()) {
			setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			serve_tcp(connection);
			_exit(0);
		}
		close(connection);
	}
}

static pid_t start_server(void)
{
	struct sockaddr_in address = server_address();
	int fd = socket(AF_INET, options.tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || (options.tcp && listen(fd, CLIENTS_MAX)))
		die("the server's socket");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		if (options.tcp)
			accept_all(fd);
		else
			serve_udp(fd);
		_exit(1);
	}
	close(fd);
	return pid;
}

/* ---- clients ---- */

struct client {
	struct told *told;
	uint32_t *latency_ns;
	uint64_t sent_ns[65536];
	uint8_t question[MESSAGE_MAX];
	size_t length;
	struct sockaddr_in server;
	int fd;
};

static void client_open(struct client *c, unsigned number)
{
	struct timeval wait = { ANSWER_WAIT_MS / 1000, ANSWER_WAIT_MS % 1000 * 1000 };
	int one = 1;

	c->told = &told[number];
	c->latency_ns = latency_ns + number * options.count;
	c->told->pid = getpid();
	c->length = question_begin(c->question, getpid());
	if (options.tcp)
		c->length = TCP_MESSAGE;
	c->server = server_address();
	c->fd = socket(AF_INET, options.tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		die("a client's socket");
	if (!options.unconnected && connect(c->fd, (struct sockaddr *)&c->server, sizeof(c->server)))
		die("connect");
	if (options.tcp)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void ask(struct client *c)
{
	unsigned long number = c->told->asked;
	ssize_t n;

	question_number(c->question, number);
	c->sent_ns[number & 0xffff] = now_ns();
	if (options.unconnected)
		n = sendto(c->fd, c->question, c->length, 0, (struct sockaddr *)&c->server, sizeof(c->server));
	else
		n = send(c->fd, c->question, c->length, 0);
	if (n != (ssize_t)c->length)
		die("send");
	c->told->asked++;
}

/* False: there is no answer. */
static bool hear(struct client *c, int flags)
{
	uint8_t m[MESSAGE_MAX];
	ssize_t n = recv(c->fd, m, options.tcp ? TCP_MESSAGE : sizeof(m), flags | (options.tcp && !flags ? MSG_WAITALL : 0));
	unsigned long number;
	uint64_t took;

	if (n < 12)
		return false;
	number = c->told->answered;
	/* Of those that are under way, the one with this id: the window is far smaller than there are ids. */
	number += (uint16_t)((m[0] << 8 | m[1]) - number);
	took = now_ns() - c->sent_ns[number & 0xffff];
	if (number < options.count)
		c->latency_ns[number] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
	c->told->answered++;
	return true;
}

static void run_window(struct client *c)
{
	while (c->told->answered < options.count) {
		while (c->told->asked < options.count && c->told->asked - c->told->answered < options.window)
			ask(c);
		if (!hear(c, 0))
			return;
		while (!options.tcp && hear(c, MSG_DONTWAIT))
			;
	}
}

static void run_paced(struct client *c)
{
	uint64_t step = 1000000000ull * options.clients * options.window / options.rate, at = c->told->began_ns;

	prctl(PR_SET_TIMERSLACK, 1);
	for (; c->told->asked < options.count; at += step) {
		sleep_until(at);
		for (unsigned i = 0; i < options.window && c->told->asked < options.count; i++)
			ask(c);
		while (!options.silent && c->told->answered < c->told->asked)
			if (!hear(c, 0))
				return;
	}
}

static void run_silent(struct client *c)
{
	while (c->told->asked < options.count)
		ask(c);
}

static pid_t start_client(unsigned number, int gate)
{
	pid_t pid = fork();
	struct client *c;
	char go;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	c = calloc(1, sizeof(*c));
	if (!c)
		die("memory");
	client_open(c, number);
	if (read(gate, &go, 1) < 0)
		die("the start");
	c->told->began_ns = now_ns();
	if (options.rate)
		run_paced(c);
	else if (options.silent)
		run_silent(c);
	else
		run_window(c);
	c->told->ended_ns = now_ns();
	_exit(0);
}

/* ---- what came of it ---- */

/* Datagrams and segments that this namespace sent. */
static unsigned long packets_sent(void)
{
	const char *table = options.tcp ? "Tcp:" : "Udp:";
	unsigned field = options.tcp ? 11 : 4; /* OutSegs, OutDatagrams */
	FILE *f = fopen("/proc/self/net/snmp", "r");
	unsigned long sent = 0;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		char *word = strtok(line, " ");

		if (strcmp(word, table))
			continue;
		for (unsigned i = 0; word && i < field; i++)
			word = strtok(NULL, " ");
		sent = word ? strtoul(word, NULL, 10) : 0;
	}
	if (f)
		fclose(f);
	return sent;
}

static unsigned long packets_before;

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void write_file(void)
{
	FILE *f = fopen(options.file, "w");

	if (!f)
		die(options.file);
	for (unsigned i = 0; i < options.clients; i++)
		for (unsigned long k = 0; k < options.count; k++)
			if (latency_ns[i * options.count + k])
				fprintf(f, "%08lx.%d.load.example %d %u\n", k, told[i].pid, told[i].pid,
					latency_ns[i * options.count + k]);
	if (fclose(f))
		die(options.file);
}

static int report(void)
{
	unsigned long asked = 0, answered = 0, all = options.clients * options.count;
	uint64_t began = UINT64_MAX, ended = 0;
	uint32_t *sorted;

	for (unsigned i = 0; i < options.clients; i++) {
		asked += told[i].asked;
		answered += told[i].answered;
		began = told[i].began_ns < began ? told[i].began_ns : began;
		ended = told[i].ended_ns > ended ? told[i].ended_ns : ended;
	}
	if (options.file)
		write_file();
	qsort(latency_ns, all, sizeof(*latency_ns), by_value);
	sorted = latency_ns + (all - answered);
	printf("%.6f %lu answered=%lu p50=%u p99=%u packets=%lu\n", (double)(ended - began) / 1e9, asked, answered,
	       answered ? sorted[answered / 2] : 0, answered ? sorted[answered * 99 / 100] : 0, packets_sent() - packets_before);
	if (asked != all || (!options.silent && answered != all)) {
		fprintf(stderr, "dns_load: %lu of %lu were asked and %lu answered\n", asked, all, answered);
		return 1;
	}
	return 0;
}

static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("memory");
	return p;
}

static int parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:n:r:w:p:utsqdko:")) != -1) {
		switch (opt) {
		case 'c': options.clients = (unsigned)atoi(optarg); break;
		case 'n': options.count = strtoul(optarg, NULL, 10); break;
		case 'r': options.rate = strtoul(optarg, NULL, 10); break;
		case 'w': options.window = (unsigned)atoi(optarg); break;
		case 'p': options.port = (unsigned)atoi(optarg); break;
		case 'u': options.unconnected = true; break;
		case 't': options.tcp = true; break;
		case 's': options.silent = true; break;
		case 'q': options.same = true; break;
		case 'k': options.stay = true; break;
		case 'd': options.held = true; break;
		case 'o': options.file = optarg; break;
		default: return -1;
		}
	}
	if (!options.window)
		options.window = options.rate ? 1 : 32;
	return optind == argc && options.clients && options.clients <= CLIENTS_MAX && options.count ? 0 : -1;
}

int main(int argc, char **argv)
{
	pid_t server, clients[CLIENTS_MAX];
	int gate[2], status, failed = 0;
	char line[16];

	if (parse(argc, argv)) {
		fprintf(stderr, "usage: dns_load [-c CLIENTS] [-n COUNT] [-r RATE] [-w WINDOW] [-p PORT] [-utsqdk] [-o FILE]\n");
		return 2;
	}
	if (!options.stay)
		own_network();
	packets_before = packets_sent();
	told = shared(options.clients * sizeof(*told));
	latency_ns = shared(options.clients * options.count * sizeof(*latency_ns));
	if (pipe(gate))
		die("pipe");
	server = start_server();
	for (unsigned i = 0; i < options.clients; i++)
		clients[i] = start_client(i, gate[0]);
	if (options.held && !fgets(line, sizeof(line), stdin))
		return 2;
	if (write(gate[1], "0000000000000000000000000000000000000000000000000000000000000000", options.clients) < 0)
		die("the start");
	for (unsigned i = 0; i < options.clients; i++)
		failed |= waitpid(clients[i], &status, 0) < 0 || status;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return report() || failed;
}
