/*
 * What a host offers, read in one place below one root directory: "/" for this host, a recorded tree in
 * tests. Each platform judges for itself (struct platform, read_host), with the getters at the end.
 */
#pragma once

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/platform-id.h"

#define HOST_KEYS_MAX 15

struct host_facts {
        char cpu_vendor[32]; /* vendor_id of /proc/cpuinfo: "AuthenticAMD"; "" where there is none */
        bool has_kvm;        /* /dev/kvm is there; whether it works shows only when a guest runs */
        bool offers[CVM_PLATFORM_MAX_]; /* it can run that platform's guests on hardware */
        bool is_recorded;               /* read below another root than "/" */
        /* the bit of an address that marks a private page, where the processor has one; 0: none */
        uint32_t encryption_bit;
        /* SHA-256 of the keys with which it opens images, where it tells them; HOST_KEYS_MAX at most */
        uint8_t keys[HOST_KEYS_MAX][CVM_SHA256_SIZE];
        size_t n_keys;
        bool can_dump;          /* its firmware encrypts the memory of such guests for a dump */
        bool has_quote_service; /* signs what guests' hardware reports, where that cannot sign for others */
        bool quote_service_is_closed; /* to the users that guests run as */
};

/* The facts of the host whose files lie below `root`. What is not there is not offered; only a root that
 * cannot be opened fails (CVM_CODE_FILE). */
int host_read(const char *root, struct host_facts *ret, struct cvm_error *err);

/* {"cpu_vendor":"AuthenticAMD","kvm":true,"platforms":["sev-snp"]}; owned. */
json_object *host_json(const struct host_facts *facts);

/* For the platforms: files below the root, paths without a leading slash. Links lead to nowhere outside. */
int host_open(int root_fd, const char *path, int flags); /* a negative errno; never waits */
/* The beginning of a file; "" where it cannot be read. */
void host_text(int root_fd, const char *path, char *ret, size_t size);
bool host_has(int root_fd, const char *path);
/* Does the word stand in the file, within its first 256 MiB? */
bool host_has_word(int root_fd, const char *path, const char *word);
/* A module's parameter or other switch: its file begins with 'Y', 'y' or '1'. */
bool host_is_on(int root_fd, const char *path);
