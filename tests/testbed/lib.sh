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

# After start_testbed: the packages of s390x are there, and what is built for it
start_s390x() {
        "$testbed/make-s390x" "$root" || { echo "SKIP: nothing of s390x, for the reason above"; exit 77; }
        "$testbed/build-s390x" "$root" "$work"
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

# A program FILE that is QEMU in the root with the library, whoever runs it:  make_qemu FILE [NAME=VALUE...]
make_qemu() {
        local file=$1
        shift
        printf '#!/bin/sh\nexec %s %s %s env LD_PRELOAD=%s %s qemu-system-x86_64 "$@"\n' "$testbed/in-root" "$root" "$work" \
                "$work/testbed.so" "CVM_TESTBED_RECORD=$work/record.json $*" >"$file"
        chmod +x "$file"
}

# The options of a guest as the hardware would start it, in snp:  snp_options [OBJECT-OPTIONS]
snp_options() {
        snp=(-nodefaults -no-user-config -display none -m 256 -machine q35,accel=kvm,confidential-guest-support=sev0
                -object "sev-snp-guest,id=sev0,cbitpos=$cbitpos,reduced-phys-bits=1${1:+,$1}")
}

# of MEMBER: a text or number of the recorded launch
of() {
        sed -n "s/.*\"$1\": \"\{0,1\}\([^\",}]*\).*/\1/p" record.json | head -n 1
}

# URI of the Debian archive proper (no security, updates or third parties)
mirror() {
        apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
                awk '$1 == "Debian" && $2 == "main" && $3 !~ /-/ { print $4; exit }'
}

# How archives are reached and what is checked about them: proxies, dates
apt_configuration() {
        apt-config dump | grep -E '^Acquire::(Check-|https?::|Retries|ForceIPv)' || true
        echo 'APT::Install-Recommends "false";'
}
