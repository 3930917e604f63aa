# Completion of policy for bash 3.2 and later: source <(policy completion bash)

_policy() {
	local how word
	COMPREPLY=()
	{
		IFS= read -r how
		while IFS= read -r word; do
			COMPREPLY+=("$word")
		done
	} <<<"$(command policy __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" </dev/null 2>/dev/null)"
	# Bash 3.2 has no compopt: it offers files where there is nothing else.
	case $how in
	*files*) ;;
	*folders*) compopt +o default -o dirnames 2>/dev/null ;;
	*) compopt +o default 2>/dev/null ;;
	esac
	case $how in
	*open*) compopt -o nospace 2>/dev/null ;;
	esac
}

# Bash before 4.4 cannot keep the order.
complete -o default -o nosort -F _policy policy 2>/dev/null || complete -o default -F _policy policy
