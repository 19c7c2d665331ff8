# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: what `make install` installs, run by a systemd as deploy/tapio.service says.

installed_log=/var/log/tapio/events.json

install_on_node() {
	make -s -C "$here/../.." OUT="$OUT" DESTDIR="$tmp/installed" UNITDIR=/etc/systemd/system install >"$tmp/make" 2>&1 ||
		fail "make install" "that it installs" "$(tail -n 3 "$tmp/make")"
	cp -r "$tmp/installed/." "/proc/$node_pid/root/"
	node_in systemctl daemon-reload
}

# A line of /proc/PID/status of the service's main process.
installed_status() { # KEY
	node_in sed -n "s/^$1:[[:space:]]*//p" "/proc/$(property tapio.service MainPID)/status"
}

# Ten processes of the node, and as many of the exec events in the sink's file within five seconds.
installed_sees() { # MARK
	local i found
	node_in /run/node/exec_storm 10 /run/node/exit0 "$1" >/dev/null
	for ((i = 0; i < 100; i++)); do
		found=$(node_in cat "$installed_log" 2>/dev/null | jq -c --arg mark "$1" 'select(.event == "process.exec"
			and .["process.command_args"][1] == $mark)' | wc -l)
		[ "$found" -lt 10 ] || break
		sleep 0.05
	done
	is "exec events of $1" 10 "$found"
}

test_installed_service() {
	local first i
	need hybrid || return
	install_on_node
	node_in systemctl start tapio.service || fail "tapio.service" "that it starts" "$(node_in journalctl -u tapio -n 5)"
	first=$(property tapio.service MainPID)
	is "readyz" ok "$(node_in curl -s http://127.0.0.1:9477/readyz)"
	installed_sees installed-started

	# CAP_DAC_READ_SEARCH, CAP_PERFMON and CAP_BPF, of a user that is not root; and CAP_IPC_LOCK, because from the node's
	# cgroup namespace the root is not seen, and the dns sensor follows system calls through perf buffers
	is "capabilities" 000000c000004004 "$(installed_status CapEff)"
	like "its user" '^[1-9]' "$(installed_status Uid)"
	is "no new privileges" 1 "$(installed_status NoNewPrivs)"
	is "filter of system calls" 2 "$(installed_status Seccomp)"
	is "what it goes on without" "" "$(node_in journalctl -u tapio -o cat | grep 'continuing without')"
	like "the mode of its socket" '^srw-------' "$(node_in ls -l /run/tapio/tapio.sock)"
	like "the mode of its file" '^-rw-------' "$(node_in ls -l "$installed_log")"

	node_in systemctl reload tapio.service || fail "tapio.service" "that it reloads" "$?"
	installed_sees installed-reloaded
	is "told of the reload" "tapio: /etc/tapio/tapio.yaml: read again" "$(node_in journalctl -u tapio -o cat | grep 'read again')"
	is "main process after the reload" "$first" "$(property tapio.service MainPID)"

	node_in systemctl kill --signal KILL --kill-who main tapio.service
	for ((i = 0; i < 100; i++)); do
		[ "$(property tapio.service NRestarts),$(property tapio.service ActiveState)" != 1,active ] || break
		sleep 0.1
	done
	is "restarts after SIGKILL" 1,active "$(property tapio.service NRestarts),$(property tapio.service ActiveState)"
	installed_sees installed-restarted

	node_in systemctl stop tapio.service
	is "its end" success "$(property tapio.service Result)"
	is "what it leaves" "" "$(node_in pgrep -x tapio)"
}
