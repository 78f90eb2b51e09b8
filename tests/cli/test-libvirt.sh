#!/bin/bash
# What cvmctl asks libvirt, by cvmd-libvirt: libvirt's own test driver answers, and programs that answer wrongly.
. "$(dirname "$0")/expect.sh"
export CVMD_LIBVIRT=${5:?} LIBVIRT_DEFAULT_URI=test:///default

# answers TEXT COMMAND...: with a program in cvmd-libvirt's place that answers so
answers() {
        printf '#!/bin/sh\ncat >request\ncat "%s/answer"\n' "$work" >fake
        printf '%s' "$1" >answer
        chmod 755 fake
        shift
        CVMD_LIBVIRT=$work/fake "$@"
}

# check COMMAND...: its rows on libvirt; other rows may fail
check() {
        { "$@" host check -o jsonl || [ $? = 9 ]; } | grep -o '.*libvirt.*'
}

expect 0 '"verdict":"PASS","sentence":"libvirt '"$(virsh version | sed -n 's/Using library: libvirt //p') answers" check "$cvmctl"
LIBVIRT_DEFAULT_URI=test:///nowhere expect 0 '"verdict":"WARN","sentence":"libvirt cannot be reached (libvirt: ' check "$cvmctl"
CVMD_LIBVIRT=$work/nowhere expect 0 '"verdict":"PASS","sentence":"libvirt is not used' check "$cvmctl"
CVMD_LIBVIRT=/etc/passwd expect 0 '"verdict":"WARN","sentence":"cvmd'"'"'s part for libvirt' check "$cvmctl"
expect 0 '"sentence":"libvirt 12.8.0 answers"' check answers '{"version":"12.8.0","platforms":{}}' "$cvmctl"
[ "$(cat request)" = "{}" ] || fault "the question was $(cat request)"
expect 0 '"sentence":"libvirt of an unknown version answers"' check answers '[]' "$cvmctl"
for answer in '' '{' 'no' '{"a":1,"a":2}' '{"error":7}' '{"error":{"code":"CVM-NONE","text":"\u001b[2J"}}'; do
        expect 0 '"verdict":"WARN"' check answers "$answer" "$cvmctl"
done
mkdir host
"$cvmctl" host check --root host -o jsonl >rows || true
grep -q '"id":"qemu"' rows || fault "the other host was not checked"
! grep libvirt rows || fault "libvirt was asked about another host"

end
