# For system tests: expectations that are counted, and a guest of one boot sector.
faults=0

fault() {
        printf 'FAULT: %s\n' "$*"
        faults=$((faults + 1))
}

# expect STATUS WORDS COMMAND...: runs it; both streams together must hold the words
expect() {
        local status=$1 words=$2 got=0 out
        shift 2
        out=$("$@" 2>&1) || got=$?
        if [ "$got" != "$status" ] || ! grep -qF -- "$words" <<<"$out"; then
                fault "$*"
                printf '  exit %s, not %s; or no "%s" in:\n%s\n' "$got" "$status" "$words" "$out"
        fi
}

end_faults() {
        echo "$faults faults"
        [ "$faults" = 0 ]
}

# A disk whose boot sector counts on the serial line for ever: up in a moment (cli; then: out 0x3f8 in a loop).
boot_sector() {
        { printf '\372\272\370\003\260\056\356\353\373'; head -c 501 /dev/zero; printf '\125\252'; head -c 65024 /dev/zero; } >"$1"
}
