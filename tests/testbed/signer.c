/*
 * The security processor of a guest that is played: signs under the simulation root what the library
 * recorded of the launch, and nothing that the daemon says of it.
 *
 *      signer RECORD ROOT SOCKET COMMAND...
 *
 * RECORD is the library's (record.h), ROOT the daemon's simulation root. COMMAND takes this process's place,
 * with the channel to the signer as descriptor 9; the signer ends with it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "sim/sim.h"
#include "vm/tee-link.h"
#include "vm/unix-socket.h"

#define CHANNEL 9
#define RECORD_MAX 65536

static int get_hex(const struct cvm_json *record, const char *key, uint8_t *ret, size_t size,
                   struct cvm_error *err) {
        const char *text = "";
        int r = cvm_json_get_text(record, key, &text, err);

        if (r < 0)
                return r;
        return cvm_unhex(text, ret, size) < 0 ? cvm_json_refuse(record, err, "has no proper '%s'", key) : 0;
}

static int read_launch(const char *path, struct sim_guest *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json record;
        int r = cvm_read_file(path, RECORD_MAX, &text, err);

        if (r >= 0)
                r = cvm_json_parse(text.data, text.size, path, &node, err);
        if (r < 0)
                return r;
        record = cvm_json_root(node, path);
        *ret = (struct sim_guest){ .platform = CVM_PLATFORM_SEV_SNP };
        cvm_random(ret->report_id, sizeof ret->report_id);
        r = cvm_json_get_u64(&record, "policy", &ret->policy, err);
        if (r >= 0)
                r = get_hex(&record, "measurement", ret->measurement, sizeof ret->measurement, err);
        return r < 0 ? r : get_hex(&record, "host_data", ret->host_data, 32, err);
}

static int serve(const char *record, const char *root_path, const char *socket, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        struct tee_link *link = NULL;
        struct sim_guest guest;
        sd_event *event = NULL;
        int r = read_launch(record, &guest, err);

        if (r >= 0)
                r = cvm_read_file(root_path, RECORD_MAX, &pem, err);
        if (r >= 0)
                r = sim_root_read(pem.data, pem.size, &root, err);
        if (r >= 0)
                r = sd_event_new(&event);
        if (r >= 0)
                r = tee_link_new(event, socket, root, &guest, &link, err);
        if (r >= 0)
                r = sd_event_loop(event);
        tee_link_free(link);
        sd_event_unref(event);
        return r;
}

int main(int argc, char **argv) {
        struct cvm_error err = { 0 };
        int listener, channel;
        pid_t parent = getpid();

        if (argc < 5 || unix_listen(argv[3], &listener, &err) < 0)
                return 2;
        if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() == parent && serve(argv[1], argv[2], argv[3], &err) < 0)
                        fprintf(stderr, "signer: %s\n", cvm_error_text(&err, -EIO));
                _exit(1);
        }
        (void)poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, -1);
        channel = accept(listener, NULL, NULL);
        if (channel < 0 || dup2(channel, CHANNEL) < 0)
                return 2;
        execv(argv[4], argv + 4);
        return 127;
}
