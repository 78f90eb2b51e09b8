# Sourced in the root, by what runs there: a bus, the daemon on a recorded host of SEV-SNP, and a QEMU that gets the library
# in front of it. The working directory is the test's own; cvmd was built by build-cvmd, the library by build.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=/var/cache/cvmd$(cd "$here/../.." && pwd) work=$PWD image_dirs=$PWD
. "$here/../system/lib.sh"
. "$here/../system/expect.sh"

# What the recorded host says of itself:  recorded_host DIRECTORY CBITPOS
recorded_host() {
        mkdir -p "$1"/{proc,dev,recorded,sys/module/kvm_amd/parameters}
        echo "vendor_id : AuthenticAMD" >"$1/proc/cpuinfo"
        echo Y >"$1/sys/module/kvm_amd/parameters/sev_snp"
        touch "$1"/dev/{kvm,sev}
        printf '{"cpuid":{"8000001f":"0101fd3f%08x000001fd00000080"}}' "$((1 << 6 | $2))" >"$1/recorded/probe.json"
}

# Any user's QEMU is one with the library, whose guest NAME leaves records/NAME.json and is played at players/NAME. A file
# `fail` says which command of a launch fails.
make_qemu_in_path() {
        mkdir -p bin records players
        chmod 1777 records players
        chmod 755 . bin
        cat >bin/qemu-system-x86_64 <<Q
#!/bin/sh
for word; do
        case \$word in guest=*) name=\${word#guest=} name=\${name%%,*} ;; esac
done
[ ! -e $work/fail ] || export CVM_TESTBED_FAIL=\$(cat $work/fail)
[ ! -e $work/plays ] || export CVM_TESTBED_PLAYER=$work/players/\$name
export LD_PRELOAD=$work/testbed.so CVM_TESTBED_RECORD=$work/records/\$name.json
exec /usr/bin/qemu-system-x86_64 "\$@"
Q
        chmod 755 bin/qemu-system-x86_64
        chmod 644 testbed.so
        export PATH=$work/bin:$PATH
}

# start_scene CBITPOS [OPTION OF cvmd...]
start_scene() {
        trap end_processes EXIT
        recorded_host host "$1"
        shift
        make_qemu_in_path
        start_bus
        start_daemon --set "HostRoot=$work/host" "$@"
}

# of RECORD MEMBER: a text or number of a recorded launch
of() {
        sed -n "s/.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p" "records/$1.json" | head -n 1
}
