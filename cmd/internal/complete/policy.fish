# Completion of policy for fish: policy completion fish | source

function __policy_complete
    set -l words (commandline -opc)
    set -l typed (string replace -r -- '^["\']' '' (commandline -ct))
    set -l lines (command policy __complete fish $words[2..] "$typed" </dev/null 2>/dev/null)
    set -q lines[1]; or return
    set -q lines[2]; and printf '%s\n' $lines[2..]
    string match -q -- 'files*' $lines[1]; or string match -q -- 'folders*' $lines[1]
    and begin
        set -l flag (string match -r -- '^--[^=]+=' "$typed")
        set -l path (string replace -r -- '^--[^=]+=' '' "$typed")
        if string match -q -- 'folders*' $lines[1]
            __fish_complete_directories $path ''
        else if string match -q -- 'files=*' $lines[1]
            __fish_complete_suffix $path (string replace -r -- '^files=(\S+).*' '$1' $lines[1])
        else
            __fish_complete_path $path
        end | while read -l found
            printf '%s%s\n' "$flag" $found
        end
    end
end

complete -c policy -f -k -a '(__policy_complete)'
