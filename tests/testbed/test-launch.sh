#!/bin/bash
# What cvmctl predicts is what an unmodified QEMU submits: test-launch.sh CVMCTL
# The launches are complete, but for the hardware; no guest code runs.
set -euo pipefail
cvmctl=$(realpath "$1")
. "$(dirname "$0")/lib.sh"
start_testbed

# launch [CVM_TESTBED_FAIL=...] OBJECT-OPTIONS QEMU-OPTIONS...: until the guest is running or its start failed. The words of
# both are in said.
launch() {
        local variables=()
        if [[ $1 == CVM_TESTBED_FAIL=* ]]; then
                variables=("$1")
                shift
        fi
        make_qemu qemu "${variables[@]}"
        snp_options "$1"
        shift
        rm -f record.json
        printf '{"execute":"%s"}\n' qmp_capabilities query-status quit | ./qemu "${snp[@]}" "$@" -qmp stdio >said 2>&1 || return
        grep -q '"status": "running"' said
}

# What QEMU and the library have to say about a launch that went well: nothing
check_silence() {
        ! grep -v '^{' said || fault "$1: words of QEMU or of the library, above"
}

# same WHAT OBJECT-OPTIONS QEMU-OPTIONS... -- PREDICT-OPTIONS...
same() {
        local what=$1 qemu=() predicted measured
        shift
        while [ "$1" != -- ]; do
                qemu+=("$1")
                shift
        done
        shift
        launch "${qemu[@]}" || { fault "$what: $(cat said)"; return; }
        check_silence "$what"
        predicted=$("$cvmctl" measure predict --platform sev-snp -q -o name "$@")
        measured=$(of measurement)
        compared=$((compared + 1))
        [ "$predicted" = "$measured" ] || fault "$what: predicted $predicted, measured $measured"
}
compared=0

# fails WORDS OBJECT-OPTIONS QEMU-OPTIONS...: the launch ends with these words and status 1
fails() {
        local words=$1 status=0
        shift
        launch "$@" || status=$?
        if [ "$status" != 1 ] || ! grep -qF -- "$words" said; then
                fault "status $status, not 1; or no \"$words\" in: $(cat said)"
        fi
}

/usr/bin/python3 "$testbed/make-kernel.py" kernel
head -c 70000 /dev/urandom >initrd
cp "$firmware" OVMF.fd
cmdline="console=ttyS0 root=/dev/vda quiet"
boot=(-kernel kernel -initrd initrd -append "$cmdline")
predicted_boot=(--kernel kernel --initrd initrd --cmdline "$cmdline")

matrix() {
        local vcpus model
        for model in EPYC-v4 EPYC-Milan EPYC-Genoa; do
                for vcpus in 1 2 4 64; do
                        same "$model, $vcpus vCPUs" "" -cpu "$model" -smp "$vcpus" -bios OVMF.fd -- \
                                --firmware OVMF.fd --cpu-model "$model" --vcpus "$vcpus"
                        same "$model, $vcpus vCPUs, kernel" kernel-hashes=on -cpu "$model" -smp "$vcpus" -bios OVMF.fd \
                                "${boot[@]}" -- --firmware OVMF.fd --cpu-model "$model" --vcpus "$vcpus" "${predicted_boot[@]}"
                done
        done
}

parts_of_a_boot() {
        same "kernel alone" kernel-hashes=on -cpu EPYC-v4 -bios OVMF.fd -kernel kernel -- \
                --firmware OVMF.fd --vcpus 1 --kernel kernel
        same "kernel and command line" kernel-hashes=on -cpu EPYC-v4 -bios OVMF.fd -kernel kernel -append x -- \
                --firmware OVMF.fd --vcpus 1 --kernel kernel --cmdline x
        same "kernel without hashes is not measured" "" -cpu EPYC-v4 -bios OVMF.fd "${boot[@]}" -- \
                --firmware OVMF.fd --vcpus 1
        same "this processor" "" -cpu host -smp 2 -bios OVMF.fd -- --firmware OVMF.fd --vcpus 2 --vcpu-sig "$signature"
        same "vCPUs to be plugged later" "" -cpu EPYC-v4 -smp 2,maxcpus=8 -bios OVMF.fd -- --firmware OVMF.fd --vcpus 2
}

# One byte of the firmware's code changes both sides alike
changed_firmware() {
        local before
        same "firmware" "" -cpu EPYC-v4 -bios OVMF.fd -- --firmware OVMF.fd --vcpus 1
        before=$(of measurement)
        cp OVMF.fd changed.fd
        printf '\x5a' | dd of=changed.fd bs=1 seek=8192 conv=notrunc status=none
        cmp -s OVMF.fd changed.fd && printf '\xa5' | dd of=changed.fd bs=1 seek=8192 conv=notrunc status=none
        same "one byte changed" "" -cpu EPYC-v4 -bios changed.fd -- --firmware changed.fd --vcpus 1
        [ "$before" != "$(of measurement)" ] || fault "a changed firmware has the same measurement"
}

# id_block ARGUMENTS OF make-id-block.py...: sets id_options and key_digest
id_block() {
        local block auth
        read -r block auth key_digest <<<"$(/usr/bin/python3 "$testbed/make-id-block.py" "$@")"
        id_options=id-block=$block,id-auth=$auth
}

id_blocks() {
        local policy=0x30000 measurement other
        for key in id author; do
                openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$key.pem" 2>/dev/null
        done
        launch "host-data=$(head -c 32 /dev/zero | tr '\0' h | base64)" -cpu EPYC-v4 -bios OVMF.fd
        measurement=$(of measurement)
        [ "$(of host_data)" = "$(printf '68%.0s' {1..32})" ] || fault "host data is $(of host_data)"
        other=$(tr 0-9a-f 1-9a-f0 <<<"$measurement")

        id_block "$measurement" "$policy" id.pem
        launch "$id_options" -cpu EPYC-v4 -bios OVMF.fd || fault "an ID block that is right: $(cat said)"
        [ "$(of id_key_digest) $(of guest_svn)" = "$key_digest 7" ] || fault "the ID key is $(of id_key_digest)"
        id_block "$measurement" "$policy" id.pem author.pem
        launch "$id_options,author-key-enabled=on" -cpu EPYC-v4 -bios OVMF.fd || fault "with an author: $(cat said)"
        [ "$(of author_key_enabled)" = true ] || fault "the author's key is not recorded"

        id_block "$other" "$policy" id.pem
        fails "SNP_LAUNCH_FINISH ret=-5 fw_error=11 'Bad measurement'" "$id_options" -cpu EPYC-v4 -bios OVMF.fd
        [ "$(of measurement) $(of firmware_error)" = "$measurement 11" ] || fault "the refused launch is not recorded"
        id_block "$measurement" 0x30001 id.pem
        fails "fw_error=7 'Policy is not allowed'" "$id_options" -cpu EPYC-v4 -bios OVMF.fd
        id_block "$measurement" "$policy" id.pem spoiled
        fails "fw_error=10 'Bad signature'" "$id_options" -cpu EPYC-v4 -bios OVMF.fd
        id_block "$measurement" "$policy" id.pem author.pem spoiled
        fails "fw_error=10 'Bad signature'" "$id_options,author-key-enabled=on" -cpu EPYC-v4 -bios OVMF.fd
}

policies() {
        local policy words
        while read -r policy words; do
                fails "$words" "policy=$policy" -cpu EPYC-v4 -bios OVMF.fd
        done <<'E'
0x20000 SNP_LAUNCH_START ret=-5 fw_error=7 'Policy is not allowed'
0x30200 SNP_LAUNCH_START ret=-5 fw_error=7 'Policy is not allowed'
0x10000 SNP_LAUNCH_START ret=-22 fw_error=0 ''
0x70000 SNP_LAUNCH_START ret=-22 fw_error=0 ''
E
        launch policy=0xb0000 -cpu EPYC-v4 -bios OVMF.fd || fault "a guest for debugging: $(cat said)"
        [ "$(of policy)" = $((0xb0000)) ] || fault "the policy is recorded as $(of policy)"
}

# Each command of the launch fails in turn, and QEMU says so in these words
faults_in_turn() {
        local command words
        while read -r command words; do
                fails "$words" "CVM_TESTBED_FAIL=$command" "" -cpu EPYC-v4 -smp 2 -bios OVMF.fd
        done <<'E'
PLATFORM_STATUS:EIO:1 failed to get platform status ret=-1 fw_error='1: Platform state is invalid'
INIT2:EIO:0x17 failed to initialize ret=-5 fw_error=23
INIT2:EBUSY failed to initialize ret=-16 fw_error=0
SNP_LAUNCH_START:EIO:7 SNP_LAUNCH_START ret=-5 fw_error=7 'Policy is not allowed'
SNP_LAUNCH_UPDATE:EIO:0x16 SNP_LAUNCH_UPDATE ret=-5 fw_error=22 'Invalid parameter'
SNP_LAUNCH_UPDATE:EIO:9:2 SNP_LAUNCH_UPDATE ret=-5 fw_error=9 'Invalid address'
SNP_LAUNCH_UPDATE:ENOMEM:0:8 SNP_LAUNCH_UPDATE ret=-12 fw_error=0
SNP_LAUNCH_FINISH:EIO:11 SNP_LAUNCH_FINISH ret=-5 fw_error=11 'Bad measurement'
SNP_LAUNCH_FINISH:EINVAL SNP_LAUNCH_FINISH ret=-22 fw_error=0
E
}

# ask COMMAND WORDS: one QMP command to the guest of below; returns when a line with the words has come
ask() {
        local line
        echo "{\"execute\":\"$1\"}" >&"$to"
        while read -r -t 30 line <&"$from"; do
                [[ $line != *"$2"* ]] || return 0
        done
        fault "$1: no $2"
}

# Measured only when it first runs, and again after each reset
paused_and_reset() {
        local to from measurement
        rm -f record.json
        make_qemu qemu
        snp_options
        coproc exec ./qemu "${snp[@]}" -cpu EPYC-v4 -smp 2 -bios OVMF.fd -S -qmp stdio 2>said
        from=${COPROC[0]} to=${COPROC[1]} pid=$COPROC_PID
        ask qmp_capabilities '"return": {}'
        ask query-sev '"state": "launch-update"'
        [ ! -e record.json ] || fault "measured before it ran"
        ask cont '"event": "RESUME"'
        ask query-sev '"state": "running"'
        measurement=$(of measurement)
        ask system_reset '"event": "RESET"'
        ask query-sev '"state": "running"'
        [ "$(of launch) $(of measurement)" = "2 $measurement" ] || fault "after a reset: launch $(of launch)"
        ask query-sev-capabilities '"reduced-phys-bits": 1'
        ask quit '"event": "SHUTDOWN"'
        wait "$pid" || fault "QEMU's end: $(cat said)"
        pid=
        ! grep '^testbed:' said || fault "the library does not know all calls of a reset"
}

matrix
parts_of_a_boot
changed_firmware
id_blocks
policies
faults_in_turn
paused_and_reset
echo "$compared launches were compared with their predictions"
end_testbed
