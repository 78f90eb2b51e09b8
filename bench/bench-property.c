/* A property of a VM, read over the bus, against a method of a server that does nothing else. */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "bench/bench.h"
#include "dbus/names.h"

static int on_ping(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "s", "running");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Ping", "ss", "s", on_ping, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static sd_bus *open_bus(const char *address) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 ||
            sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0)
                exit(1);
        return bus;
}

static void serve(const char *address, int ready) {
        sd_bus *bus = open_bus(address);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sd_bus_add_object_vtable(bus, NULL, "/bench", "bench.Ping", vtable, NULL) < 0 ||
            sd_bus_request_name(bus, "bench.ping", 0) < 0 || write(ready, "r", 1) != 1)
                exit(1);
        for (;;)
                if (sd_bus_process(bus, NULL) == 0)
                        sd_bus_wait(bus, UINT64_MAX);
}

static uint64_t call(sd_bus *bus, const char *name, const char *path, const char *interface,
                     const char *member) {
        uint64_t t = bench_nsec();
        sd_bus_message *reply = NULL;

        if (sd_bus_call_method(bus, name, path, interface, member, NULL, &reply, "ss", CVMD_VM_INTERFACE,
                               "State") < 0)
                exit(1);
        sd_bus_message_unref(reply);
        return bench_nsec() - t;
}

int main(int argc, char **argv) {
        uint64_t ours[BENCH_ROUNDS * 5], bare[BENCH_ROUNDS * 5];
        const size_t n = sizeof ours / sizeof *ours;
        double o, b;
        sd_bus *bus;
        int ends[2];
        char byte;

        if (argc != 3 || pipe(ends) < 0) /* ADDRESS VM-PATH */
                return 2;
        if (fork() == 0)
                serve(argv[1], ends[1]);
        if (read(ends[0], &byte, 1) != 1)
                return 1;
        bus = open_bus(argv[1]);
        for (size_t i = 0; i < n; i++) {
                ours[i] = call(bus, CVMD_BUS_NAME, argv[2], "org.freedesktop.DBus.Properties", "Get");
                bare[i] = call(bus, "bench.ping", "/bench", "bench.Ping", "Ping");
        }
        o = (double)bench_median(ours, n);
        b = (double)bench_median(bare, n);
        return !bench_report("D-Bus property read, time against a bare ping server", o / b, BENCH_AT_MOST,
                             1.3, o / 1000, b / 1000, "us");
}
