#!/bin/bash
# cvmctl collateral against a key service that answers rightly, wrongly, late and not at all.
. "$(dirname "$0")/service.sh"
start_service collateral-make-service
sim=(--simulation-root root.pem --at "$now")
chip=$(printf '%02x' {1..64})
name=milan.vcek-$chip-04000000000018db

kept=cache/cvmctl/collateral

# What it is for: evidence that brought nothing, and an owner without network.
verify 6 CVM-CHAIN-MISSING
verify 6 CVM-CHAIN-MISSING --collateral $kept
fetch 0 '"from":"service"'
[ "$(requests)" = 3 ] || fault "three objects took $(requests) requests"
grep -q "^/vcek/v1/Milan/$chip?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219\$" log || fault "the chip was asked for as $(cat log)"
fetch 0 '"from":"cache"'
[ "$(requests)" = 3 ] || fault "what was there was asked for again"
verify 0 '"result":"accepted"' --collateral $kept
expect 0 '"result":"accepted"' "$cvmctl" policy test policy.json bundle.json --owner-key owner.pem --at "$now" -o jsonl \
        --collateral $kept
[ "$(requests)" = 3 ] || fault "verifying asked the network"
[ "$(stat -c %a $kept/sev-snp/simulated-*/milan.vcek-chain)" = 600 ] || fault "others may read the cache"
fetch 0 '"from":"service"' --refresh
[ "$(requests)" = 6 ] || fault "--refresh did not ask again"
fetch 0 '"from":"service"' --max-age 0
[ "$(requests crl)" = 3 ] && [ "$(requests)" = 7 ] || fault "--max-age asks for more than the list: $(cat log)"

# The forecast, and the way over a disk.
expect 0 '"days_left":1' "$cvmctl" collateral list "${sim[@]}" -o jsonl
expect 0 "All of sev-snp holds until" "$cvmctl" collateral list "${sim[@]}"
expect 0 "$name" "$cvmctl" collateral list "${sim[@]}" -o name
expect 0 '"state":"CVM-CRL-STALE"' "$cvmctl" collateral list --simulation-root root.pem --at 2027-01-14T09:00:00Z -o jsonl
[ -z "$("$cvmctl" collateral list "${sim[@]}" --within 0 -o name -q)" ] || fault "--within 0 lists what holds for a day"
[ "$("$cvmctl" collateral list -o name -q)" = "" ] || fault "what is simulated is listed as hardware's"
"$cvmctl" collateral export "${sim[@]}" -o offline.json
import() { # STATUS WORDS FILE
        expect "$1" "$2" "$cvmctl" collateral import "$3" "${sim[@]}" --cache elsewhere -o jsonl
}
import 0 '"result":"kept"' offline.json
verify 0 '"result":"accepted"' --collateral elsewhere
expect 5 CVM-REPORT-ROOT "$cvmctl" collateral import offline.json --at "$now" --cache nowhere # no root of the maker
[ ! -e nowhere ] || fault "unverified objects are kept"

# A bundle that somebody changed is refused as a whole, and says what is wrong in it.
tamper() { # OUTPUT PYTHON
        /usr/bin/python3 - "$1" "$2" <<'P'
import base64, json, sys
pack = json.load(open("offline.json"))
by = {o["name"].split("-")[1].split(".")[0] if o["name"].count("-") == 1 else "chip": o for o in pack["objects"]}
def flip(o, at):
    data = bytearray(base64.b64decode(o["data"]))
    data[at] ^= 1
    o["data"] = base64.b64encode(data).decode()
def put(o, name):
    o["data"] = base64.b64encode(open(name, "rb").read()).decode()
exec(sys.argv[2])
json.dump(pack, open(sys.argv[1], "w"))
P
}
rm -rf elsewhere
tamper changed.json 'flip(by["chip"], -9)'
import 5 "$name" changed.json
import 5 CVM-REPORT-CHAIN changed.json
tamper changed.json 'flip(by["crl"], -9)'
import 6 "milan.vcek-crl" changed.json
tamper changed.json 'put(by["chip"], "variants/other-chip.der")'
import 5 CVM-REPORT-CERTIFICATE changed.json
tamper changed.json 'put(by["chip"], "variants/other-tcb.der")'
import 5 CVM-REPORT-CERTIFICATE changed.json
tamper changed.json 'put(by["chain"], "variants/other-root.pem")'
import 5 CVM-REPORT-ROOT changed.json
tamper changed.json 'pack["objects"].remove(by["chain"])'
import 6 CVM-CHAIN-MISSING changed.json
tamper changed.json 'by["crl"]["name"] = "../../crl"'
import 2 "must be an object that this version knows" changed.json
tamper changed.json 'pack["objects"].append(by["crl"])'
import 2 "name of another object" changed.json
[ ! -e elsewhere ] || fault "a changed bundle left something behind: $(find elsewhere)"

# Lists: never an older one, by no way.
import 0 '"result":"kept"' offline.json
tamper older.json 'put(by["crl"], "variants/older.crl")'
import 0 '"result":"older"' older.json
fresh
behave "crl file variants/newer.crl"
fetch 0 '"from":"service"'
behave "crl file variants/older.crl"
fetch 6 CVM-CRL-OLDER --refresh
cmp -s $kept/sev-snp/simulated-*/milan.vcek-crl variants/newer.crl || fault "an older list took a newer one's place"
rm -rf cache
fetch 6 CVM-CRL-OLDER # the mark outlives the cache
verify 6 CVM-CHAIN-MISSING --crl variants/older.crl
rm behave
fetch 6 CVM-CRL-OLDER
behave "crl file variants/revokes.crl"
fetch 0 '"from":"service"'
verify 5 CVM-REVOKED --collateral $kept
rm $kept/sev-snp/simulated-*/milan.vcek-crl
verify 6 CVM-CRL-OLDER --collateral $kept --crl variants/newer.crl # valid, and silent on what was revoked since
rm -rf state
verify 0 '"result":"accepted"' --collateral $kept --crl variants/newer.crl
verify 6 CVM-CRL-OLDER --collateral $kept --crl variants/older.crl # the verifier itself remembers
list=$(echo $kept/sev-snp/simulated-*)/milan.vcek-crl
cp variants/older.crl "$list"
verify 6 CVM-CRL-OLDER --collateral $kept
echo nonsense >"$list"
verify 6 '"CVM-CRL"' --collateral $kept # not accepted without the list

# What does not verify is not kept, and not asked for again.
wrong() { # STATUS WORDS BEHAVIOUR REQUESTS
        fresh
        behave "$3"
        fetch "$1" "$2"
        [ "$(requests)" = "$4" ] || fault "$3: $(requests) requests"
}
wrong 5 CVM-REPORT-ROOT "cert_chain file variants/other-root.pem" 1
wrong 5 CVM-REPORT-CERTIFICATE "$chip file variants/other-chip.der" 3
[ ! -e $kept/sev-snp/simulated-*/$name ] || fault "the certificate of another chip is kept"
wrong 5 CVM-REPORT-CERTIFICATE "$chip file variants/other-tcb.der" 3
wrong 5 CVM-REPORT-CHAIN "$chip file service/vcek/v1/Milan/cert_chain" 3
wrong 6 '"CVM-CRL"' "crl file variants/foreign.crl" 2
wrong 6 CVM-COLLATERAL-UNKNOWN "$chip status 404" 3
wrong 6 "redirect, which is not followed" "cert_chain redirect" 1
wrong 6 "redirect, which is not followed" "cert_chain redirect http://127.0.0.1:1/" 1
wrong 6 "status 403" "cert_chain status 403" 1
wrong 6 "more than 65536 bytes" "cert_chain large" 1
wrong 6 "more than 65536 bytes" "cert_chain endless" 1

# Trouble is tried again, but not for ever.
wrong 0 '"from":"service"' "cert_chain once:truncated" 4
wrong 6 "gave no whole answer" "cert_chain truncated" 3
wrong 6 "answers with status 503" "cert_chain status 503" 3
wrong 0 '"from":"service"' "cert_chain once:busy" 4
wrong 0 '"from":"service"' "cert_chain once:busy 2" 4
wrong 0 "asks for patience: waiting for 2 s" "cert_chain once:busy 2" 4
fresh
behave "cert_chain busy 100"
fetch 7 "to be asked again in 100 s" --timeout 20
[ "$(requests)" = 1 ] || fault "a service that asks for patience was asked $(requests) times"
rm behave
fetch 7 CVM-COLLATERAL-TIMEOUT --timeout 20 # another run keeps the promise of the first
[ "$(requests)" = 1 ] || fault "what the service demanded was forgotten"
fresh
behave "cert_chain slow"
fetch 7 "did not answer in time" --timeout 1
expect 7 CVM-COLLATERAL-TIMEOUT "$cvmctl" collateral fetch --bundle bundle.json --service "$url" "${sim[@]}" --timeout 1

# The budget: a burst, and then patience, in however many runs.
fresh
for i in 1 2 3 4; do fetch 0 '"from":"service"' --refresh; done
fetch 7 "is not asked more often" --refresh --timeout 1
[ "$(requests)" = 12 ] || fault "a burst is $(requests) requests"

# Two at once make one request for each object.
fresh
behave "cert_chain once:hold"
"$cvmctl" collateral fetch --bundle bundle.json --service "$url" "${sim[@]}" -q >first 2>&1 &
first=$!
read -r _ <held
"$cvmctl" collateral fetch --bundle bundle.json --service "$url" "${sim[@]}" -q >second 2>&1 &
second=$!
until readlink /proc/$second/fd/* 2>/dev/null | grep -q '\.lock$'; do kill -0 $second || break; done
echo >go
wait $first || fault "the first of two: $(cat first)"
wait $second || fault "the second of two: $(cat second)"
[ "$(requests)" = 3 ] || fault "two at once made $(requests) requests"
behave "cert_chain hold"
rm -rf cache
"$cvmctl" collateral fetch --bundle bundle.json --service "$url" "${sim[@]}" -q >/dev/null 2>&1 &
first=$!
read -r _ <held
fetch 7 "another run is still fetching it" --timeout 1
kill $first
echo >go
rm behave

# Evidence that the maker cannot be asked for in full.
raw() { # STATUS WORDS REPORT
        fresh
        expect "$1" "$2" "$cvmctl" collateral fetch --platform sev-snp --report "$3" --service "$url" "${sim[@]}" -o jsonl
}
raw 0 "$name" report.bin
raw 6 CVM-CHAIN-MISSING vlek-report.bin
raw 6 '"name":"milan.vlek-crl"' vlek-report.bin
raw 6 '"name":"milan.vcek-crl"' masked-report.bin
[ "$(requests '/vcek/v1/Milan/0')" = 0 ] || fault "a hidden chip was asked for"

# Who is never asked.
expect 2 "whose certificates come with it" "$cvmctl" collateral fetch --bundle bundle.json
expect 2 "needs --service" "$cvmctl" collateral fetch --bundle bundle.json --simulation-root root.pem
expect 2 "give either --bundle" "$cvmctl" collateral fetch
for bad in ftp://host https:// http://user:secret@host http://host/ http://host/?x=y 'http://host\path'; do
        expect 2 "--service must be" "$cvmctl" collateral fetch --bundle bundle.json --service "$bad" "${sim[@]}"
done
fresh
http_proxy=http://127.0.0.1:1 https_proxy=$http_proxy all_proxy=http://127.0.0.1:1 fetch 0 '"from":"service"' # not asked for

# The maker's name leads into our own network: nobody is asked.
echo "127.0.0.1 kdsintf.amd.com" >hosts
/usr/bin/python3 - <<'P'
import json
bundle = json.load(open("bundle.json"))
bundle["simulated"] = False
json.dump(bundle, open("hardware.json", "w"))
P
if unshare -m true 2>/dev/null; then
        fresh
        # shellcheck disable=SC2016
        expect 6 CVM-COLLATERAL-ADDRESS unshare -m bash -c \
                'mount --bind hosts /etc/hosts && exec "$0" collateral fetch --bundle hardware.json -o jsonl' "$cvmctl"
else
        echo "SKIP: no mount namespace here: the maker's name is not led astray"
fi

# AMD's own certificates, as its service would give them: under the pinned root, without any option. No real list is
# public, and that is said.
vectors=${CVM_SHARED:-$source/../shared}/vectors/snp
if [ ! -d "$vectors" ]; then
        echo "SKIP: the vectors '$vectors' are not on this machine"
        end
        exit
fi
hardware() { # PRODUCT REPORT CHIP-CERTIFICATE CHAIN [ARGUMENT]...
        local at=2026-09-01T00:00:00Z
        fresh
        rm -rf service/vcek
        mkdir -p "service/vcek/v1/$1"
        cp "$vectors/$4" "service/vcek/v1/$1/cert_chain"
        behave "SPL file chip.der"
        cp "$vectors/$3" chip.der
        expect 6 CVM-COLLATERAL-UNKNOWN "$cvmctl" collateral fetch --platform sev-snp --report "$vectors/$2" --service "$url" \
                --at $at "${@:5}" -o jsonl
        [ "$(requests)" = 3 ] || fault "$2 took $(requests) requests"
        expect 0 '"state":"good"' "$cvmctl" collateral list --at $at -o jsonl
        expect 0 '"root_built_in":true' "$cvmctl" evidence verify --platform sev-snp --report "$vectors/$2" \
                --certs "$vectors/$4" --collateral $kept --at $at -o jsonl
}
hardware Milan hw-milan/trustee-report-v2.bin hw-milan/trustee-vcek.der ca/ask_ark_milan.pem --product Milan
hardware Genoa hw-genoa/trustee-report-v3.bin hw-genoa/trustee-evidence-vcek.der ca/ask_ark_genoa.pem
expect 0 '"root_built_in":true' "$cvmctl" evidence verify --platform sev-snp --report "$vectors/hw-genoa/trustee-report-v3.bin" \
        --collateral $kept --at 2026-09-01T00:00:00Z -o jsonl
expect 2 "--product is needed" "$cvmctl" collateral fetch --platform sev-snp --report "$vectors/hw-milan/trustee-report-v2.bin" \
        --service "$url"
fresh
behave "cert_chain file bad.pem"
cp "$vectors/synthetic/ca/milan-ask-ark.pem" bad.pem
expect 5 CVM-REPORT-ROOT "$cvmctl" collateral fetch --platform sev-snp --report "$vectors/synthetic/reports/milan-v5.bin" \
        --service "$url" --at 2026-09-01T00:00:00Z
end
