/* cvmd: reads its configuration, opens the model and the bus, and turns. Guests outlive it. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/config.h"
#include "dbus/face.h"
#include "dbus/names.h"
#include "vm/libvirt-link.h"
#include "vm/worker-run.h"

#define CONFIG "/etc/cvmd/cvmd.conf"
#define CONFIG_MAX (64u << 10)

struct daemon {
        struct config config;
        const char *bus_address; /* NULL: the system bus */
        sd_event *event;
        sd_bus *bus;
        struct face *face;
        struct manager *manager;
};

static const struct option rows[] = {
        { "config", required_argument, NULL, 'c' },
        { "bus", required_argument, NULL, 'b' },
        { "state-dir", required_argument, NULL, 's' },
        { "runtime-dir", required_argument, NULL, 'r' },
        { "worker", required_argument, NULL, 'w' },
        { "set", required_argument, NULL, 'k' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int usage(FILE *to, int status) {
        fprintf(to,
                "usage: cvmd [--config FILE] [--bus ADDRESS] [--state-dir DIR] [--runtime-dir DIR] [--worker FILE]\n"
                "            [--set KEY=VALUE]...      keys as in cvmd.conf(5)\n");
        return status;
}

static int read_file(struct config *config, const char *path, bool must_exist, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        int r;

        if (!must_exist && access(path, F_OK) < 0 && errno == ENOENT)
                return 0;
        r = cvm_read_file(path, CONFIG_MAX, &text, err);
        return r < 0 ? r : config_read(config, (char *)text.data, text.size, path, err);
}

static int set_option(struct daemon *d, int c, const char *value, struct cvm_error *err) {
        static const struct {
                int c;
                const char *key;
        } keys[] = { { 's', "StateDirectory" }, { 'r', "RuntimeDirectory" }, { 'w', "Worker" } };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].c == c)
                        return config_set(&d->config, keys[i].key, value, "the command line", err);
        if (c == 'k')
                return config_read(&d->config, value, strlen(value), "the command line", err);
        d->bus_address = c == 'b' ? value : d->bus_address;
        return 0;
}

/* The file first, wherever its option stands: options go over it. */
static int configure(struct daemon *d, int argc, char **argv, struct cvm_error *err) {
        const char *path = NULL;
        int c, r = config_defaults(&d->config, err);

        while ((c = getopt_long(argc, argv, "", rows, NULL)) >= 0)
                if (c == 'c')
                        path = optarg;
        if (r >= 0)
                r = read_file(&d->config, path ? path : CONFIG, path != NULL, err);
        optind = 1;
        while (r >= 0 && (c = getopt_long(argc, argv, "", rows, NULL)) >= 0)
                r = set_option(d, c, optarg, err);
        return r;
}

/* Nothing of what passes through this process may be left behind in a core. */
static void harden(void) {
        const struct rlimit no_core = { 0, 0 };

        umask(0077);
        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGPIPE, SIG_IGN);
}

static int open_bus(struct daemon *d, struct cvm_error *err) {
        int r = d->bus_address ? sd_bus_new(&d->bus) : sd_bus_open_system(&d->bus);

        if (d->bus_address && r >= 0)
                r = sd_bus_set_address(d->bus, d->bus_address);
        if (d->bus_address && r >= 0)
                r = sd_bus_set_bus_client(d->bus, 1);
        if (d->bus_address && r >= 0)
                r = sd_bus_start(d->bus);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(d->bus, 1);
        if (r >= 0)
                r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "the bus cannot be reached: %s", strerror(-r))
                     : 0;
}

/* The name comes last: whoever sees it finds everything there. */
static int open_all(struct daemon *d, struct cvm_error *err) {
        const struct manager_config config = config_manager(&d->config);
        struct manager_observer observer;
        int r = open_bus(d, err);

        if (r >= 0)
                r = face_new(d->bus, &d->face, err);
        if (r < 0)
                return r;
        observer = face_observer(d->face);
        worker_run_set_program(d->config.worker);
        libvirt_link_set_program(d->config.libvirt);
        r = manager_new(d->event, &config, &observer, &d->manager, err);
        if (r >= 0)
                r = face_serve(d->face, d->manager, err);
        if (r < 0)
                return r;
        r = sd_bus_request_name(d->bus, CVMD_BUS_NAME, 0);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "the name '" CVMD_BUS_NAME "' cannot be had: %s",
                                strerror(-r))
                     : 0;
}

static int open_loop(struct daemon *d, struct cvm_error *err) {
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        r = sd_event_default(&d->event);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_set_watchdog(d->event, 1);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "opening the event loop: %s", strerror(-r)) : 0;
}

static int run(struct daemon *d, struct cvm_error *err) {
        int r = open_loop(d, err);

        if (r >= 0)
                r = open_all(d, err);
        if (r < 0)
                return r;
        (void)sd_notify(0, "READY=1");
        printf("cvmd: ready\n"); /* for those who start it by hand */
        fflush(stdout);
        r = sd_event_loop(d->event);
        (void)sd_notify(0, "STOPPING=1");
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "the event loop ended: %s", strerror(-r)) : 0;
}

static void daemon_done(struct daemon *d) {
        d->manager = manager_free(d->manager);
        d->face = face_free(d->face);
        sd_bus_flush_close_unref(d->bus);
        sd_event_unref(d->event);
        config_done(&d->config);
}

int main(int argc, char **argv) {
        CVM_CLEANUP(daemon_done) struct daemon d = { 0 };
        struct cvm_error err = { 0 };
        int c, r;

        while ((c = getopt_long(argc, argv, "", rows, NULL)) >= 0)
                if (c == 'v') {
                        printf("cvmd %s\n", CVM_VERSION);
                        return 0;
                } else if (c == 'h' || c == '?')
                        return usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
        if (optind < argc)
                return usage(stderr, 2);
        optind = 1;
        harden();
        r = configure(&d, argc, argv, &err);
        if (r >= 0)
                r = run(&d, &err);
        if (r < 0) {
                fprintf(stderr, "cvmd: %s (%s)\n", cvm_error_text(&err, r), cvm_error_code(&err)->id);
                return cvm_code_exit_status(cvm_error_code(&err));
        }
        return 0;
}
