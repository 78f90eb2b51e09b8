#!/bin/bash
# cvmctl collateral for quotes, against a certification service that answers rightly and wrongly. What any service can do
# wrong (late, busy, redirects, two at once) stands in test-fetch.sh.
. "$(dirname "$0")/service.sh"
start_service collateral-make-service-tdx
sim=(--simulation-root root.pem --at "$now")
info=tcb-10206f000000

kept=cache/cvmctl/collateral

# A quote brings its chain; everything else is fetched once, and an owner without network has it.
verify 6 CVM-COLLATERAL-MISSING
fetch 0 '"from":"service"'
[ "$(requests)" = 5 ] || fault "five objects took $(requests) requests: $(cat log)"
for path in '/tdx/certification/v4/tcb?fmspc=10206f000000' '/tdx/certification/v4/qe/identity' \
        '/sgx/certification/v4/pckcrl?ca=platform&encoding=der' '/sgx/certification/v4/rootcacrl'; do
        grep -qxF "$path" log || fault "'$path' was not asked for: $(cat log)"
done
fetch 0 '"from":"cache"'
[ "$(requests)" = 5 ] || fault "what was there was asked for again"
verify 0 '"result":"accepted"' --collateral $kept
expect 0 '"result":"accepted"' "$cvmctl" policy test policy.json bundle.json --owner-key owner.pem --at "$now" -o jsonl \
        --collateral $kept
expect 6 CVM-RAW-REPORT "$cvmctl" evidence verify --platform tdx --quote quote --policy policy.json --owner-key owner.pem \
        --at "$now" -o jsonl --collateral $kept
[ "$(requests)" = 5 ] || fault "verifying asked the network"
fetch 0 '"kind":"judgement"' --max-age 0
[ "$(requests)" = 9 ] || fault "--max-age asks for more, or less, than what ages: $(cat log)"
fetch 0 '"from":"service"' --update early
grep -qxF '/tdx/certification/v4/tcb?fmspc=10206f000000&update=early' log || fault "no early TCB info: $(cat log)"
grep -qxF '/tdx/certification/v4/qe/identity?update=early' log || fault "no early identity: $(cat log)"
fetch 2 "--update must be early or standard" --update soon
expect 2 "no '/' at its end" "$cvmctl" collateral fetch --platform tdx --quote quote --service "$url/" "${sim[@]}"
{ printf '\x81\0\1\0' && head -c 1020 /dev/zero; } >tdreport
expect 5 "this is a TD report" "$cvmctl" collateral fetch --platform tdx --quote tdreport --service "$url" "${sim[@]}"
expect 0 "the bundle is empty" "$cvmctl" collateral export --cache empty "${sim[@]}" -o nothing.json
expect 0 "$info" "$cvmctl" collateral fetch --platform tdx --quote quote --service "$url" "${sim[@]}" -o name

# Forecast, and the way over a disk.
expect 0 '"name":"qe-identity","kind":"judgement","state":"good","expires":"2027-01-16T08:00:00.000Z","days_left":1' \
        "$cvmctl" collateral list "${sim[@]}" -o jsonl
expect 0 "All of tdx holds until 2027-01-15T20:00:00.000Z; then '$info' expires, in 0 days" "$cvmctl" collateral list "${sim[@]}"
expect 0 '"state":"CVM-COLLATERAL-STALE"' "$cvmctl" collateral list --simulation-root root.pem --at 2027-01-15T20:00:01Z -o jsonl
"$cvmctl" collateral export "${sim[@]}" -o offline.json -q
import() { # STATUS WORDS FILE
        expect "$1" "$2" "$cvmctl" collateral import "$3" "${sim[@]}" --cache elsewhere -o jsonl
}
import 0 '"result":"kept"' offline.json
verify 0 '"result":"accepted"' --collateral elsewhere
expect 5 CVM-REPORT-ROOT "$cvmctl" collateral import offline.json --at "$now" --cache nowhere # no root of the maker
[ ! -e nowhere ] || fault "unverified objects are kept"
tamper() { # OUTPUT PYTHON
        /usr/bin/python3 - "$1" "$2" <<'P'
import base64, json, sys
pack = json.load(open("offline.json"))
by = {o["name"].split("-1")[0]: o for o in pack["objects"]}
def edit(o, old, new):
    data = base64.b64decode(o["data"])
    assert data.count(old) >= 1, data
    o["data"] = base64.b64encode(data.replace(old, new, 1)).decode()
exec(sys.argv[2])
json.dump(pack, open(sys.argv[1], "w"))
P
}
rm -rf elsewhere
tamper changed.json 'edit(by["tcb"], b"UpToDate", b"UpToDatE")'
import 5 CVM-COLLATERAL changed.json
tamper changed.json 'edit(by["tcb"], b"\"tcbEvaluationDataNumber\":17", b"\"tcbEvaluationDataNumber\":19")'
import 5 "signature of the TCB info does not verify" changed.json
tamper changed.json 'by["tcb"]["name"] = "tcb-10206f000001"'
import 5 "another FMSPC" changed.json
tamper changed.json 'by["pck-platform-crl"]["name"] = "pck-processor-crl"'
import 5 "Intel SGX PCK Processor CA" changed.json
tamper changed.json 'pack["objects"].remove(by["root"])'
import 6 CVM-CHAIN-MISSING changed.json
tamper changed.json 'edit(by["qe-identity"], b"issuer_chain", b"issuer_chaim")'
import 5 "no 'issuer_chain'" changed.json
tamper changed.json 'by["root-crl"]["name"] = "tcb-10206F000000"'
import 2 "must be an object that this version knows" changed.json
[ ! -e elsewhere ] || fault "a changed bundle left something behind: $(find elsewhere)"

# Never an older one, by no way: by date and by count, each thing by itself.
older() { # WORDS FIRST THEN
        fresh
        behave "$2"
        fetch 0 '"from":"service"'
        behave "$3"
        fetch 6 CVM-CRL-OLDER --refresh
        fetch 6 "$1" --refresh
}
older $info "tcb file variants/newer" "tcb file service/tdx/certification/v4/tcb"
older $info "tcb file variants/higher" "tcb file variants/newer"
older $info "tcb file service/tdx/certification/v4/tcb" "tcb file variants/lower"
older qe-identity "none serve" "identity file variants/older-identity"
older pck-platform-crl "none serve" "pckcrl file variants/older-list"
older root-crl "none serve" "rootcacrl file variants/older-root-list"
rm -rf cache
fetch 6 CVM-CRL-OLDER # the mark outlives the cache
fresh
behave "tcb file variants/higher"
fetch 0 '"from":"service"'
verify 0 '"result":"accepted"' --collateral $kept
grep -q "^2027-01-15T07:30:00.000Z 18$" state/cvmctl/collateral/tdx/simulated-*/$info || fault "the mark is $(cat state/cvmctl/collateral/tdx/*/$info)"
behave "tcb file variants/newer" # and a cache of who has not seen that
XDG_STATE_HOME=$work/state2 XDG_CACHE_HOME=$work/cache2 fetch 0 '"from":"service"'
verify 6 CVM-CRL-OLDER --collateral cache2/cvmctl/collateral
rm -rf state
verify 0 '"result":"accepted"' --collateral cache2/cvmctl/collateral
verify 0 '"result":"accepted"' --collateral $kept # the verifier itself remembers
verify 6 CVM-CRL-OLDER --collateral cache2/cvmctl/collateral
fresh
behave "pckcrl file variants/revokes"
fetch 0 '"from":"service"'
verify 5 CVM-REVOKED --collateral $kept

# What somebody else wrote into the cache.
fresh
fetch 0 '"from":"service"'
echo nonsense >"$(echo $kept/tdx/simulated-*)/root-crl"
verify 6 '"CVM-CRL"' --collateral $kept
fetch 0 '"from":"service"' # and is replaced
echo '{"tcbInfo":{}}' >"$(echo $kept/tdx/simulated-*)/$info"
verify 5 CVM-COLLATERAL --collateral $kept

# A directory of the maker's answers as they came is one too.
mkdir plain
cp service/tdx/certification/v4/tcb service/tdx/certification/v4/qe/identity service/sgx/certification/v4/{pckcrl,rootcacrl} plain
/usr/bin/python3 -c 'import sys, urllib.parse
print(urllib.parse.unquote(open("service/tdx/certification/v4/tcb.headers").read().split(": ")[1]))' >plain/chain.pem
verify 0 '"result":"accepted"' --collateral plain

# What does not verify is not kept, and not asked for again.
wrong() { # STATUS WORDS BEHAVIOUR
        fresh
        behave "$3"
        fetch "$1" "$2"
        [ "$(requests "${3%% *}")" = 1 ] || fault "$3: $(requests "${3%% *}") requests"
}
wrong 5 CVM-COLLATERAL-STALE "tcb file variants/expired"
wrong 5 "another FMSPC" "tcb file variants/other-fmspc"
[ ! -e $kept/tdx/simulated-*/$info ] || fault "the TCB info of other platforms is kept"
wrong 5 "a TD's is 'TDX'" "tcb file variants/sgx"
wrong 5 "signature of the TCB info does not verify" "tcb file variants/foreign"
wrong 5 CVM-REPORT-ROOT "tcb file variants/other-root"
wrong 5 "are not 'Intel SGX TCB Signing' and the root" "tcb file variants/swapped"
wrong 6 "lacks the header with the certificates" "tcb file variants/no-header"
wrong 6 "not URL-encoded" "tcb file variants/bad-header"
wrong 6 "is no JSON object" "tcb file variants/no-json"
wrong 6 '"CVM-CRL"' "pckcrl file variants/foreign-list"
wrong 6 CVM-CRL-STALE "pckcrl file variants/expired-list"
wrong 6 '"CVM-CRL"' "rootcacrl file service/tdx/certification/v4/tcb"
wrong 6 CVM-COLLATERAL-UNKNOWN "tcb status 404"
wrong 0 '"from":"service"' "tcb file variants/old-header"
fresh
behave "tcb truncated"
fetch 6 "gave no whole answer"
fresh
behave "tcb busy 100"
fetch 7 "to be asked again in 100 s" --timeout 20

# Intel's own documents, as its service would give them: under the pinned root, without any option.
vectors=${CVM_SHARED:-$source/../shared}/vectors/tdx
if [ ! -d "$vectors" ]; then
        echo "SKIP: the vectors '$vectors' are not on this machine"
        end
        exit
fi
published() { # QUOTE COLLATERAL AT [PYTHON]
        fresh
        rm -rf service
        /usr/bin/python3 - "$vectors/$2" "${4:-}" <<'P'
import json, os, sys, urllib.parse
c = json.load(open(sys.argv[1]))
def put(name, data, header=None, chain=None):
    path = "service/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(data)
    if header:
        open(path + ".headers", "w").write(f"{header}: {urllib.parse.quote(chain)}\n")
exec(sys.argv[2])
d = "tdx/certification/v4/"
put(d + "tcb", '{"tcbInfo":%s,"signature":"%s"}' % (c["tcb_info"], c["tcb_info_signature"]), "TCB-Info-Issuer-Chain", c["tcb_info_issuer_chain"])
put(d + "qe/identity", '{"enclaveIdentity":%s,"signature":"%s"}' % (c["qe_identity"], c["qe_identity_signature"]),
    "SGX-Enclave-Identity-Issuer-Chain", c["qe_identity_issuer_chain"])
put("sgx/certification/v4/pckcrl", c["pck_crl"], "SGX-PCK-CRL-Issuer-Chain", c["pck_crl_issuer_chain"])
put("sgx/certification/v4/rootcacrl", c["root_ca_crl"])
P
        asked=("$cvmctl" collateral fetch --platform tdx --quote "$vectors/$1" --service "$url" --at "$3" -o jsonl)
}
published dcap-qvl/tdx_quote dcap-qvl/tdx_quote_collateral.json 2025-07-01T00:00:00Z
expect 0 '"from":"service"' "${asked[@]}"
expect 0 '"status":"UpToDate"' "$cvmctl" evidence verify --platform tdx --quote "$vectors/dcap-qvl/tdx_quote" --collateral $kept \
        --at 2025-07-01T00:00:00Z -o jsonl
expect 5 CVM-COLLATERAL-STALE "$cvmctl" evidence verify --platform tdx --quote "$vectors/dcap-qvl/tdx_quote" --collateral $kept \
        --at 2025-07-19T12:00:00Z -o jsonl
published dcap-qvl/near_quote_hex.txt dcap-qvl/near_quote_collateral.json 2025-09-15T00:00:00Z
expect 0 '"from":"service"' "${asked[@]}"
published dcap-qvl/tdx-quote.hex dcap-qvl/near_quote_collateral.json 2025-09-15T00:00:00Z
expect 5 "another FMSPC" "${asked[@]}"
expect 5 "SGX enclave" "$cvmctl" collateral fetch --platform tdx --quote "$vectors/dcap-qvl/sgx_quote" --service "$url"
end
