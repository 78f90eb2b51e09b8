/* sim-open: what a simulated host makes of an image that its owner built for it. */
#include <errno.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/fd.h"
#include "launch/platform.h"
#include "sim/sim.h"
#include "worker/verb.h"

#define ROOT_MAX (256u << 10)

static int read_root(int fd, struct sim_root **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno
                                           : cvm_read_fd(fd, ROOT_MAX, "the simulation root", &pem, err);

        if (r >= 0)
                r = sim_root_read(pem.data, pem.size, ret, err);
        if (pem.data)
                OPENSSL_cleanse(pem.data, pem.size);
        return r;
}

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        int fds[3] = { -EBADF, -EBADF, -EBADF };
        static const char *const names[3] = { "root", "image", "flat" };
        const struct platform *platform;
        char extension[2 * CVM_SHA256_SIZE + 1] = "";
        struct sim_store store = { 0 };
        const char *name = "";
        int r = cvm_json_get_text(request, "platform", &name, err);

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(fds); i++)
                r = verb_fd(request, names[i], &fds[i], err);
        if (r < 0)
                return r;
        platform = platform_by_name(name);
        if (!platform || fds[0] < 0 || fds[1] < 0 || fds[2] < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "the request needs 'platform', 'root', 'image' and 'flat'");
        r = read_root(fds[0], &root, err);
        if (r >= 0)
                r = sim_image_open(root, platform->id, fds[1], fds[2], &store, err);
        if (r < 0)
                return r;
        if (store.image_extends)
                cvm_hex(store.extension, sizeof store.extension, extension);
        *ret = json_object_new_object();
        json_object_object_add(*ret, "extension", json_object_new_string(extension));
        return 0;
}

const struct verb verb_sim_open = { "sim-open", run, SANDBOX_FILES };
