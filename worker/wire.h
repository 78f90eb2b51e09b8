/*
 * What daemon and worker say to each other. `cvmd-worker VERB <request.json >answer.json` works by hand: the
 * request is one JSON object on standard input, the answer one on standard output, exit status 0; a failure
 * is
 * {"error":{"code":"CVM-...","text":"..."}} with that code's exit status. Descriptors that a verb works on
 * are inherited from WORKER_FD_FIRST on and named in the request by number.
 */
#pragma once

#define WORKER_REQUEST_MAX (4u << 20)
#define WORKER_ANSWER_MAX (4u << 20)
#define WORKER_FD_FIRST 3
#define WORKER_FDS_MAX 64

/*
 * measure: {"definition":"<JSON text>","firmware":N,"kernel":N,"initrd":N} (descriptors, each optional)
 *          -> {"measurement":{...},"policy":N,"debug":B}; as `cvmctl measure predict` prints it
 * pin:     {"source":N,"destination":N} copies and digests -> {"sha256":"...","size":N}
 * disk:    {"disk":N,"format":"raw|qcow2"} -> {"virtual_size":N}; refuses backing files, external data
 * files, unknown incompatible bits, encryption by QEMU
 * check:   {"bundle":"<JSON text>","policy":"<JSON text>","nonce":"<hex>","owner":"<hex SPKI>"} (owner
 * optional)
 *          -> {"result":"accepted|refused|could-not-check","reasons":[{"code":"CVM-...","text":"..."}]}
 * sim-root: {"have":N} (optional) -> {"pem":"..."}: keys and certificates of a new simulation root, without
 *          those of the N technologies that it has already
 * sim-open: {"platform":"...","root":N,"image":N,"flat":N} (descriptors) -> {"extension":"<hex>"}: the
 *          simulated host of that root has opened the image into the empty file `flat`; extension is "", or
 *          the digest of what the image demands of requests to its guests' store
 * host:    {"root":"/","libvirt":{"answer":{...},"why":"...","is_needed":B}} (all optional)
 *          -> {"checks":[{"id":"...","verdict":"PASS|WARN|FAIL","sentence":"...","remedy":"..."}]}: what a
 *          service may see of the host; "answer": that of the next one, "why": there is none
 * capabilities: of cvmd-libvirt, in the same form: see worker/libvirt-ask.h
 */
#define WORKER_VERB_MEASURE "measure"
#define WORKER_VERB_PIN "pin"
#define WORKER_VERB_DISK "disk"
#define WORKER_VERB_CHECK "check"
#define WORKER_VERB_SIM_ROOT "sim-root"
#define WORKER_VERB_SIM_OPEN "sim-open"
#define WORKER_VERB_HOST "host"
#define WORKER_VERB_CAPABILITIES "capabilities"
