#!/bin/bash
# image build, show and verify, and the host's side of what was built. No network, no s390x.
. "$(dirname "$0")/expect.sh"

mkdir real sim out
"$make_se" scene real
"$make_se" scene sim simulated
trust() { echo "--cert $1/signer.pem --cert $1/inter.pem --crl $1/lists.pem --root-ca $1/root.pem --at $now"; }
read -ra real <<<"$(trust real)"
read -ra sim <<<"$(trust sim)"
parts=(--platform se --kernel real/kernel --loader-dir real)
build() { "$cvmctl" image build "${parts[@]}" "$@"; }
start() { "$make_se" start "$1" "$2" 11000 out; }

# built, started, and given back
expect 0 '"cck-extension-secret"' build "${real[@]}" --host-key-document real/host1.pem --host-key-document real/host2.pem \
        --initrd real/initrd --cmdline "quiet root=/dev/vda" --keys-to keys --header kept.hdr --offline -o a.img
[ "$(find keys -type f -perm 600 -printf '%f %s\n' | sort | tr '\n' ' ')" = "cck 32 hdr-key 32 image-key 64 " ] || fault "keys"
[ "$(stat -c %a keys)" = 700 ] || fault "keys/ is open"
for host in 1 2; do
        expect 0 "00000000000000e0 4000000000000000" start a.img real/host$host.key
        for part in kernel initrd; do cmp real/$part out/$part || fault "$part of host $host"; done
        [ "$(cat out/cmdline)" = "quiet root=/dev/vda" ] || fault "cmdline of host $host"
        cmp keys/cck out/cck || fault "cck"
done
expect 1 "does not start" start a.img sim/host1.key

# no key on a disk unless asked: beside the image nothing is left
expect 0 "" build "${real[@]}" --host-key-document real/host1.pem -o b.img
[ "$(ls)" = "$(printf '%s\n' a.img b.img kept.hdr keys out real sim)" ] || fault "$(ls)"
expect 0 "00000000000000e0 0000000000000000" start b.img real/host1.key
expect 1 "does not start" start b.img real/host2.key
expect 2 "cannot be made" build "${real[@]}" --host-key-document real/host1.pem --keys-to keys -o c.img
[ ! -e c.img ] || fault "an image without its keys"
expect 2 "'out' cannot be written" build "${real[@]}" --host-key-document real/host1.pem --keys-to lost --header out -o c.img
expect 2 "'out' cannot be written" build "${real[@]}" --host-key-document real/host1.pem --keys-to lost -o out
[ ! -e lost ] || fault "keys of no image"
expect 2 "only a regular file" build "${real[@]}" --host-key-document real/host1.pem -o /dev/stdout

# the same keys again; flags
expect 0 '"not-encrypted"' build "${real[@]}" --host-key-document real/host1.pem --cck keys/cck --hdr-key keys/hdr-key \
        --image-key keys/image-key --enable-dump --enable-pckmo-hmac --enable-backup-keys --disable-image-encryption \
        --disable-cck-extension-secret --cmdline "" -o c.img
expect 0 "00000000300000f2 0000000000000000" start c.img real/host1.key
cmp keys/cck out/cck || fault "the given cck"
grep -qaF "S390EP" a.img && fault "a kernel in the clear"
grep -qaF "S390EP" c.img || fault "no kernel in the clear"
expect 0 "are not encrypted" build "${real[@]}" --host-key-document real/host1.pem --disable-image-encryption \
        --enable-cck-update --disable-pckmo -o c.img
expect 0 "0000000010000000 2000000000000000" start c.img real/host1.key
expect 2 "--enable-dump needs" build "${real[@]}" --host-key-document real/host1.pem --enable-dump -o d.img
head -c 31 keys/cck >short
expect 2 "--cck must have just 32 bytes, and 'short' has not" build "${real[@]}" --host-key-document real/host1.pem --cck short -o d.img
head -c 32 /dev/zero >zero
expect 2 "--cck must not be all zero" build "${real[@]}" --host-key-document real/host1.pem --cck zero -o d.img
cat keys/hdr-key keys/hdr-key >equal
expect 2 "two equal halves" build "${real[@]}" --host-key-document real/host1.pem --image-key equal -o d.img

# a key from a pipe, which no disk ever has
expect 0 "" build "${real[@]}" --host-key-document real/host1.pem --cck - -o d.img <keys/cck
start d.img real/host1.key >/dev/null
cmp keys/cck out/cck || fault "the cck of standard input"
expect 0 "secret_flags" "$cvmctl" image show a.img --hdr-key - <keys/hdr-key
expect 2 "--hdr-key must have just 32 bytes, and '-' has not" build "${real[@]}" --host-key-document real/host1.pem --cck - --hdr-key - \
        -o e.img <keys/cck

# the owner on the command line
"$cvmctl" owner init -q >/dev/null
id=$("$cvmctl" owner show -o jsonl | sed -n 's/.*"owner_id":"\([0-9a-f]*\)".*/\1/p')
[ ${#id} = 96 ] || fault "owner id '$id'"
expect 0 "" build "${real[@]}" --host-key-document real/host1.pem --cmdline quiet --owner-key owner.pem -o d.img
start d.img real/host1.key >/dev/null
[ "$(cat out/cmdline)" = "quiet cvm.owner=$id" ] || fault "$(cat out/cmdline)"
expect 2 "must not have cvm.owner=" build "${real[@]}" --host-key-document real/host1.pem --cmdline "cvm.owner=0" \
        --owner-key owner.pem -o d.img

# hosts
expect 2 "--host-key-document is needed" build "${real[@]}" -o no.img
expect 2 "of the same host key" build "${real[@]}" --host-key-document real/host1.pem --host-key-document real/host1.pem -o no.img
expect 2 "one is of a simulated host" build "${real[@]}" --host-key-document real/host1.pem \
        --host-key-document sim/host1.pem -o no.img
expect 5 "is of a simulated host, and its signer is not" build "${real[@]}" --host-key-document sim/host1.pem -o no.img
expect 5 "is not marked as simulated" build "${sim[@]}" --host-key-document real/host1.pem -o no.img
expect 0 "SIMULATED" build "${sim[@]}" --host-key-document sim/host1.pem -o sim.img
expect 6 "error 3" build --cert real/signer.pem --cert real/inter.pem --root-ca real/root.pem --at $now \
        --host-key-document real/host1.pem -o no.img
expect 6 "whether 'real/host1.pem' is revoked cannot be told" build --cert real/signer.pem --cert real/inter.pem \
        --crl real/lists-of-chain.pem --root-ca real/root.pem --at $now --host-key-document real/host1.pem -o no.img
expect 6 "error 20" build --cert real/signer.pem --cert real/inter.pem --crl real/lists.pem --at $now \
        --host-key-document real/host1.pem -o no.img
expect 5 "error 10" build "${real[@]:0:8}" --at 2027-02-15T00:00:00Z --host-key-document real/host1.pem -o no.img
# a certificate that is not there refutes nothing, another's in its place does
without=(--crl real/lists.pem --root-ca real/root.pem --at "$now" --host-key-document real/host1.pem --offline)
expect 6 "Key Signing Service, which signs host-key documents, was not given" build --cert real/inter.pem "${without[@]}" -o no.img
expect 6 "was not given" build "${without[@]}" -o no.img
expect 6 "was not given" "$cvmctl" evidence challenge --platform se "${without[@]}" --request no.req -o no.img
expect 6 "was not given" "$cvmctl" secret seal x --platform se --header kept.hdr "${without[@]}" --any-instance --type meta -o no.img
expect 6 "was not given" "$cvmctl" policy make --platform se --header kept.hdr "${without[@]}" -o no.img
expect 5 "none of the certificates" build --cert real/inter.pem --cert real/host2.pem "${without[@]}" -o no.img
expect 5 "no host-key document" build "${real[@]}" --host-key-document real/initrd -o no.img
expect 5 "not on P-521" build "${real[@]}" --host-key-document real/root.pem -o no.img

# parts
expect 2 "comes with s390-tools" "$cvmctl" image build --kernel real/kernel --loader-dir out "${real[@]}" \
        --host-key-document real/host1.pem -o no.img
expect 2 "no kernel of s390x" "$cvmctl" image build --kernel real/initrd --loader-dir real "${real[@]}" \
        --host-key-document real/host1.pem -o no.img
expect 2 "the kernel 'real/kernel' takes 895" build "${real[@]}" --host-key-document real/host1.pem \
        --cmdline "$(printf '%0896d' 1)" -o no.img
expect 2 "not of 'sev-snp'" "$cvmctl" image build --platform sev-snp -o no.img
expect 2 "changed while it was read" build "${real[@]}" --host-key-document real/host1.pem --initrd /proc/cpuinfo -o no.img
expect 2 "-o FILE is needed" build "${real[@]}" --host-key-document real/host1.pem
expect 2 "only a regular file" build "${real[@]}" --host-key-document real/host1.pem -o -
[ ! -e no.img ] || fault "an image of a build that failed"

# shown
expect 0 '"kind":"initrd"' "$cvmctl" image show a.img -o jsonl
expect 0 '"length":5000' "$cvmctl" image show a.img --hdr-key keys/hdr-key -o jsonl
expect 0 '"secret_flags":"4000000000000000"' "$cvmctl" image show kept.hdr --hdr-key keys/hdr-key -o jsonl
expect 0 "it is a header alone" "$cvmctl" image show kept.hdr
[ "$("$cvmctl" image show a.img -o name)" = "$("$cvmctl" image show kept.hdr -q -o name)" ] || fault "tags"
expect 5 "there is no header in it" "$cvmctl" image show real/kernel
expect 5 "does not open" "$cvmctl" image show b.img --hdr-key keys/hdr-key
expect 2 "cannot be opened" "$cvmctl" image show gone

# verified
verify() { "$cvmctl" image verify "$@"; }
expect 0 "Whose header that is" verify a.img
expect 0 '"checked":["header","host-key-document","tag","kernel","initrd","cmdline","loader"]' verify a.img --header kept.hdr \
        --host-key-document real/host2.pem --hdr-key keys/hdr-key --kernel real/kernel --initrd real/initrd \
        --cmdline "quiet root=/dev/vda" --loader-dir real -o jsonl
expect 0 '"checked":["host-key-document"]' verify a.img --host-key-document real/host1.pem --host-key-document real/host2.pem -o jsonl
expect 5 "has another header" verify b.img --header kept.hdr
expect 5 "has another header" verify b.img --header a.img
expect 0 '"checked":["header"]' verify a.img --header a.img -o jsonl
expect 5 "not built for the host of" verify b.img --host-key-document real/host2.pem
expect 5 "does not open" verify b.img --hdr-key keys/hdr-key
expect 5 "not made with the initrd 'real/kernel'" verify a.img --hdr-key keys/hdr-key --initrd real/kernel
expect 5 "not made with this command line" verify a.img --hdr-key keys/hdr-key --cmdline quiet
cp -r real other
printf x | dd of=other/stage3b_reloc.bin bs=1 seek=9 conv=notrunc status=none
expect 5 "not made with this loader" verify a.img --hdr-key keys/hdr-key --loader-dir other
expect 2 "--kernel needs --hdr-key" verify a.img --kernel real/kernel
cp a.img bad.img
printf x | dd of=bad.img bs=1 seek=100000 conv=notrunc status=none
expect 5 "(PLD)" verify bad.img
cp a.img bad.img
printf x | dd of=bad.img bs=1 seek=66000 conv=notrunc status=none
expect 0 "" verify bad.img
expect 5 "the first stage of its loader" verify bad.img --hdr-key keys/hdr-key --loader-dir real
# no byte that nothing protects is another one than the builder's: the front with its gaps, the IPIB to its end
end_of=$(stat -c %s a.img)
for at in 0 8 464 49000 49155 49180 65535 66000 $((0x11000 - 1)) $((0x14000 - 1)) $((0x142d0)) $((0x15000 - 1)) \
        $((end_of - 228)) $((end_of - 216)) $((end_of - 200)) $((end_of - 1)); do
        cp a.img bad.img
        printf x | dd of=bad.img bs=1 seek="$at" conv=notrunc status=none
        expect 5 "CVM-IMAGE-" verify bad.img --hdr-key keys/hdr-key --loader-dir real
done
head -c 100000 a.img >bad.img
expect 5 "CVM-IMAGE-FORMAT" verify bad.img
expect 5 "a header alone" verify kept.hdr
end
