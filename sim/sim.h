/*
 * The software root of trust of the simulated platform (design section 3). It measures the very inputs that
 * the hardware would measure and signs evidence in the real format, under a local root whose certificates
 * carry a critical extension that hardware verification refuses and simulated verification requires.
 */
#pragma once

#include <stdbool.h>

#include "attest/simulation.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/platform-id.h"
#include "sim/sim-store.h"

struct sim_root;

struct sim_root *sim_root_free(struct sim_root *root);
CVM_DEFINE_CLEANUP(struct sim_root, sim_root_free);

/*
 * Make a root: keys and certificates as one PEM text (RSA-4096 keys take seconds: run it in a worker). It is
 * kept by the caller (mode 0600). A root that was made before a technology was simulated goes on as it is
 * and only lacks that one: have is the number of those that it has, 0 for a new one, and what is made is put
 * behind it.
 */
int sim_root_make(size_t have, struct cvm_bytes *ret_pem, struct cvm_error *err);
int sim_root_read(const void *pem, size_t size, struct sim_root **ret, struct cvm_error *err);
/* What was made behind it; nothing is added on failure. */
int sim_root_add(struct sim_root *root, const void *pem, size_t size, struct cvm_error *err);
size_t sim_root_count(const struct sim_root *root);
bool sim_root_is_complete(const struct sim_root *root); /* it has all that are simulated by now */
bool sim_root_has(const struct sim_root *root, enum cvm_platform_id platform);

/* The root certificate of each technology, PEM, owned: what an owner puts into a policy for simulated
 * guests.
 */
int sim_root_certificates(const struct sim_root *root, char **ret_pem, struct cvm_error *err);
/* SHA-256 of the SubjectPublicKeyInfo of that technology's; zeros where there is none. */
void sim_root_digest(const struct sim_root *root, enum cvm_platform_id platform, uint8_t ret[32]);

/* What an owner needs of the simulated hosts to make images and requests for them: their host-key documents,
 * the certificates and lists that vouch for them; PEM, owned, "" where there are none. */
int sim_root_documents(const struct sim_root *root, char **ret_pem, struct cvm_error *err);

/*
 * What the simulated host makes of an image that it boots: the contents in the clear, as plain QEMU boots
 * them, are written into an empty file; ret is the store of its guests before they were given anything. An
 * image that the hardware would not start is refused, in words and with the codes of a launch that fails so.
 */
int sim_image_open(const struct sim_root *root, enum cvm_platform_id platform, int image, int flat,
                   struct sim_store *ret, struct cvm_error *err);

/* One guest as the simulated hardware knows it: fixed at launch, but for what is new at each boot. */
struct sim_guest {
        enum cvm_platform_id platform;
        uint8_t measurement[48];
        uint8_t host_data[48]; /* platform's digest of the binding; zeros when unowned */
        uint8_t owner[48];     /* owner_id, for platforms that show it; zeros when unowned */
        uint64_t policy;       /* SNP guest policy, 0: its default; attributes of a TD */
        uint8_t report_id[32]; /* new at each boot */
        /* borrowed, for platforms with registers: what was extended into them; empty: nothing */
        struct cvm_bytes event_log;
        uint8_t image[256]; /* of a guest that is an image: the parts of its measurement, one behind the
                               other */
        size_t image_size;
        struct sim_store store; /* empty at each boot */
};

/* Another boot of the same guest, told by its label: the same label is the same boot. */
void sim_guest_boot(struct sim_guest *guest, const char *boot);
/* Its owner has told the platform that the host may take no dump of it in this boot. */
static inline bool sim_guest_forbids_dump(const struct sim_guest *guest) {
        return guest->store.forbids_dump;
}

/* Borrowed. */
struct sim_question {
        uint8_t report_data[64];
        struct cvm_bytes request; /* the verifier's own, for platforms that answer one */
        /* For platforms with registers: records of what the guest itself extended in this boot. Simulated
         * hardware has no memory of that, so the guest tells it again with each question. */
        struct cvm_bytes own_events;
};

struct sim_answer {
        struct cvm_bytes report;       /* in the platform's real format, signed */
        struct cvm_bytes certificates; /* the platform's own table of them */
        struct cvm_bytes event_log;    /* what its registers were extended with; empty: it has none */
};
void sim_answer_done(struct sim_answer *answer);

/* CVM_CODE_SIM_PLATFORM where that platform is not simulated, or was not when this root was made. */
int sim_report(const struct sim_root *root, const struct sim_guest *guest,
               const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err);

/*
 * A guest's request for its platform's own store: 0 taken, 1 refused, with words (at most SIM_WORDS_MAX
 * bytes) of the platform. The very same again is taken and changes nothing. CVM_CODE_SIM_PLATFORM where that
 * platform has none.
 */
#define SIM_WORDS_MAX 128
int sim_keep(const struct sim_root *root, struct sim_guest *guest, const struct cvm_bytes *request,
             char ret_words[SIM_WORDS_MAX], struct cvm_error *err);
/* The guest lets nothing more into it in this boot; results as of sim_keep(). */
int sim_lock(const struct sim_root *root, struct sim_guest *guest, char ret_words[SIM_WORDS_MAX],
             struct cvm_error *err);
/* What it tells the guest of its store, in the platform's form, owned. CVM_CODE_SIM_PLATFORM. */
int sim_list(const struct sim_root *root, const struct sim_guest *guest, struct cvm_bytes *ret,
             struct cvm_error *err);
