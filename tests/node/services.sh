# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
# Sourced by tests/node/run: what systemd itself runs, on a node of mode hybrid.

# Runs the smallest process there is, every 50 ms.
busy='/run/node/exec_storm -i 50000 100000 /run/node/exit0'

# A unit that is always busy, or that runs COMMAND.
write_unit() { # NAME [LINE...]
	local file=/proc/$node_pid/root/run/systemd/system/$1
	mkdir -p "${file%/*}"
	printf '# SPDX-License-Identifier: Apache-2.0\n[Service]\nExecStart=%s\n' "$busy" >"$file"
	[ $# -eq 1 ] || printf '%s\n' "${@:2}" >>"$file"
}

# What libsystemd says of a process of the node. The rule is for all of its cgroup.
truth_systemd() { # PID LEAST
	local said
	said=$(node_in ps -p "$1" -o unit:256= -o uunit:256= -o slice:256=)
	truth "$1" "$(jq -Rc '[splits(" +")] | {"systemd.unit": .[0], "systemd.user_unit": .[1], "systemd.slice": .[2]}
		| with_entries(select(.value != "-"))' <<<"$said")" "$2" "${3:-"{}"}"
}

# All names that systemd has a trick for: instances, escapes, names that a file of a cgroup may have, nested slices.
unit_names() {
	units=(plain.service mail@inbox.service "$(node_in systemd-escape --template=mail@.service '/srv/mail box-ü')"
		cpu.service _under.service cgroup.service tasks.service deep.service a-b_c:d.service)
}

write_units() {
	local unit
	for unit in "${units[@]}"; do
		case $unit in
		mail@*) write_unit mail@.service ;;
		deep.service) write_unit deep.service Slice=shop-web-front.slice ;;
		*) write_unit "$unit" ;;
		esac
	done
	node_in systemctl daemon-reload
}

main_process() { # UNIT
	property "$1" MainPID
}

test_services() {
	local unit
	need hybrid || return
	unit_names
	write_units
	start_trace || return
	node_in systemctl start "${units[@]}" || fail "the units" "that they start" "$?"
	sleep 0.3
	for unit in "${units[@]}"; do
		is "unit of the main process of $unit" "$unit" "$(node_in ps -o unit:256= -p "$(main_process "$unit")" | tr -d ' ')"
		truth_systemd "$(main_process "$unit")" 10
	done
	is "slice of deep.service" shop-web-front.slice "$(jq -r 'select(.identity["systemd.unit"] == "deep.service")
		| .identity["systemd.slice"]' "$tmp/truth")"
	# the same unit in a new cgroup
	node_in systemctl restart plain.service
	sleep 0.2
	truth_systemd "$(main_process plain.service)" 10
	stop
	judge
}

# Tapio comes when they have been there for long: they are those of the test before.
test_services_older_than_tapio() {
	local unit
	need hybrid || return
	unit_names
	write_units
	node_in systemctl start "${units[@]}" || fail "the units" "that they start" "$?"
	for unit in "${units[@]}"; do
		truth_systemd "$(main_process "$unit")" 4
	done
	start_trace || return
	sleep 0.5
	stop
	judge
	node_in systemctl stop "${units[@]}"
}

# Units without a file, scopes, cgroups that a service made for itself.
test_transient_units() {
	local scope worker
	need hybrid || return
	write_unit delegated.service Delegate=yes
	node_in systemctl daemon-reload
	start_trace || return
	# shellcheck disable=SC2086  # words
	node_in systemd-run --quiet --unit=transient --slice=batch-night.slice $busy
	# shellcheck disable=SC2086
	node_in systemd-run --quiet --scope --unit=caller $busy >/dev/null 2>"$tmp/scope" &
	node_in systemctl start delegated.service
	sleep 0.3
	truth_systemd "$(main_process transient.service)" 10
	scope=$(node_in cat "/sys/fs/cgroup/unified$(property caller.scope ControlGroup)/cgroup.procs" | head -n 1)
	truth_systemd "$scope" 10
	worker=$(main_process delegated.service)
	truth_systemd "$worker" 4
	worker_cgroup=/sys/fs/cgroup/unified$(property delegated.service ControlGroup)/worker.slice/other.service
	node_in mkdir -p "$worker_cgroup"
	node_in sh -c "echo $worker >$worker_cgroup/cgroup.procs"
	is "cgroup of the moved process" other.service "$(sed -n 's|^0::.*/||p' "/proc/$node_pid/root/proc/$worker/cgroup")"
	truth "$worker" '{"systemd.unit": "delegated.service", "systemd.slice": "system.slice"}' 10
	sleep 0.4
	node_in systemctl stop transient.service delegated.service caller.scope
	stop
	judge
}

# ---- a user's own systemd ----

as_user() { # COMMAND...
	node_in setpriv --reuid 47001 --regid 47001 --clear-groups env XDG_RUNTIME_DIR=/run/user/47001 "$@"
}

user_ctl() {
	as_user systemctl --user "$@"
}

truth_user_unit() { # UNIT LEAST
	truth_systemd "$(user_ctl show --property MainPID --value "$1")" "$2" \
		"{\"user_slice\": \"$(user_ctl show --property Slice --value "$1")\"}"
	# libsystemd's ps has no column for it
	jq -c 'if .user_slice then .identity["systemd.user_slice"] = .user_slice | del(.user_slice) else . end' \
		"$tmp/truth" >"$tmp/truth.new" && mv "$tmp/truth.new" "$tmp/truth"
}

test_user_units() {
	need hybrid || return
	start_trace || return
	node_in systemctl start user@47001.service || fail "the user's systemd" "that it starts" "$?"
	# shellcheck disable=SC2086  # words
	as_user systemd-run --quiet --user --unit=sync@home $busy
	# shellcheck disable=SC2086
	as_user systemd-run --quiet --user --unit=index --slice=background-disk.slice $busy
	sleep 0.4
	truth_user_unit sync@home.service 10
	truth_user_unit index.service 10
	is "what is true of index.service" '["index.service","background-disk.slice","user@47001.service","user-47001.slice"]' \
		"$(jq -c 'select(.identity["systemd.user_unit"] == "index.service") | .identity
			| [.["systemd.user_unit"], .["systemd.user_slice"], .["systemd.unit"], .["systemd.slice"]]' "$tmp/truth")"
	stop
	judge
	node_in systemctl stop user@47001.service
}
