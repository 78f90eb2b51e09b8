# Sourced by the tests of this folder with their arguments CVMCTL SOURCE MAKE-BUNDLE [MAKE-SE]: a fresh directory as working
# directory, and expect.
set -euo pipefail
cvmctl=$1 source=$2 make=$3 make_se=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache # never those of whoever runs the tests
faults=0

# fault WORDS...: the test goes on, and fails at its end
fault() {
        echo "FAULT: $*"
        faults=$((faults + 1))
}

# expect STATUS WORDS COMMAND...: runs it; both streams together must hold the words
expect() {
        local status=$1 words=$2 got=0 out
        shift 2
        out=$("$@" 2>&1) || got=$?
        if [ "$got" != "$status" ] || ! grep -qF -- "$words" <<<"$out"; then
                fault "$(printf '%s\n  exit %s, not %s; or no "%s" in:\n%s\n' "$*" "$got" "$status" "$words" "$out")"
        fi
}

# of FILE MEMBER: a text or number of a JSON file that is written without spaces
of() {
        sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$1" | head -n 1
}

end() {
        echo "$faults faults"
        [ "$faults" = 0 ]
}

now=2027-01-15T08:00:00Z # when the certificates of make-bundle are valid
