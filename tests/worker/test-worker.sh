#!/bin/bash
# cvmd-worker by hand, as an operator would use it: test-worker.sh WORKER [confined]
# "confined": also prove that the sandbox stands before the first byte of input is read.
set -euo pipefail
worker=$1 confined=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
faults=0

# expect STATUS WORDS VERB REQUEST [descriptors...]
expect() {
        local status=$1 words=$2 verb=$3 request=$4 got=0 out
        printf '%s' "$request" >request
        out=$("$worker" "$verb" <request 2>&1) || got=$?
        if [ "$got" != "$status" ] || ! grep -qF -- "$words" <<<"$out"; then
                printf 'FAULT: %s %s\n  exit %s, not %s; or no "%s" in: %s\n' "$verb" "$request" "$got" "$status" \
                        "$words" "$out"
                faults=$((faults + 1))
        fi
}

printf kernel >k
definition='{\"version\":1,\"simulate\":true,\"boot\":{\"kernel\":\"k\"}}'
with_firmware='{\"version\":1,\"simulate\":true,\"firmware\":\"f\",\"boot\":{\"kernel\":\"k\"}}'
exec 3<k 4<>copy

expect 2 "has no verb 'cook'" cook '{}'
expect 2 "is not JSON" pin '{'
expect 2 "needs 'source'" pin '{}'
expect 2 "is no descriptor" pin '{"source":3,"destination":9}'
expect 2 "is no descriptor" pin '{"source":0,"destination":4}'
expect 2 "must be a whole number" pin '{"source":"3","destination":4}'
expect 0 "$(sha256sum k | cut -d' ' -f1)" pin '{"source":3,"destination":4}'
cmp k copy || { echo "FAULT: the copy differs"; faults=$((faults + 1)); }

expect 0 '"platform":"sev-snp"' measure "{\"definition\":\"$definition\",\"kernel\":3}"
expect 2 "size is not a multiple" measure "{\"definition\":\"$with_firmware\",\"kernel\":3,\"firmware\":3}"
expect 2 "is not JSON" measure '{}'
expect 2 "'vcpus'" measure '{"definition":"{\"version\":1,\"vcpus\":0}"}'

# A qcow2 header of version 3, byte by byte: image OFFSET BYTES changes it.
image() {
        {
                printf 'QFI\xfb\0\0\0\3'               # magic, version
                printf '\0\0\0\0\0\0\0\0\0\0\0\0'      # no backing file
                printf '\0\0\0\20'                     # 64 KiB clusters
                printf '\0\0\0\0\0\20\0\0'             # 1 MiB
                printf '\0\0\0\0'                      # no encryption
                head -c 36 /dev/zero
                head -c 24 /dev/zero                   # feature bits
                printf '\0\0\0\4\0\0\0\150'            # refcount order, header length 104
                head -c 64 /dev/zero                   # no extensions
        } >disk
        [ $# = 0 ] || printf "$2" | dd of=disk bs=1 seek="$1" conv=notrunc status=none
        exec 5<disk
}
disk='{"disk":5,"format":"qcow2"}'
image
expect 0 '"virtual_size":1048576' disk "$disk"
expect 0 '"virtual_size":168' disk '{"disk":5,"format":"raw"}'
expect 2 "a known 'format'" disk '{"disk":5,"format":"vmdk"}'
image 0 'X'
expect 2 "CVM-DISK-FORMAT" disk "$disk"
image 7 '\4'
expect 2 "unknown version" disk "$disk"
image 15 '\160'
expect 2 "CVM-DISK-BACKING" disk "$disk"
image 19 '\11'
expect 2 "CVM-DISK-BACKING" disk "$disk"
image 79 '\4'
expect 2 "CVM-DISK-DATA-FILE" disk "$disk"
image 79 '\40'
expect 2 "features that are not known" disk "$disk"
image 35 '\1'
expect 2 "encrypted by QEMU" disk "$disk"
image 24 '\377'
expect 2 "impossible sizes" disk "$disk"
image 103 '\1'
expect 2 "impossible length" disk "$disk"
image 104 'DATA\0\0\0\10filename'
expect 2 "CVM-DISK-DATA-FILE" disk "$disk"
image 104 '\342\171\052\312\0\0\0\3raw'
expect 2 "CVM-DISK-BACKING" disk "$disk"
image 104 '\1\2\3\4\377\377\377\377'
expect 2 "absurd length" disk "$disk"
image 104 '\1\2\3\4\0\0\0\377'
expect 2 "without end" disk "$disk"
head -c 50 disk >short
exec 5<short
expect 2 "shorter than its header" disk "$disk"

# A host as a service sees it: what cannot be read is no failure, and says who may. This machine's is asked too.
mkdir -p host/proc host/dev
printf 'vendor_id\t: AuthenticAMD\n' >host/proc/cpuinfo
touch host/dev/kvm
expect 0 '"sentence":"this could not be read by the service:' host '{"root":"host"}'
expect 0 'Run `cvmctl host check` as root.' host '{"root":"host"}'
expect 0 '"id":"qemu","verdict":"FAIL"' host '{"root":"host"}'
expect 2 "CVM-FILE" host '{"root":"nowhere"}'
expect 2 "must be a text" host '{"root":7}'
expect 0 '"id":"kvm"' host '{}'

if [ "$confined" = confined ]; then
        mkfifo in
        "$worker" disk <in >/dev/null &
        pid=$!
        exec 6>in # the worker waits for its request now: its walls must stand already
        for _ in $(seq 200); do # until it has got so far; nothing tells when
                grep -q '^Seccomp:[[:space:]]2' "/proc/$pid/status" && break
                sleep 0.02
        done
        for line in 'Seccomp:[[:space:]]2' 'NoNewPrivs:[[:space:]]1'; do
                grep -q "^$line" "/proc/$pid/status" || { echo "FAULT: no '$line'"; faults=$((faults + 1)); }
        done
        exec 6>&-
        wait "$pid" || true

        # Two large files are hashed by two threads, which the walls let through; a filter that does not kills the worker.
        truncate -s 1G large
        exec 7<large
        with_initrd='{\"version\":1,\"simulate\":true,\"boot\":{\"kernel\":\"k\",\"initrd\":\"i\"}}'
        printf '%s' "{\"definition\":\"$with_initrd\",\"kernel\":7,\"initrd\":7}" >request
        "$worker" measure <request >answer &
        pid=$! most=1
        while kill -0 "$pid" 2>/dev/null; do
                tasks=("/proc/$pid/task"/*)
                [ "${#tasks[@]}" -le "$most" ] || most=${#tasks[@]}
        done
        wait "$pid" || { echo "FAULT: two large files: exit $?"; faults=$((faults + 1)); }
        grep -q '"platform":"sev-snp"' answer || { echo "FAULT: no measurement of two large files"; faults=$((faults + 1)); }
        [ "$(nproc)" = 1 ] || [ "$most" -ge 2 ] || { echo "FAULT: no second thread"; faults=$((faults + 1)); }
fi

echo "$faults faults"
[ "$faults" = 0 ]
