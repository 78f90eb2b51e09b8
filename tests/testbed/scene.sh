# Sourced in the root, by what runs there: a bus, the daemon on a recorded host of SEV-SNP, and a QEMU that gets the library
# in front of it. The working directory is the test's own; cvmd was built by build-cvmd, the library by build.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=/var/cache/cvmd$(cd "$here/../.." && pwd) work=$PWD image_dirs=$PWD
. "$here/../system/lib.sh"
. "$here/../system/expect.sh"

# A host of TDX:  recorded_td_host DIRECTORY
recorded_td_host() {
        mkdir -p "$1"/{proc,dev,run/tdx-qgs,sys/module/kvm_intel/parameters}
        echo "vendor_id : GenuineIntel" >"$1/proc/cpuinfo"
        echo Y >"$1/sys/module/kvm_intel/parameters/tdx"
        touch "$1/dev/kvm" "$1/run/tdx-qgs/qgs.socket"
}

# A host of SEV-SNP:  recorded_snp_host DIRECTORY CBITPOS
recorded_snp_host() {
        mkdir -p "$1"/{proc,dev,recorded,sys/module/kvm_amd/parameters}
        echo "vendor_id : AuthenticAMD" >"$1/proc/cpuinfo"
        echo Y >"$1/sys/module/kvm_amd/parameters/sev_snp"
        touch "$1"/dev/{kvm,sev}
        printf '{"cpuid":{"8000001f":"0101fd3f%08x000001fd00000080"}}' "$((1 << 6 | $2))" >"$1/recorded/probe.json"
}

# Any user's QEMU is one with the library, whose guest NAME leaves records/NAME.json and is played at players/NAME. A file
# `fail` says which command of a launch fails; with a file `ends` a reset ends it, as it ends a QEMU that cannot build its
# guest anew.
make_qemu_in_path() {
        mkdir -p bin records players
        chmod 1777 records players
        chmod 755 . bin
        cat >bin/qemu-system-x86_64 <<Q
#!/bin/sh
for word; do
        case \$word in guest=*) name=\${word#guest=} name=\${name%%,*} name=\${name#cvmd-} ;; esac
done
[ ! -e $work/fail ] || export CVM_TESTBED_FAIL=\$(cat $work/fail)
[ ! -e $work/plays ] || export CVM_TESTBED_PLAYER=$work/players/\$name
[ ! -e $work/ends ] || set -- "\$@" -no-reboot
export LD_PRELOAD=$work/testbed.so CVM_TESTBED_RECORD=$work/records/\$name.json
exec /usr/bin/qemu-system-x86_64 "\$@"
Q
        chmod 755 bin/qemu-system-x86_64
        chmod 644 testbed.so
        export PATH=$work/bin:$PATH
}

# start_scene [OPTION OF cvmd...]: on the host that was recorded in host
start_scene() {
        trap end_processes EXIT
        make_qemu_in_path
        start_bus
        start_daemon --set "HostRoot=$work/host" "$@"
}

# same NAME [OPTION OF launch...]: NAME.json is launched, and was predicted
same() {
        local name=$1 out predicted
        shift
        predicted=$(cvmctl measure predict "$name.json" "$@" -q -o name)
        out=$(cvmctl launch "$name.json" "$@" ${binding:+--binding "$binding"} -q 2>&1) || { fault "$name: $out"; return; }
        compared=$((compared + 1))
        [ "$(of "$name" measurement)" = "$predicted" ] || fault "$name: predicted $predicted, measured $(of "$name" measurement)"
        [ "$(shown "$name" measurement)" = "$predicted" ] || fault "$name: $(shown "$name" measurement) is shown"
}
compared=0

# shown VM MEMBER: of what cvmctl says of it
shown() {
        cvmctl show "$1" -q -o jsonl >"$1.shown"
        member "$1.shown" "$2"
}

# until_event VM WORDS [TIMES]: something of the kind has happened to it
until_event() {
        local times=${3:-1}
        [ "$(grep -c -m "$times" -- "$2" < <(exec timeout 60 "$build/cli/cvmctl" --bus "$bus" events "$1" --since 0 --follow -o jsonl 2>/dev/null))" = "$times" ] ||
                fault "$1: no event with $2"
}

gone() {
        cvmctl kill "$1" -q
        cvmctl delete "$1" -q >/dev/null
}

# member FILE NAME: a text of a line of JSON
member() { sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1"; }

# of RECORD MEMBER: a text or number of a recorded launch
of() {
        sed -n "s/.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p" "records/$1.json" | head -n 1
}
