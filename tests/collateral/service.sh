# Sourced by the tests of this folder: start_service MAKER makes what a service of ours has, in the working directory, and
# starts it. url is where; `behave` says how it answers, `log` has what was asked.
. "$(dirname "$0")/../cli/expect.sh"
now=2027-01-15T08:00:00Z

start_service() {
        "$(dirname "$make")/$1" "$work"
        mkfifo port held go
        /usr/bin/python3 "$source/tests/collateral/fake-service.py" "$work" &
        service=$!
        trap 'kill $service; rm -rf "$work"' EXIT
        url=http://127.0.0.1:$(cat port)
}

behave() { printf '%s\n' "$@" >behave; }
requests() { grep -c "${1:-.}" log || :; }
fresh() { rm -rf cache state log behave; }

# Of one bundle, with the root of this simulation: sim
fetch() { # STATUS WORDS [ARGUMENT]...
        expect "$1" "$2" "$cvmctl" collateral fetch --bundle bundle.json --service "$url" "${sim[@]}" -o jsonl "${@:3}"
}
verify() { # STATUS WORDS [ARGUMENT]...
        expect "$1" "$2" "$cvmctl" evidence verify bundle.json --policy policy.json --nonce "$(cat nonce)" --owner-key owner.pem \
                --at "$now" -o jsonl "${@:3}"
}
