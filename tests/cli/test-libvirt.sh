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

# A definition from a domain: a file for create, and flags go over it.
create() { "$cvmctl" create --dry-run "$@"; }
expect 0 '"memory": 8589934592' create --from-libvirt test
expect 0 "not carried over: /domain/devices/memballoon 'model=virtio': " create --from-libvirt test
expect 0 "never run both" create --from-libvirt test
expect 0 '"memory": "1GiB"' create --from-libvirt test --memory 1GiB
virsh -c test:///default dumpxml test >domain.xml
create --from-libvirt test 2>/dev/null >by-name
create --from-libvirt-xml domain.xml 2>/dev/null >by-file
create --from-libvirt-xml - <domain.xml 2>/dev/null >by-input
cmp by-name by-file || fault "a domain's XML is another domain"
cmp by-name by-input || fault "standard input is another file"
[ -z "$(create --from-libvirt test -q 2>&1 >/dev/null)" ] || fault "-q is not silent"
expect 3 "CVM-LIBVIRT-DOMAIN" create --from-libvirt nobody
expect 3 "virsh list --all" create --from-libvirt nobody
LIBVIRT_DEFAULT_URI=test:///nowhere expect 9 "CVM-LIBVIRT-CONNECTION" create --from-libvirt test
CVMD_LIBVIRT=$work/nowhere expect 9 "cannot be run" create --from-libvirt test
expect 2 "CVM-LIBVIRT-XML" create --from-libvirt-xml by-name
expect 2 "CVM-FILE" create --from-libvirt-xml nowhere
expect 2 "CVM-USAGE" create --from-libvirt test by-name
expect 2 "CVM-USAGE" create --from-libvirt test --from-libvirt-xml domain.xml
expect 2 "CVM-USAGE" "$cvmctl" launch --from-libvirt test
printf '<domain><name>\033[2J</name></domain>' >evil.xml
expect 2 "CVM-LIBVIRT-XML" create --from-libvirt-xml evil.xml
for answer in '{}' '[]' '{"definition":[]}'; do
        answers "$answer" expect 9 "has no definition" create --from-libvirt test
done
answers '' expect 2 "CVM-JSON" create --from-libvirt test
answers '{"definition":{"version":1,"evil":1},"left_out":7}' expect 2 "CVM-FIELD" create --from-libvirt test
expect 0 "not carried over: ?[2J" answers '{"definition":{"version":1},"left_out":[{"path":"\u001b[2J"}]}' create --from-libvirt test

end
