/*
 * The state of one boot, and what the host's messages do to it. Pure but for the files that secrets become:
 * frames in, frames out; who moves the bytes is the loop's business (guest-agent/loop.c), and reports come
 * from a provider (guest-agent/tee.h).
 */
#pragma once

#include "attest/binding.h"
#include "attest/message.h"
#include "attest/seal.h"
#include "attest/signed.h"
#include "guest-agent/tee.h"

#define AGENT_SECRETS_MAX 128 /* names taken in one boot */

/* Who owns this guest: its measured command line says it, and nothing else. */
enum owner_state {
        OWNER_NONE,
        OWNER_NAMED,
        OWNER_WRONG, /* twice, or in another form: nothing is served */
};

struct owner {
        enum owner_state state;
        uint8_t id[CVM_SHA384_SIZE];
        struct cvm_error why; /* of OWNER_WRONG */
        uint8_t verity_hash[32];
        bool has_verity_hash; /* roothash= of the same command line */
};

/* From the text of /proc/cmdline. */
void owner_read(const char *cmdline, size_t size, struct owner *ret);

/* A secret that was taken: for one (kind, name) the last sequence number, and what was answered. */
struct taken {
        uint8_t kind;
        char name[65];
        uint64_t seq;
        uint8_t digest[CVM_SHA384_SIZE];
        char *receipt; /* owned envelope */
};

/* Whole frames that wait to be written, in order. */
struct outbox {
        struct cvm_writer bytes;
        size_t done;
};

struct agent {
        struct owner owner;
        struct tee *tee;         /* borrowed */
        const char *secrets_dir; /* kind file; beside it "keys" for kind disk-key */
        const char *keys_dir;
        EVP_PKEY *kem, *sig;
        struct cvm_keyset keyset;
        uint8_t keyset_digest[CVM_SHA384_SIZE];

        /* the binding, once it is frozen */
        bool bound, approved, handed_over;
        struct binding binding;
        uint8_t binding_digest[CVM_SHA384_SIZE]; /* of the empty string when unowned */
        EVP_PKEY *owner_key, *service_key;
        uint8_t uuid[16];

        uint64_t generation, counter;
        struct taken taken[AGENT_SECRETS_MAX];
        size_t n_taken;

        /* the host's present session */
        uint64_t session;
        struct outbox out;
        uint8_t mid[16]; /* of the last STOP */
        bool stop_asked, reboot_asked;
        char *bye; /* the signed BYE, once this boot has ended: nothing is taken any more */
        bool bye_acked;
};

/* Fresh keys. CVM_CODE_AGENT_ENTROPY where the CPU cannot add to the host's entropy and the evidence is
 * real. */
int agent_init(struct agent *agent, const struct owner *owner, struct tee *tee, const char *secrets_dir,
               const char *keys_dir, struct cvm_error *err);
void agent_done(struct agent *agent);

/* One frame of the host. What it is worth is answered into agent->out; nothing else is told. */
void agent_take(struct agent *agent, const struct cvm_frame *frame);

/* What the hand-over waits for: "binding", "approval", "release", "secret:NAME", "register" (it cannot be
 * extended), "" for nothing. */
void agent_waits_for(const struct agent *agent, char *ret, size_t size);
bool agent_is_provisioned(const struct agent *agent);
void agent_send_status(struct agent *agent);

/* Where nothing is waited for any more: what the platform's register has to say of it is extended, once in a
 * boot. Until that is done the guest does not go on. */
void agent_hand_over(struct agent *agent);

/* End this boot: sign the BYE (once), forget the secrets, send it. */
int agent_say_bye(struct agent *agent, struct cvm_error *err);
/* Again, to whoever listens now. */
void agent_send_bye(struct agent *agent);

/* --- messages.c --- */
void agent_send(struct agent *agent, uint8_t type, const void *message);
void agent_refuse(struct agent *agent, uint64_t id, struct cvm_error *why);
void outbox_clear(struct outbox *out);

/* --- secret.c: SECRET from the host --- */
void agent_take_secret(struct agent *agent, const struct msg_envelope *message);
bool agent_has_secret(const struct agent *agent, const char *name);
/* The files of secrets go. */
void agent_forget_secrets(struct agent *agent);

/* --- binding.c: BINDING and APPROVAL --- */
void agent_take_binding(struct agent *agent, const struct msg_binding *message);
void agent_take_approval(struct agent *agent, const struct msg_envelope *message);
