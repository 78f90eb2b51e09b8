#!/bin/bash
# Verbs that make something for hosts of Secure Execution fetch the revocation lists that the certificates name.
. "$(dirname "$0")/service.sh"
start_service collateral-make-service-se
trust=(--cert signer.pem --cert inter.pem --root-ca root.pem --at "$now")
kept=cache/cvmctl/collateral/secure-execution/lists

challenge() { # STATUS WORDS [ARGUMENT]...
        expect "$1" "$2" "$cvmctl" evidence challenge --platform se --request request -o challenge --host-key-document host.pem \
                "${trust[@]}" --crl-service "$url" "${@:3}"
}

# Each point in its order; the first of the document's has nothing. Fetched once, kept, and not asked for when told so.
challenge 0 "no revocation list from 'http://lists.example/first.crl': it answers with status 404"
[ "$(sort log | tr '\n' ' ')" = "/lists.example/first.crl /lists.example/inter.crl?x=%20y /lists.example/root.crl /lists.example/signer.crl " ] ||
        fault "asked: $(cat log)"
[ "$(find $kept -type f -perm 600 ! -name '.*' | wc -l)" = 3 ] || fault "kept: $(ls -la $kept)"
challenge 0 "nonce"
[ "$(requests)" = 5 ] || fault "what was there was asked for again: $(cat log)" # the point that has nothing is asked again
kill -STOP $service
challenge 0 "nonce" # nobody answers, and what is kept is enough
kill -CONT $service
find $kept -type f -exec touch -d '2 days ago' {} +
behave "crl status 500"
challenge 0 "the one that is kept is still valid"
rm behave
fresh
challenge 6 "error 3" --offline
[ ! -e log ] || fault "--offline asked: $(cat log)"
[ ! -e cache ] || fault "--offline made a cache"

# The other verbs.
mkdir parts
"$(dirname "$make")/../cli/cli-make-se" scene parts
for_host=(--host-key-document host.pem "${trust[@]}" --crl-service "$url")
expect 0 "pages_digest" "$cvmctl" image build --kernel parts/kernel --loader-dir parts "${for_host[@]}" --header header -o image
echo secret >plain
expect 0 "id " "$cvmctl" secret seal s --platform se --header header "${for_host[@]}" --any-instance --in plain -o sealed
expect 6 "error 3" "$cvmctl" image build --kernel parts/kernel --loader-dir parts "${for_host[@]}" --offline -o no.img
[ ! -e no.img ] || fault "an image for hosts that were not checked"

# What a point gives counts only when one of the certificates signed it, and never an older one.
wrong() { # STATUS WORDS BEHAVIOUR
        fresh
        behave "$3"
        challenge "$1" "$2"
}
wrong 5 CVM-REVOKED "signer.crl file variants/revokes"
wrong 6 "none of the certificates signed that list" "signer.crl file variants/foreign"
wrong 6 "that list is not valid now" "signer.crl file variants/expired"
wrong 6 "there is no revocation list in 'http://lists.example/signer.crl'" "signer.crl file variants/nonsense"
wrong 6 "it answers with status 503" "signer.crl status 503"
wrong 6 "answered with more than 1048576 bytes" "signer.crl endless"
wrong 6 "cannot be told" "signer.crl slow" # three seconds, and the next
wrong 0 nonce "first.crl file variants/nonsense" # the next one counts
wrong 0 nonce "signer.crl once:redirect /lists.example/signer.crl"
[ "$(requests signer.crl)" = 2 ] || fault "no redirect was followed: $(cat log)"
wrong 6 "cannot be told" "signer.crl redirect /lists.example/signer.crl" # for ever
[ "$(requests signer.crl)" = 5 ] || fault "$(requests signer.crl) requests in one round of redirects"
wrong 6 "cannot be told" "signer.crl redirect file:///etc/passwd"
fresh
behave "signer.crl file variants/newer"
challenge 0 nonce
rm -r cache behave
challenge 6 "older than one that was seen before"
rm -r state
challenge 0 nonce
for list in "$kept"/*; do cp variants/foreign "$list"; done # what somebody else wrote there
challenge 0 nonce
behave "crl status 500"
for list in "$kept"/*; do cp variants/foreign "$list"; done
challenge 6 "error 3"

# Whom a certificate cannot send us to: our own network.
fresh
expect 6 "leads to an address that is not public" "$cvmctl" evidence challenge --platform se --request request -o challenge \
        --host-key-document private.pem "${trust[@]}"
expect 2 "--crl-service must be" "$cvmctl" evidence challenge --platform se --request request -o challenge \
        --host-key-document host.pem "${trust[@]}" --crl-service ftp://host
end
