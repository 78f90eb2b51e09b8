#!/bin/bash
# Registers of trust domains: predicted, learnt from a guest's log, compared and explained event by event.
. "$2/tests/cli/expect.sh"
maker=$(dirname "$make")/cli-make-boot-tdx

for what in good acpi initrd separator; do
        mkdir $what && "$maker" $what $what
done
cat >d.json <<'D'
{"version":1,"platform":"tdx","memory":2147483648,
 "boot":{"kernel":"./good/kernel","initrd":"./good/initrd","cmdline":"console=ttyS0"},"firmware":"./good/firmware"}
D
predict() { "$cvmctl" measure predict d.json -q -o jsonl "$@"; }
learn() { "$cvmctl" measure learn --quote $1/quote --event-log $1/log --at "$now" -o jsonl "${@:2}"; }

# the prediction: registers that follow, events with where they are from
predict >predicted
expect 0 '"rtmr":[null,"' predict
expect 0 '"covers":{"firmware":true,"kernel":true,"initrd":true,"cmdline":true,"acpi":false}' predict
expect 0 '"name":"ACPI DATA","digest":null,"status":"unknown"' predict
[ "$(of predicted rtmr1)" != "$("$cvmctl" measure predict d.json --qemu-version 10.1.2 -q -o jsonl >older && of older rtmr1)" ] ||
        fault "hosts with QEMU 10.1 do not change the kernel"
[ "$(of predicted rtmr1)" = "$("$cvmctl" measure predict d.json --qemu-version 10.2 -q -o jsonl >newer && of newer rtmr1)" ] ||
        fault "hosts with QEMU 10.2 change the kernel"
expect 0 '"rtmr":[null,null,null,null]' "$cvmctl" measure predict --platform tdx --firmware good/firmware -o jsonl
expect 2 "'tdx.qemu_version'" predict --qemu-version new
expect 2 "'tdx.qemu_version'" predict --qemu-version 10.999
expect 2 "'sev-snp.qemu_version'" "$cvmctl" measure predict --platform sev-snp --qemu-version 10.1 --simulate
expect 2 "CVM-KERNEL" predict --kernel good/initrd

# learnt: what the host wrote is marked, what the files say too is not
learn good --platform tdx -q >learnt
expect 0 "'rtmr0' is learnt, not verified" learn good --platform tdx
expect 0 '"unverified":["rtmr0"]' cat learnt
expect 0 '"name":"ACPI DATA","digest":"5' cat learnt
expect 0 '"status":"learnt, not verified","from":"the host, as' cat learnt
expect 0 '"simulated":true' cat learnt
[ "$(of learnt rtmr2)" = "$(of predicted rtmr2)" ] || fault "rtmr2 is predicted otherwise than learnt"
expect 0 '"name":"TdxTable","digest":"'"$(sed 's/.*TdxTable","digest":"//; s/".*//' predicted)"'","status":"computed"' learn good d.json
cp good/firmware other-firmware && printf x | dd of=other-firmware bs=1 seek=8192 conv=notrunc status=none
expect 5 "another firmware" learn good d.json --firmware other-firmware
expect 2 "are needed" "$cvmctl" measure learn --quote good/quote
expect 2 "no event log" learn good --platform sev-snp
expect 5 "does not give 'rtmr2' of the evidence" "$cvmctl" measure learn --platform tdx --quote good/quote --event-log initrd/log --at "$now"
expect 5 "CVM-EVENT-LOG" "$cvmctl" measure learn --platform tdx --quote good/quote --event-log d.json --at "$now"
cp -r good forged && printf '\001' | dd of=forged/quote bs=1 seek=400 conv=notrunc status=none
expect 5 "CVM-REPORT-SIGNATURE" learn forged --platform tdx

# a policy of what was learnt demands its registers, and says what nobody verified
expect 0 "Open: 'rtmr0' is learnt, not verified" "$cvmctl" policy make --from learnt --hosts any --simulation-root <(openssl req -x509 \
        -newkey ed25519 -nodes -subj /CN=r -keyout /dev/null 2>/dev/null)
expect 0 '"unverified": [
        "rtmr0"' "$cvmctl" policy make --from learnt --hosts any -q --simulation-root <(openssl req -x509 -newkey ed25519 -nodes \
        -subj /CN=r -keyout /dev/null 2>/dev/null)
expect 0 '"rtmr2"' "$cvmctl" policy make --from predicted --hosts any --min-tcb any -q

# compared and explained: with the definition, and with what was learnt
expect 0 '"registers":{"rtmr0":"unknown","rtmr1":"equal","rtmr2":"equal","rtmr3":"unknown"}' \
        "$cvmctl" measure compare good/quote --given d.json -o jsonl
expect 0 '"rtmr0":"equal"' "$cvmctl" measure compare good/quote --reference learnt -o jsonl
expect 5 '"rtmr0":"different"' "$cvmctl" measure compare acpi/quote --reference learnt -o jsonl
expect 5 "it can be said which event" "$cvmctl" measure compare acpi/quote --reference learnt
expect 5 "rtmr0, EV_PLATFORM_CONFIG_FLAGS ACPI DATA: another digest than expected" \
        "$cvmctl" measure compare acpi/quote --reference learnt --event-log acpi/log
expect 0 '"rtmr0":"unknown"' "$cvmctl" measure compare acpi/quote --given d.json -o jsonl
expect 0 "rtmr2, EV_EVENT_TAG Linux initrd: another digest" "$cvmctl" measure explain initrd/quote --given d.json --event-log initrd/log
expect 6 '"result":"unknown"' "$cvmctl" measure explain initrd/quote --given d.json -o jsonl
expect 0 '"events":[]' "$cvmctl" measure explain good/quote --given d.json --event-log good/log -o jsonl
expect 0 "rtmr1, EV_SEPARATOR: expected, and not there" "$cvmctl" measure explain separator/quote --given d.json --event-log separator/log
expect 0 "rtmr0, EV_SEPARATOR: an event that was not expected" \
        "$cvmctl" measure explain separator/quote --reference learnt --event-log separator/log
expect 5 "does not give 'rtmr0'" "$cvmctl" measure explain acpi/quote --reference learnt --event-log good/log
bundle() { # of the evidence and the log of these
        echo "{\"version\":1,\"platform\":\"tdx\",\"simulated\":false,\"uuid\":\"0c1d2e3f-4051-4263-8475-8697a8b9cadb\",\"suite\":1,
                \"report\":\"$(base64 -w 0 $1/quote)\",\"certificates\":[],\"nonce\":\"$(printf %064d 0)\",\"generation\":0,
                \"keyset\":{\"kem\":\"MCowBQYDK2VuAyEAeaYx7t4b+cmPEgMs3q3Q56B5OY/HhriMyEbsia+FpRo=\",
                            \"sig\":\"MCowBQYDK2VwAyEAF0VTtFbd38aQjsqxwQH+arIeK6oGF3lbfUOmNIKZP9U=\"},
                \"event_log\":\"$(base64 -w 0 $2/log)\"}"
}
bundle initrd initrd >initrd.json # brings its log
expect 0 "rtmr2, EV_EVENT_TAG Linux initrd: another digest" "$cvmctl" measure explain initrd.json --given d.json
bundle acpi good >another.json
expect 5 "does not give 'rtmr0'" "$cvmctl" measure explain another.json --given d.json
expect 2 "which this has not" "$cvmctl" measure compare "$(of learnt measurement)" --given d.json --event-log good/log
expect 0 '"result":"equal"' "$cvmctl" measure compare "$(of learnt measurement)" --given d.json -o jsonl
expect 2 "is no reference" "$cvmctl" measure compare good/quote --reference d.json
sed 's/"rtmr0","type"/"rtmr9","type"/' learnt >bad
expect 2 "events[0]" "$cvmctl" measure compare good/quote --reference bad

vectors=${CVM_SHARED:-$source/../shared}/vectors/tdx/go-tdx-guest/ccel
if [ ! -d "$vectors" ]; then
        echo "SKIP: the vectors '$vectors' are not on this machine"
        end
        exit
fi
# a published log with its quote, from a guest that booted a disk
"$cvmctl" measure learn --platform tdx --quote "$vectors/cos-113-tdx-quote.dat" --event-log "$vectors/ccel_data.dat" --at 2025-01-01T00:00:00Z \
        -q -o jsonl >cos
expect 0 '"name":"/syslinux/vmlinuz.A"' cat cos
expect 0 '"rtmr2":"4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d17714b46c10a8de219048c9fc09f11f381a6fbe7c1"' cat cos
expect 0 '"simulated":false' cat cos
expect 0 '"result":"equal"' "$cvmctl" measure compare "$vectors/cos-113-tdx-quote.dat" --reference cos --event-log "$vectors/ccel_data.dat" -o jsonl
end
