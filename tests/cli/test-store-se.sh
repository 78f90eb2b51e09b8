#!/bin/bash
# The whole way of a secret into the store of a guest of Secure Execution with our agent, on the owner's side: evidence that
# is accepted, a request for that very run, sealed and signed, and evidence again that covers the store.
. "$(dirname "$0")/expect.sh"

mkdir real sim
"$make_se" scene real
"$make_se" scene sim simulated
trust() { echo "--cert $1/signer.pem --cert $1/inter.pem --crl $1/lists.pem --root-ca $1/root.pem --host-key-document $1/host1.pem --at $now"; }
read -ra real <<<"$(trust real)"
read -ra sim <<<"$(trust sim)"
"$cvmctl" owner init -q >/dev/null
"$make" bundle . good "$(printf '5%.0s' {1..64})" all >snp.bundle # another guest, of the same boot's keys
"$cvmctl" image build --kernel real/kernel --loader-dir real "${real[@]}" --owner-key owner.pem --keys-to keys -q -o a.img >/dev/null
"$cvmctl" image build --kernel real/kernel --loader-dir real "${sim[@]}" --owner-key owner.pem --keys-to sim-keys -q -o sim.img >/dev/null

# own CLASS SIMULATE IMAGE: binding and policy for a guest of that image
own() {
        printf '{"version":1,"platform":"secure-execution","boot":{"kernel":"%s"},"simulate":%s}' "$PWD/$3" "$2" >"$1.definition"
        "$cvmctl" binding make "$1.definition" --owner-key owner.pem -q -o "$1.binding"
        local -n trusted=$1
        "$cvmctl" policy make --platform se --header "$3" "${trusted[@]}" --binding "$1.binding" -o "$1.policy" 2>/dev/null
}
own real false a.img
own sim true sim.img

# ask NAME CLASS IMAGE [ADDED...]: evidence of that guest, into NAME.bundle
ask() {
        local -n trusted=$2
        "$cvmctl" evidence challenge --platform se --secret-store "${trusted[@]}" --request "$1.req" -q -o "$1.challenge"
        "$make_se" bundle "$1.req" "$2/host1.key" "$3" "$(of "$1.challenge" nonce)" "$2.binding" "${@:4}" >"$1.bundle"
}
# judge NAME CLASS IMAGE [OPTION...]
judge() {
        "$cvmctl" evidence verify "$1.bundle" --challenge "$1.challenge" --policy "$2.policy" --header "$3" --owner-key owner.pem \
                --verdict "$1.verdict" "${@:4}"
}
ask e real a.img
expect 0 "accepted" judge e real a.img
expect 5 "CVM-NONCE" judge e real a.img

# for this run: sealed to its boot, signed, and the request itself is the host's and this run's
printf 'my secret' >secret
seal() { "$cvmctl" secret seal "$1" --platform se --header a.img "${real[@]}" --cck keys/cck "${@:2}"; }
to=(--bundle e.bundle --verdict e.verdict --owner-key owner.pem)
expect 0 "id " seal db "${to[@]}" --in secret --request db.req -o db.sealed
grep -q 'my secret' db.req db.sealed && fault "a secret in the clear"
"$make" open . db.sealed >opened 2>said
grep -q "kind uv-request name db" said || fault "$(cat said)"
cmp opened db.req || fault "another request is sealed than the one that is kept"
[ "$(od -An -v -tx1 -j 264 -N 16 db.req | tr -d ' \n')" = "$(printf 'c1%.0s' {1..16})" ] || fault "another run's id"
head -c 32 keys/hdr-key >key
expect 0 "" seal key "${to[@]}" --type aes-256 --in key --request key.req -o key.sealed
expect 0 "" seal meta "${to[@]}" --type meta --any-instance --request meta.req -o meta.sealed -q
[ "$(od -An -v -tx1 -j 264 -N 16 meta.req | tr -d ' 0\n')" = "" ] || fault "not for any instance"

# and the store says so, to whom knows all of them and their order
ask f real a.img db.req key.req meta.req
expect 0 "accepted" judge f real a.img --added db.req --added key.req --added meta.req
ask f real a.img db.req key.req
expect 5 "CVM-SECRET-STORE" judge f real a.img --added key.req --added db.req
ask f real a.img db.req key.req
expect 5 "CVM-SECRET-STORE" judge f real a.img --added db.req --added key.req --locked
ask f real a.img db.req
expect 0 "accepted" judge f real a.img # nobody asked
ask f real a.img
expect 5 "CVM-SECRET-STORE" judge f real a.img --added db.req

# a request for another run, image or owner is no good there: what the ultravisor itself refuses
expect 0 "" seal old --cuid "$(printf 'c2%.0s' {1..16})" --type meta --offline -q -o old.req
expect 1 "refused: 10c" ask f real a.img old.req
expect 0 "" "$cvmctl" secret seal other --platform se --header sim.img "${real[@]}" --cck keys/cck --any-instance --type meta -o other.req
expect 1 "refused: 10c" ask f real a.img other.req
expect 0 "" "$cvmctl" secret seal other --platform se --header a.img "${real[@]}" --cck sim-keys/cck --any-instance --type meta -o other.req
expect 1 "refused: 10c" ask f real a.img db.req other.req

# what is not sealed
expect 6 "CVM-VERDICT" seal no --bundle e.bundle --in secret -o no
ask f real a.img
expect 5 "CVM-VERDICT-OTHER-BOOT" seal no --bundle f.bundle --verdict e.verdict --in secret -o no
expect 2 "give --cuid" seal no "${to[@]}" --cuid "$(printf 'c1%.0s' {1..16})" --in secret -o no
expect 2 "zeros" seal no --cuid "$(printf '0%.0s' {1..32})" --in secret -o no
expect 2 "--request goes with --bundle" seal no --any-instance --in secret --request r -o no
expect 2 "the host-key documents are of class 'simulated'" "$cvmctl" secret seal no --platform se --header a.img "${sim[@]}" "${to[@]}" --in secret -o no
expect 2 "owner key 'none'" "$cvmctl" secret seal no --platform se --header a.img "${real[@]}" "${to[@]:0:4}" --owner-key none --in secret -o no
"$cvmctl" evidence verify snp.bundle --nonce "$(printf '5%.0s' {1..64})" --policy <("$cvmctl" policy make --from prediction.json --binding \
        binding.json --hosts any --simulation-root root.pem -q) --at $now --owner-key owner.pem --verdict snp.verdict -q >/dev/null
expect 2 "of a guest of 'sev-snp'" seal no --bundle snp.bundle --verdict snp.verdict --in secret -o no
expect 2 "'my secret' is no name of a secret" seal "my secret" "${to[@]}" --in secret --request r -o no
expect 2 "a secret has a name" seal "" "${to[@]}" --in secret --request r -o no
# the verdict is on a guest of one image, and a request for another is for nobody who runs
"$cvmctl" image build --kernel real/kernel --loader-dir real "${real[@]}" --owner-key owner.pem -q -o b.img >/dev/null
for other in b.img sim.img; do
        expect 5 "sealing 'no': the verdict 'e.verdict' is on a guest of another image than '$other'" \
                "$cvmctl" secret seal no --platform se --header "$other" "${real[@]}" "${to[@]}" --in secret --request r -o no
done
sed 's/.*"payload":"\([^"]*\)".*/\1/' e.verdict | base64 -d >e.payload
grep -q ',"image":"[0-9a-f]\{96\}"' e.payload || fault "the verdict names no image: $(cat e.payload)"
"$cvmctl" sign verdict <(sed 's/,"image":"[0-9a-f]*"//' e.payload) --owner-key owner.pem -q -o imageless.verdict
expect 6 "sealing 'no': the verdict 'imageless.verdict' names no image" \
        seal no --bundle e.bundle --verdict imageless.verdict --owner-key owner.pem --in secret --request r -o no
[ ! -e no ] && [ ! -e r ] || fault "a secret that was refused"

# the simulated one is marked, and has its own hosts
ask s sim sim.img
expect 0 "SIMULATED" judge s sim sim.img
expect 2 "the host-key documents are of class 'hardware'" "$cvmctl" secret seal no --platform se --header sim.img "${real[@]}" --bundle s.bundle --verdict s.verdict --in secret -o no
expect 0 "SIMULATED" "$cvmctl" secret seal db --platform se --header sim.img "${sim[@]}" --cck sim-keys/cck --bundle s.bundle \
        --verdict s.verdict --in secret --request s.db -o s.sealed
"$make" open . s.sealed 2>said | cmp - s.db || fault "another request"
grep -q "platform 131 " said || fault "$(cat said)"
end
