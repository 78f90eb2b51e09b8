/* cvmctl image build: a protected image, on the owner's machine. No key of it reaches a disk unless
 * --keys-to asks for it. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/keys.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/image-se.h"
#include "cli/key-file.h"
#include "cli/output.h"

#define PATH_SHOWN 256 /* of a name, in words */

static const struct option_row options[] = {
        { "platform", OPTION_TEXT, "PLATFORM", "se, the one with protected images" },
        { "kernel", OPTION_TEXT, "FILE", "raw kernel of s390x" },
        { "initrd", OPTION_TEXT, "FILE", "initial RAM disk" },
        { "cmdline", OPTION_TEXT, "TEXT", "kernel command line" },
        { "owner-key", OPTION_TEXT, "KEY", "name this owner on the command line, for the guest's agent" },
        { "loader-dir", OPTION_TEXT, "DIR", "where stage3a.bin and stage3b_reloc.bin of s390-tools are" },
        HOST_KEY_OPTIONS,
        { "cck", OPTION_TEXT, "FILE", "customer communication key, 32 bytes (random, and thrown away)" },
        { "hdr-key", OPTION_TEXT, "FILE", "header key, 32 bytes (likewise)" },
        { "image-key", OPTION_TEXT, "FILE", "key of the components, 64 bytes (likewise)" },
        { "keys-to", OPTION_TEXT, "DIR", "keep the three keys in this new directory" },
        { "header", OPTION_TEXT, "FILE", "where a copy of the header goes" },
        { "enable-dump", OPTION_FLAG, NULL, "the host may take dumps that the CCK opens" },
        { "disable-cck-extension-secret", OPTION_FLAG, NULL,
          "secrets need not prove that they know the CCK" },
        { "enable-cck-update", OPTION_FLAG, NULL, "a secret may bring another CCK (z17)" },
        { "disable-pckmo", OPTION_FLAG, NULL, "no protected keys of DEA, AES, ECC" },
        { "enable-pckmo-hmac", OPTION_FLAG, NULL, "protected keys of HMAC too" },
        { "enable-backup-keys", OPTION_FLAG, NULL, "backup keys of its hosts open it too" },
        { "disable-image-encryption", OPTION_FLAG, NULL, "the components hold no secret" },
        { "output", OPTION_TEXT, "FILE", "where the image goes, also -o" },
        { 0 },
};

struct inputs {
        struct se_hosts hosts;
        EVP_PKEY *keys[SE_SLOTS_MAX]; /* borrowed from hosts */
        struct cvm_secret secrets;
        struct se_random random;
        struct cvm_bytes stage3a, stage3b;
        int kernel, initrd;
        char *kernel_name, *initrd_name, *cmdline; /* owned */
        struct se_source initrd_source;
        struct se_build build;
};

static void inputs_done(struct inputs *in) {
        se_hosts_done(&in->hosts);
        cvm_secret_done(&in->secrets);
        se_random_done(&in->random);
        cvm_bytes_done(&in->stage3a);
        cvm_bytes_done(&in->stage3b);
        cvm_close(in->kernel);
        cvm_close(in->initrd);
        free(in->kernel_name);
        free(in->initrd_name);
        free(in->cmdline);
}

static int read_keys(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        int r = se_keys_new(&in->secrets, err);

        if (r < 0)
                return r;
        r = image_key_read(arguments, "cck", se_keys(&in->secrets)->cck, SE_CCK_SIZE, err);
        if (r >= 0)
                r = image_key_read(arguments, "hdr-key", se_keys(&in->secrets)->protection, SE_KEY_SIZE,
                                   err);
        if (r >= 0)
                r = image_key_read(arguments, "image-key", se_keys(&in->secrets)->image, SE_IMAGE_KEY_SIZE,
                                   err);
        if (r >= 0)
                r = se_random_make(&in->random, err);
        if (r >= 0)
                se_keys_fill(se_keys(&in->secrets));
        return r;
}

/* A CCK that nobody has kept is no reason to demand it of secrets: then there could be none. */
static int read_flags(const struct arguments *arguments, struct se_build *build, struct cvm_error *err) {
        bool update = argument(arguments, "enable-cck-update");
        bool has_cck = argument(arguments, "cck") || argument(arguments, "keys-to");
        static const struct {
                const char *option;
                uint64_t pcf;
        } rows[] = {
                { "enable-dump", SE_PCF_DUMP },
                { "enable-pckmo-hmac", SE_PCF_PCKMO_HMAC },
                { "enable-backup-keys", SE_PCF_BACKUP_KEYS },
                { "disable-image-encryption", SE_PCF_PLAIN },
        };

        if (argument(arguments, "enable-dump") && !has_cck && !update)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--enable-dump needs --cck, --keys-to or --enable-cck-update: dumps are opened with "
                                "the CCK");
        if (!argument(arguments, "disable-pckmo"))
                build->pcf |= SE_PCF_PCKMO;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (argument(arguments, rows[i].option))
                        build->pcf |= rows[i].pcf;
        if (update)
                build->scf = SE_SCF_CCK_UPDATE;
        else if (has_cck && !argument(arguments, "disable-cck-extension-secret"))
                build->scf = SE_SCF_EXTENSION_SECRET;
        return 0;
}

static int open_part(const char *path, const char *kind, int *ret_fd, char **ret_name, struct se_source *ret,
                     struct cvm_error *err) {
        int r = image_open(path, ret_fd, err);

        if (r >= 0 && asprintf(ret_name, "the %s '%.*s'", kind, PATH_SHOWN, path) < 0) {
                *ret_name = NULL;
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "building an image");
        }
        if (r >= 0)
                *ret = (struct se_source){ .fd = *ret_fd, .name = *ret_name };
        return r;
}

/* The owner stands in the measured command line, exactly once (trust protocol, section 1). */
static int make_cmdline(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        const char *given = argument(arguments, "cmdline"), *owner = argument(arguments, "owner-key");
        uint8_t spki[CVM_SPKI_SIZE], id[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1] = "";
        int r = 0;

        if (!given && !owner)
                return 0;
        if (owner && given && strstr(given, "cvm.owner="))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--cmdline must not have cvm.owner=: --owner-key appends it");
        if (owner)
                r = key_file_public(owner, &key, err);
        if (r >= 0 && owner)
                r = cvm_key_spki(key, spki, err);
        if (r < 0)
                return r;
        if (owner) {
                cvm_key_id(spki, id);
                cvm_hex(id, sizeof id, hex);
        }
        if (asprintf(&in->cmdline, "%s%s%s%s", given ? given : "", given && *given && owner ? " " : "",
                     owner ? "cvm.owner=" : "", hex) < 0) {
                in->cmdline = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "building an image");
        }
        in->build.cmdline = in->cmdline;
        return 0;
}

static int read_parts(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        const char *kernel = argument(arguments, "kernel"), *initrd = argument(arguments, "initrd");
        int r = kernel ? open_part(kernel, "kernel", &in->kernel, &in->kernel_name, &in->build.kernel, err)
                       : cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--kernel is needed");

        if (r >= 0 && initrd) {
                r = open_part(initrd, "initrd", &in->initrd, &in->initrd_name, &in->initrd_source, err);
                in->build.initrd = &in->initrd_source;
        }
        if (r >= 0)
                r = make_cmdline(arguments, in, err);
        if (r >= 0)
                r = image_loader_read(arguments, &in->stage3a, &in->stage3b, err);
        return r;
}

static int read_inputs(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        int r = image_platform_check(arguments, err);

        if (r >= 0 && !argument(arguments, "output"))
                r = cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "-o FILE is needed: where the image goes");
        if (r >= 0)
                r = read_flags(arguments, &in->build, err);
        if (r >= 0)
                r = host_keys_read(arguments, &in->hosts, NULL, err);
        for (size_t i = 0; r >= 0 && i < in->hosts.n; i++)
                in->keys[i] = in->hosts.items[i].key;
        if (r >= 0)
                r = read_keys(arguments, in, err);
        if (r >= 0)
                r = read_parts(arguments, in, err);
        in->build.stage3a = &in->stage3a;
        in->build.stage3b = &in->stage3b;
        in->build.hosts = in->keys;
        in->build.n_hosts = in->hosts.n;
        in->build.keys = se_keys(&in->secrets);
        in->build.random = &in->random;
        return r;
}

static const struct {
        const char *name;
        size_t offset, size;
} key_files[] = { { "cck", offsetof(struct se_keys, cck), SE_CCK_SIZE },
                  { "hdr-key", offsetof(struct se_keys, protection), SE_KEY_SIZE },
                  { "image-key", offsetof(struct se_keys, image), SE_IMAGE_KEY_SIZE } };

/* A directory that keys were put into, borrowed; they go with it where there will be no image of theirs. */
static void forget_keys(const char **directory) {
        CVM_CLEANUP(cvm_closep)
        int fd = *directory ? open(*directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;

        if (fd < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(key_files); i++)
                unlinkat(fd, key_files[i].name, 0);
        rmdir(*directory);
}

/* A directory that was not there: keys of another image are never replaced. */
static int keep_keys(const struct arguments *arguments, const struct se_keys *keys, const char **ret_kept,
                     struct cvm_error *err) {
        const char *directory = argument(arguments, "keys-to");
        int r = 0;

        if (!directory)
                return 0;
        if (mkdir(directory, 0700) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "the directory '%s' for keys cannot be made: %s",
                                directory, strerror(errno));
        *ret_kept = directory;
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(key_files); i++) {
                CVM_CLEANUP(cvm_freep) char *path = NULL;

                if (asprintf(&path, "%s/%s", directory, key_files[i].name) < 0) {
                        path = NULL;
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "keeping keys");
                }
                r = cvm_write_file(path, (const uint8_t *)keys + key_files[i].offset, key_files[i].size,
                                   0600, err);
        }
        return r;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(inputs_done) struct inputs in = { .kernel = -EBADF, .initrd = -EBADF };
        CVM_CLEANUP(cvm_new_file_done) struct cvm_new_file file = CVM_NEW_FILE_INIT;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(forget_keys) const char *kept = NULL;
        const char *path = argument(arguments, "output"), *header = argument(arguments, "header");
        struct se_image image;
        struct se_entry entry = { .scf = 0 };
        int r = read_inputs(arguments, &in, err);

        if (r >= 0)
                r = cvm_new_file_begin(path, 0644, &file, err);
        if (r >= 0)
                r = se_image_build(&in.build, file.fd, &image, err);
        if (r >= 0)
                r = keep_keys(arguments, in.build.keys, &kept, err);
        if (r >= 0 && header)
                r = cvm_write_file(header, image.header.bytes, image.header.size, 0644, err);
        if (r >= 0)
                r = cvm_new_file_end(&file, err);
        if (r < 0)
                return cvm_while(err, r, "building an image");
        kept = NULL;
        entry = (struct se_entry){ SE_ENTRY_MASK, se_image_component(&image, SE_STAGE3B)->address,
                                   in.build.scf };
        if (in.build.pcf & SE_PCF_PLAIN)
                output_say("The components are not encrypted: kernel, initrd and command line are public.");
        node = image_json(&image, &entry);
        output_object(node, "tag");
        return 0;
}

const struct command command_image_build = {
        .group = "image",
        .name = "build",
        .words = "",
        .summary = "build a protected image for hosts, on the owner's machine",
        .options = options,
        .run = run,
};
