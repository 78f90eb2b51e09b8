#!/bin/bash
# Attestation and secrets of Secure Execution by requests, with the guest's and the host's side in software.
. "$(dirname "$0")/expect.sh"

mkdir real sim out
"$make_se" scene real
"$make_se" scene sim simulated
trust() { echo "--cert $1/signer.pem --cert $1/inter.pem --crl $1/lists.pem --root-ca $1/root.pem --at $now"; }
read -ra real <<<"$(trust real)"
read -ra sim <<<"$(trust sim)"
host=(--host-key-document real/host1.pem)
build() { "$cvmctl" image build --kernel real/kernel --loader-dir real "${real[@]}" "${host[@]}" -q "$@" >/dev/null; }
build --keys-to keys -o a.img
build -o b.img
challenge() { "$cvmctl" evidence challenge --platform se "$@"; }
verify() { "$cvmctl" evidence verify --platform se "$@"; }
# bytes FILE FROM COUNT: in hex
bytes() { od -An -v -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n'; }
# ask NAME [OPTION...]: NAME is kept, NAME.req goes to the guest
ask() { challenge "${real[@]}" "${host[@]}" -q --request "$1.req" -o "$@"; }
# answer REQUEST IMAGE [ADDED...]
answer() { "$make_se" answer out "$1" real/host1.key "$2" said "${@:3}"; }
printf said >said
printf other >other
head -c 32 keys/cck >key32

# accepted: the image, the host and what the guest said
ask r1
[ "$(stat -c %a r1)" = 600 ] || fault "the kept key is open"
answer r1.req a.img
cp out/answer x1
expect 0 '"result":"accepted"' verify --request r1 --response x1 --header a.img --user-data said \
        "${host[@]}" --host-key-document real/host2.pem -o jsonl
expect 5 "has been answered already" verify --request r1 --response x1 --header a.img
ask r2 --secret-store
answer r2.req a.img
expect 0 '"cuid":"c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1","user_data":"73616964"' verify --request r2 --response out/answer --header a.img -o jsonl
ask r3 --secret-store
answer r3.req a.img
expect 0 '"secret_store":"b8244d02' verify --request r3 --response out/answer --header a.img -o jsonl

# refused, and the request is not used up by what is no answer to it
ask r4
expect 5 "answers another request" verify --request r4 --response x1 --header a.img
expect 5 "CVM-REPORT-FORMAT" verify --request r4 --response r4.req --header a.img
answer r4.req b.img
expect 5 "CVM-REPORT-MAC" verify --request r4 --response out/answer --header a.img
expect 0 '"result":"accepted"' verify --request r4 --response out/answer --header b.img -o jsonl
ask r5
answer r5.req a.img
printf x | dd of=out/answer bs=1 seek=560 conv=notrunc status=none
expect 5 "CVM-REPORT-MAC" verify --request r5 --response out/answer --header a.img
answer r5.req a.img
expect 5 "said something else than 'other'" verify --request r5 --response out/answer --header a.img --user-data other
ask r6
answer r6.req a.img
expect 5 "the host that opened the image is none of those" verify --request r6 --response out/answer --header a.img --host-key-document real/host2.pem
"$cvmctl" evidence challenge -q -o plain
expect 2 "is no challenge of this platform" verify --request plain --response x1 --header a.img

# the class is that of the hosts the request was made for
challenge "${sim[@]}" --host-key-document sim/host1.pem -q --request s.req -o s
"$make_se" answer out s.req sim/host1.key a.img said
expect 5 "CVM-CLASS-SIMULATED" verify --request s --response out/answer --header a.img
expect 2 "one is of a simulated host" challenge "${real[@]}" "${host[@]}" --host-key-document sim/host1.pem --request n.req -o n
expect 5 "is not marked as simulated" challenge "${sim[@]}" "${host[@]}" --request n.req -o n
[ ! -e n ] && [ ! -e n.req ] || fault "a request that was refused"

# a policy, made from the image and the hosts' documents
policy() { "$cvmctl" policy make --platform secure-execution "$@"; }
# judge STATUS WORDS IMAGE POLICY [OPTION...]: a fresh answer of that image
judge() {
        ask j --secret-store && answer j.req "$3"
        expect "$1" "$2" verify --request j --response out/answer --header "$3" --policy "$4" -o jsonl "${@:5}"
}
policy --header a.img "${real[@]}" "${host[@]}" -o p.json
judge 0 '"result":"accepted"' a.img p.json
judge 5 "CVM-MEASUREMENT" b.img p.json
policy --header a.img "${real[@]}" --host-key-document real/host2.pem -o other.json
judge 5 "CVM-HOST-ID" a.img other.json
policy --header a.img --root-ca real/root.pem --hosts any -o root.json
judge 0 '"result":"accepted"' a.img root.json
expect 2 "give --host-key-document of the hosts" policy --header a.img --hosts any
expect 2 "--header goes with --platform se" "$cvmctl" policy make --header a.img --hosts any
# the same from a definition; what is given beside it is heeded
printf '{"version":1,"platform":"secure-execution","boot":{"kernel":"%s"}}' "$PWD/a.img" >definition
from() { "$cvmctl" policy make definition "$@"; }
expect 0 "" from "${real[@]}" "${host[@]}" -o from.json
cmp p.json from.json || fault "another policy than from the header"
expect 2 "give --host-key-document of the hosts" from --hosts any
expect 2 "of class 'simulated', and the definition is not" from "${sim[@]}" --host-key-document sim/host1.pem
expect 2 "--header goes with --platform se" from --header a.img
# both names of the root are heeded, and none hides the documents
from_sim() { "$cvmctl" policy make sim-definition --simulation-root "$@"; }
printf '{"version":1,"platform":"secure-execution","simulate":true,"boot":{"kernel":"%s"}}' "$PWD/a.img" >sim-definition
from_sim sim/root.pem "${sim[@]}" --host-key-document sim/host1.pem -q -o both.json
grep -q '"hosts": \[ *"[0-9a-f]' <(tr -d '\n' <both.json) || fault "the documents' hosts"
expect 2 "is not the root of the documents" from_sim sim/signer.pem "${sim[@]}" --host-key-document sim/host1.pem
expect 0 '"hosts": "any"' from_sim sim/root.pem --hosts any
expect 2 "of class 'hardware', and the definition is not" from_sim sim/root.pem "${real[@]}" "${host[@]}"
expect 2 "'simulation_root' may stand only" policy --header a.img "${real[@]}" "${host[@]}" --simulation-root sim/root.pem
# of what is left open, only what the platform has
expect 0 "Open: the state of the firmware is shown" policy --header a.img "${real[@]}" "${host[@]}"
said() { "$cvmctl" policy show p.json 2>&1; }
! said | grep -q "ACPI\|firmware of any age" || fault "what other platforms leave open"
policy --header a.img --root-ca real/signer.pem --hosts any -o wrong.json
judge 5 "CVM-REPORT-ROOT" a.img wrong.json
policy --header a.img "${sim[@]}" --host-key-document sim/host1.pem -o sim.json
grep -q '"class": "simulated"' sim.json || fault "the class is that of the documents"
judge 5 "CVM-CLASS-HARDWARE" a.img sim.json
challenge "${sim[@]}" --host-key-document sim/host1.pem -q --request s.req -o s
"$make_se" answer out s.req sim/host1.key a.img said
expect 0 '"result":"accepted"' verify --request s --response out/answer --header a.img --policy sim.json -o jsonl
# what such an answer cannot show is not refused
sed 's/"unowned": true/"binding": "'"$(printf '1%.0s' {1..96})"'"/' p.json >owned.json
judge 6 "CVM-RAW-REPORT" a.img owned.json
# a challenge that does not say whose chain it was can be judged, but not by a policy
ask j && answer j.req a.img
sed -i 's/,"root":"[^"]*"//' j
expect 6 "CVM-REQUEST-KEPT" verify --request j --response out/answer --header a.img --policy p.json

# a request that others made, with its protection key
ask k && answer k.req a.img
sed 's/.*"key":"\([0-9a-f]*\)".*/\1/; s/../\\x&/g' k | xargs -0 printf >arpk
[ "$(stat -c %s arpk)" = 32 ] || fault "the key of a request"
foreign() { verify --arpk arpk --response out/answer "$@"; }
expect 0 '"not_judged":["class","hosts"]' foreign --header a.img --request k.req --user-data said -o jsonl
expect 0 '"not_judged":["class","hosts","freshness"]' foreign --header a.img -o jsonl
expect 0 '"not_judged":["class"]' foreign --header a.img --request k.req "${host[@]}" -o jsonl
! foreign --header a.img -o jsonl -q | grep -q '"class":' || fault "a class that nobody knows"
expect 5 "is none of those that are named" foreign --header a.img --host-key-document real/host2.pem
expect 5 "CVM-REPORT-MAC" foreign --header b.img
expect 5 "something else" foreign --header a.img --user-data other
expect 5 "answers another request" foreign --header a.img --request r1.req
expect 2 "no request, but an answer" foreign --header a.img --request out/answer
expect 5 "does not open" verify --arpk key32 --response out/answer --header a.img
expect 2 "--arpk must have just 32 bytes" verify --arpk said --response out/answer --header a.img
expect 2 "--policy" foreign --header a.img --policy p.json
ask k --secret-store && answer k.req a.img
sed 's/.*"key":"\([0-9a-f]*\)".*/\1/; s/../\\x&/g' k | xargs -0 printf >arpk
expect 5 "other secrets" foreign --header a.img --locked
challenge "${sim[@]}" --host-key-document sim/host1.pem -q --request s.req -o s
"$make_se" answer out s.req sim/host1.key a.img said
sed 's/.*"key":"\([0-9a-f]*\)".*/\1/; s/../\\x&/g' s | xargs -0 printf >arpk
expect 5 "CVM-CLASS-SIMULATED" foreign --header a.img --host-key-document sim/host1.pem

# a file of several hosts is said to be taken in part, one that has the signer too is not
expect 0 "give each host's document in a file of its own" challenge "${real[@]}" \
        --host-key-document <(cat real/host1.pem real/host2.pem) --request m.req -o m
challenge "${real[@]}" --host-key-document <(cat real/host1.pem real/signer.pem) --request m.req -o m 2>words
! grep -q "of its own" words || fault "a document with its signer"

# usage
expect 2 "--request FILE and -o FILE" challenge "${real[@]}" "${host[@]}" -o n
expect 2 "two files" challenge "${real[@]}" "${host[@]}" --request n -o n
expect 2 "--header is needed" "$cvmctl" policy make --platform se "${real[@]}" "${host[@]}"
[ ! -e n ] || fault "a request that is kept"
expect 2 "--host-key-document is needed" challenge --request n.req -o n
expect 2 "not for 'sev-snp'" "$cvmctl" evidence challenge --platform sev-snp
expect 2 "for a --platform" "$cvmctl" evidence challenge --request n.req
ask r8
expect 2 "--header is needed" verify --request r8 --response x1

# secrets
seal() { "$cvmctl" secret seal "$@" --platform se --header a.img "${real[@]}" "${host[@]}"; }
unseal() { "$make_se" unseal "$1" "real/$2.key" out; }
cuid=c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1
printf 'my secret' >secret

expect 0 "id 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" seal secret --in secret --cuid $cuid --cck keys/cck -o q
unseal q host1
[ "$(head -c 11 out/secret | tail -c 9)" = "my secret" ] || fault "plaintext"
[ "$(stat -c %s out/secret)" = 16 ] || fault "its padding"
cmp -s out/extension keys/cck && fault "the cck itself"
cmp -s -n 32 out/extension /dev/zero && fault "no extension secret"
[ "$(bytes q 264 16)" = $cuid ] || fault "cuid"
expect 1 "does not open" unseal q host2
cp out/extension derived
expect 0 "" seal other --in key32 --type association --any-instance --extension-secret derived --use-name -o q
unseal q host1
cmp out/secret key32 || fault "association"
cmp out/extension derived || fault "the given extension secret"
[ "$(bytes q 264 16)" = 00000000000000000000000000000000 ] || fault "any instance"
expect 0 "nothing in it proves who made it" seal meta --type meta --any-instance --disable-dump --user-data said -o q
[ "$(bytes q 6 2)$(bytes q 48 8)" = 00018000000000000000 ] || fault "unsigned user data, no dumps"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out user.pem 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem 2>/dev/null
expect 0 "" seal meta --type meta --any-instance --user-data said --user-key user.pem -o q
[ "$(bytes q 6 2)" = 0002 ] || fault "signed user data"
expect 2 "neither on P-521" seal meta --type meta --any-instance --user-data said --user-key p256.pem -o no
expect 2 "give --cuid" seal x --in secret -o no
expect 2 "give --cuid" seal x --in secret --cuid $cuid --any-instance -o no
expect 2 "32 lower-case hex digits" seal x --in secret --cuid c1 -o no
expect 2 "there is no type" seal x --in secret --any-instance --type rsa -o no
expect 2 "--in goes with a type that has a secret" seal x --in secret --any-instance --type meta -o no
expect 2 "has 32 bytes, not 9" seal x --in secret --any-instance --type aes-256 -o no
expect 2 "exclude each other" seal x --in secret --any-instance --cck keys/cck --extension-secret derived -o no
expect 2 "at most 31 bytes" seal 01234567890123456789012345678901 --in secret --any-instance --use-name -o no
expect 2 "a secret has a name" seal "" --in secret --any-instance -o no
expect 2 "a secret has a name" seal "" --type meta --any-instance --use-name -o no
head -c 32 /dev/zero >zero
expect 2 "--extension-secret must not be all zero" seal x --in secret --any-instance --extension-secret zero -o no
expect 2 "--header was given twice" seal x --in secret --any-instance --header b.img -o no
expect 2 "a secret has at least one byte" seal x --any-instance --cck - -o no <keys/cck
expect 2 "standard input is empty" seal x --any-instance -o no </dev/null
[ ! -e no ] || fault "a secret that was refused"
expect 0 "" seal secret --in secret --any-instance --cck - -o q <keys/cck
unseal q host1
cmp out/extension derived || fault "the cck of standard input"

# what was added, and in which order, stands in the store's hash; the answers here are of an empty store
seal meta --type meta --any-instance -o q -q
judge 5 "other secrets than those that were added" a.img p.json --added q
judge 5 "other secrets" a.img p.json --locked
ask j && answer j.req a.img
expect 5 "does not say which secrets" verify --request j --response out/answer --header a.img --policy p.json --added q
ask j --secret-store && answer j.req a.img
expect 5 "CVM-SECRET-STORE" verify --request j --response out/answer --header a.img --added q
ask j --secret-store && answer j.req a.img
expect 5 "'secret': " verify --request j --response out/answer --header a.img --added secret
end
