# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A real Prometheus, Debian's, that scrapes a page on this machine. Sourced; needs OUT, and tmp for its files.
#
#   prometheus_fetch               unpacks it below $OUT if it is not installed; once
#   prometheus_start URL [SECONDS] starts one that scrapes URL every second and waits until it is up
#   prometheus_query EXPRESSION    prints the values, one per line
#   prometheus_await EXPRESSION VALUE [SECONDS]   waits until these are the values (on several lines: sorted)
#   prometheus_lint URL            promtool's opinion about the page, as the older text format
#   prometheus_stop                ends it
#   http_get URL [HEADER]...       prints the body; the headers go to $tmp/headers
#
# The package is unpacked and not installed: installing it starts a service that nobody asked for.

prometheus_pid= prometheus_url=

prometheus_fetch() {
	local dir=$OUT/prometheus apt
	if command -v prometheus promtool >/dev/null 2>&1; then
		prometheus=prometheus promtool=promtool
		return
	fi
	prometheus=$dir/usr/bin/prometheus promtool=$dir/usr/bin/promtool
	[ ! -e "$dir/.ready" ] || return 0
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	: >"$dir/apt/status"
	dir=$(cd "$dir" && pwd)
	apt=(apt-get -q -o "Dir::State=$dir/apt" -o "Dir::State::status=$dir/apt/status" -o "Dir::Cache=$dir/apt/cache"
		-o Acquire::Languages=none -o APT::Sandbox::User=root)
	if ! (cd "$dir" && "${apt[@]}" update && "${apt[@]}" download prometheus) >"$dir/apt.log" 2>&1; then
		tail -n 20 "$dir/apt.log" >&2
		echo "fetching Debian's prometheus failed: see above" >&2
		return 1
	fi
	dpkg-deb -x "$dir"/prometheus_*.deb "$dir" && rm -rf "$dir/apt" "$dir"/prometheus_*.deb && touch "$dir/.ready"
}

http_get() { # URL [HEADER]...
	local url=${1#http://} fd header
	local address=${url%%/*}
	shift
	exec {fd}<>"/dev/tcp/${address%:*}/${address##*:}" || return 1
	{
		printf 'GET /%s HTTP/1.0\r\n' "${url#*/}"
		for header; do printf '%s\r\n' "$header"; done
		printf '\r\n'
	} >&"$fd"
	sed -u '/^\r*$/q' <&"$fd" | tr -d '\r' >"$tmp/headers"
	cat <&"$fd"
	exec {fd}>&-
	[[ $(head -n 1 "$tmp/headers") == *' 200 '* ]]
}

prometheus_start() { # URL [SECONDS]
	local url=${1#http://} dir=$tmp/prometheus port try
	rm -rf "$dir"
	mkdir -p "$dir"
	cat >"$dir/prometheus.yml" <<-END
		global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
		scrape_configs:
		  - job_name: tapio
		    metrics_path: /${url#*/}
		    static_configs: [ { targets: [ "${url%%/*}" ] } ]
	END
	for try in 1 2 3; do
		port=$((20000 + RANDOM % 12000))
		"$prometheus" --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --log.level=warn \
			--web.listen-address="127.0.0.1:$port" >"$dir/log" 2>&1 &
		prometheus_pid=$! prometheus_url=http://127.0.0.1:$port
		if prometheus_await 'up{job="tapio"}' 1 "${2:-20}"; then return 0; fi
		# the port may have been another's
		grep -q 'address already in use' "$dir/log" || break
	done
	echo "prometheus did not see $1 in attempt $try: $(tail -n 3 "$dir/log")" >&2
	return 1
}

prometheus_query() { # EXPRESSION
	local query
	query=$(jq -rn --arg q "$1" '$q | @uri')
	http_get "$prometheus_url/api/v1/query?query=$query" 2>/dev/null | jq -r '.data.result[].value[1]' 2>/dev/null
}

prometheus_await() { # EXPRESSION VALUE [SECONDS]
	local deadline=$((SECONDS + ${3:-10}))
	while [ "$(prometheus_query "$1" | sort)" != "$2" ]; do
		kill -0 "$prometheus_pid" 2>/dev/null && [ $SECONDS -lt $deadline ] || return 1
		sleep 0.3
	done
}

prometheus_lint() { # URL
	http_get "$1" 'Accept: text/plain' | "$promtool" check metrics
}

prometheus_stop() {
	[ -z "$prometheus_pid" ] || { kill "$prometheus_pid" && wait "$prometheus_pid"; } 2>/dev/null
	prometheus_pid=
}
