# Sourced by the scripts of the testbed.
testbed=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Where the root is: a cache, outside the tree
root_directory() {
        echo "${CVMD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cvmd}/testbed/root"
}

# The beginning of each test here: the root, an empty directory as working directory, the library and what the
# processor says. Without a root the test is left out.
start_testbed() {
        root=$("$testbed/make-root") || { echo "SKIP: no testbed, for the reason above"; exit 77; }
        work=$(mktemp -d)
        trap leave EXIT
        cd "$work"
        "$testbed/build" "$root" "$work"
        read -r cbitpos signature <<<"$(in_root ./processor)"
        firmware=$root/usr/share/ovmf/OVMF.amdsev.fd
        faults=0
}

# pid is that of a QEMU in the background, while there is one
leave() {
        [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true
        rm -rf "$work"
}

end_testbed() {
        echo "$faults faults"
        [ "$faults" = 0 ]
}

fault() {
        echo "FAULT: $*"
        faults=$((faults + 1))
}

in_root() { "$testbed/in-root" "$root" "$work" "$@"; }

# An SEV-SNP guest of QEMU as the hardware would start it:  qemu_snp [NAME=VALUE...] OBJECT-OPTIONS QEMU-OPTIONS...
# The first words in capitals with "=" are variables for it. Replaces the shell: for pipelines and coprocesses.
qemu_snp() {
        local variables=() object
        while [[ ${1:-} =~ ^[A-Z_]+= ]]; do
                variables+=("$1")
                shift
        done
        object=$1
        shift
        exec "$testbed/in-root" "$root" "$work" env LD_PRELOAD="$work/testbed.so" \
                CVM_TESTBED_RECORD="$work/record.json" "${variables[@]}" \
                qemu-system-x86_64 -nodefaults -no-user-config -display none -m 256 \
                -machine q35,accel=kvm,confidential-guest-support=sev0 \
                -object "sev-snp-guest,id=sev0,cbitpos=$cbitpos,reduced-phys-bits=1${object:+,$object}" "$@"
}

# of MEMBER: a text or number of the recorded launch
of() {
        sed -n "s/.*\"$1\": \"\{0,1\}\([^\",}]*\).*/\1/p" record.json | head -n 1
}
