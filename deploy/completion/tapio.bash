# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of tapio(8) for bash. Commands, options and the kinds of their values are read from --help, names from
# `tapio complete`, so that they are those of the tapio that is called. Nothing here takes a privilege.

# The words up to the cursor, joined again where bash splits at "=": words, cur.
_tapio_words() {
	local i word
	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((${#words[@]} > 1)) && [[ $word == = || ${words[-1]} == *= ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
	done
	cur=${words[-1]}
}

# From help text: "--output table|json" a line, the same for "-o"; no value where there is none, "=VALUE" where it
# may be left out.
_tapio_options() { # HELP
	sed -nE 's/^ +(-[a-z]), (--[a-z-]+)( ([^ ]+))?(  .*)?$/\1 \4\n\2 \4/p
		s/^ +(--[a-z-]+)\[(=[^ ]+)\](  .*)?$/\1 \2/p
		s/^ +(--[a-z-]+)( ([^ ]+))?(  .*)?$/\1 \3/p' <<<"$1"
}

# What may stand for a word of help text, such as EVENT[,EVENT], SENSOR=TIER, off|sampled|always.
_tapio_values() { # TAPIO KIND
	case $2 in
	*EVENT*,*) "$1" complete traced ;;
	*EVENT*) "$1" complete events ;;
	*SENSOR=*) "$1" complete tiers ;;
	*SENSOR*) "$1" complete sensors ;;
	*FILE* | *PATH* | *SOCKET*) compgen -f -- "$cur" ;;
	CGROUP) compgen -d -- "$cur" ;;
	*USER*) compgen -u ;;
	*PID*) compgen -G '/proc/[0-9]*' | sed 's,/proc/,,' ;;
	*[A-Z]*) ;;
	*) tr '|' '\n' <<<"$2" ;;
	esac
}

# The kinds of value that an option takes, a line each; of one that may be left out only behind "=".
_tapio_kinds() { # OPTIONS OPTION
	awk -v option="${2%=}" -v glued="${2: -1}" '$1 == option && NF > 1 {
		if (!sub(/^=/, "", $2) || glued == "=") print $2 }' <<<"$1"
}

# A candidate a line.
_tapio_candidates() { # TAPIO
	local help options kinds kind
	if ((${#words[@]} == 2)); then
		"$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p'
		printf '%s\n' --help --version
		return
	fi
	help=$("$1" "${words[1]}" --help 2>/dev/null)
	options=$(_tapio_options "$help")
	kinds=$(_tapio_kinds "$options" "$option")
	if [[ -n $kinds ]]; then
		while read -r kind; do
			_tapio_values "$1" "$kind"
		done <<<"$kinds"
	elif [[ $cur == -* ]]; then
		cut -d ' ' -f 1 <<<"$options"
	else
		# "usage: tapio schema [OPTION]... [EVENT]...", "usage: tapio top [OPTION]... dns"
		_tapio_values "$1" "$(sed -nE '1{s/.*\[([A-Z| ]+)\]\.\.\.$/\1/p;s/.*\]\.\.\. ([a-z]+)$/\1/p}' <<<"$help")"
	fi
}

# No candidate is ever expanded: a file may have any name. (compgen -W would.)
_tapio() {
	local words cur option='' given='' word IFS=$'\n'
	_tapio_words
	((${#words[@]} < 4)) || option=${words[-2]}
	if [[ $cur == --*=* ]]; then
		option=${cur%%=*}=
		cur=${cur#*=}
	fi
	case ${option%=} in
	-e | --event | -p | --pid | -u | --uid) [[ $cur != *,* ]] || given=${cur%,*}, ;;
	-c | --config | --btf | --cgroup | -s | --socket | --attach) compopt -o filenames 2>/dev/null ;;
	esac
	COMPREPLY=()
	while read -r word; do
		[[ -z $word || $given$word != "$cur"* ]] || COMPREPLY+=("$given$word")
	done < <(_tapio_candidates "$1" | sort -u)
	# where bash splits at "=", it replaces what is behind the last one only
	[[ $cur != *=* || ${COMP_WORDS[COMP_CWORD]} == ?*=* ]] || COMPREPLY=("${COMPREPLY[@]#"${cur%=*}="}")
}

complete -F _tapio tapio
