#compdef policy
# Completion of policy for zsh: source <(policy completion zsh), or keep it as
# _policy in a folder of $fpath.

_policy() {
	local how word
	local -a lines words_before space
	words_before=("${(@Q)words[2,CURRENT-1]}")
	lines=("${(@f)$(command policy __complete zsh "${words_before[@]}" "${(Q)PREFIX}" </dev/null 2>/dev/null)}")
	how=$lines[1]
	shift lines
	[[ $how == *open* ]] && space=(-S '')
	local found=1
	if (( $#lines )); then
		_describe -V policy lines "${space[@]}" && found=0
	fi
	if [[ $how == (files|folders)* ]]; then
		compset -P '--[^=]#='
		case $how in
		files=*) _files -g "*${${how#files=}%% *}" ;;
		files*) _files ;;
		folders*) _files -/ ;;
		esac && found=0
	fi
	return found
}

if [[ $funcstack[1] == _policy ]]; then
	_policy "$@"
else
	(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
	compdef _policy policy
fi
