#!/bin/bash
# Completions are written from the table of commands, are valid in their shells, and bash's completes.
. "$(dirname "$0")/expect.sh"

"$cvmctl" completion bash >bash
bash -n bash || fault "the script for bash is not valid"
PATH=$(dirname "$cvmctl"):$PATH
. ./bash

# complete_words WORD...: what bash would offer for the last of them
complete_words() {
        COMP_WORDS=(cvmctl "$@") COMP_CWORD=$# COMPREPLY=()
        _cvmctl
        echo " ${COMPREPLY[*]} "
}
offers() { # WANTED WORD...
        [[ "$(complete_words "${@:2}")" = *" $1 "* ]] || fault "'${*:2}' is not completed to '$1', but to '$(complete_words "${@:2}")'"
}
offers evidence ev
offers launch ""
offers policy poli
offers verify evidence v
offers --challenge evidence verify --ch
offers --simulation-root policy make --sim
offers --vcpus launch --vc
offers --output list --o
[[ "$(complete_words evidence "")" != *" launch "* ]] || fault "a group offers other words"

# Every row of the table is in each script.
"$cvmctl" completion fish >fish
"$cvmctl" completion zsh >zsh
while read -r first second; do
        grep -q -- "-a ${second:-$first} " fish || fault "fish has no '$first $second'"
        grep -q -- "'$first${second:+ $second}'" bash || fault "bash has no '$first $second'"
        grep -q -- "'$first${second:+ $second}'" zsh || fault "zsh has no '$first $second'"
done < <("$cvmctl" --help | sed -n 's/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,1\}\).*/\1/p')
[ "$("$cvmctl" --help | grep -c '^  [a-z]')" -gt 40 ] || fault "the help has few commands"
for shell in zsh fish; do
        if command -v $shell >/dev/null; then
                $shell -n $shell || fault "the script for $shell is not valid"
        else
                echo "SKIP: $shell is not installed, so its script was not parsed"
        fi
done
expect 2 "must be bash, zsh or fish" "$cvmctl" completion tcsh
end
