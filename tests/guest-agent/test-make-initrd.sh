#!/bin/bash
# Which modules an initrd holds and in which order they are loaded, for kernels that have the hardware's drivers or not.
#   test-make-initrd.sh SOURCE_DIR
set -euo pipefail
source_dir=$1
for program in busybox cpio xz; do
        command -v "$program" >/dev/null || { echo "SKIP: no $program"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

# module KERNEL PATH DEPENDS: what a module file says of itself, between zeros as in its section .modinfo
module() {
        mkdir -p "$(dirname "$work/$1/lib/modules/9.9.9/kernel/$2")"
        printf 'ELF\0license=GPL\0depends=%s\0name=x\0' "$3" >"$work/$1/lib/modules/9.9.9/kernel/$2"
}

# The order that an initrd of that kernel has, in one line; it holds these modules and no others.
order() {
        rm -rf "$work/out" && mkdir "$work/out"
        "$source_dir/guest-agent/make-initrd" "$work/$1" /bin/true "$work/initrd"
        (cd "$work/out" && gzip -dc "$work/initrd" | cpio --quiet -id 'lib/modules/*')
        [ "$(ls "$work/out/lib/modules" | grep -v '^order$' | LC_ALL=C sort)" = \
                "$(sed 's/$/.ko/' "$work/out/lib/modules/order" | LC_ALL=C sort)" ] || fail "$1: other files than the order names"
        tr '\n' ' ' <"$work/out/lib/modules/order"
}

module old drivers/virtio/virtio_pci.ko virtio,virtio_ring
module old drivers/virtio/virtio.ko virtio_ring
module old drivers/virtio/virtio_ring.ko ""
module old drivers/char/virtio_console.ko virtio,virtio_ring
module old fs/configfs/configfs.ko ""
found=$(order old)
[ "$found" = "virtio_ring virtio virtio_pci virtio_console " ] || fail "without the hardware's drivers: $found"
cp "$work/initrd" "$work/first"
order old >/dev/null
cmp "$work/first" "$work/initrd" || fail "the same inputs gave other bytes"

mkdir "$work/new" && cp -r "$work/old" "$work/new/usr" # where Debian 13 has it
module new/usr drivers/virt/coco/sev-guest/sev-guest.ko tsm,libaesgcm
module new/usr drivers/virt/coco/tdx-guest/tdx-guest.ko tsm
module new/usr drivers/virt/coco/tsm.ko configfs
module new/usr crypto/gcm.ko ""
module new/usr crypto/ghash-generic.ko gf128mul
module new/usr lib/crypto/libaesgcm.ko gf128mul
module new/usr lib/crypto/gf128mul.ko ""
module new/usr drivers/net/unasked.ko ""
xz "$work/new/usr/lib/modules/9.9.9/kernel/drivers/virt/coco/sev-guest/sev-guest.ko" # as Debian does since 13
found=$(order new)
[ "$found" = "virtio_ring virtio virtio_pci virtio_console configfs tsm gf128mul libaesgcm ghash_generic gcm sev_guest tdx_guest " ] ||
        fail "with the hardware's drivers: $found"
grep -q license=GPL "$work/out/lib/modules/sev_guest.ko" || fail "the module is packed still"
echo "both kernels as expected"
