/* Taps and bridges of a network namespace that this test makes for itself. */
#include "vm/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "tests/vm/driver-scene.h"

#define BRIDGE "br0"
#define VNET_HEADER 10

static int control;

static short flags_of(const char *name) {
        struct ifreq request = { 0 };

        strcpy(request.ifr_name, name);
        assert_int_equal(ioctl(control, SIOCGIFFLAGS, &request), 0);
        return request.ifr_flags;
}

/* A persistent tap, as the operator makes one. */
static void make_tap(const char *name) {
        struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
        CVM_CLEANUP(cvm_closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        strcpy(request.ifr_name, name);
        assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
        assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
}

static int listen_on(const char *name) {
        struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                       .sll_protocol = htons(ETH_P_ALL),
                                       .sll_ifindex = (int)if_nametoindex(name) };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        return fd;
}

/* Until these bytes come, behind a header of that size; others are the kernel's own traffic. */
static void expect_frame(int fd, size_t header, const void *frame, size_t size) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        uint8_t data[2048];

        for (;;) {
                ssize_t n;

                assert_int_equal(poll(&p, 1, 10000), 1);
                n = read(fd, data, sizeof data);
                assert_true(n > 0);
                if ((size_t)n >= header + size && memcmp(data + header, frame, size) == 0)
                        return;
        }
}

static void test_frames_go_both_ways(void **state) {
        uint8_t frame[VNET_HEADER + 60] = { 0 }, *ethernet = frame + VNET_HEADER;
        CVM_CLEANUP(cvm_closep) int tap = -EBADF;
        CVM_CLEANUP(cvm_closep) int bridge = listen_on(BRIDGE);
        struct cvm_error err = { 0 };

        if (tap_open_in_bridge(BRIDGE, &tap, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(fcntl(tap, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        memset(ethernet, 0xff, 6);
        memcpy(ethernet + 6,
               "\x52\x54\x00\x01\x02\x03\x88\xb5"
               "from the guest",
               22);
        assert_int_equal(write(tap, frame, sizeof frame), sizeof frame);
        expect_frame(bridge, 0, ethernet, 60);
        memcpy(ethernet + 6,
               "\x52\x54\x00\x01\x02\x04\x88\xb5"
               "to the guest!!",
               22);
        assert_int_equal(send(bridge, ethernet, 60, 0), 60);
        expect_frame(tap, VNET_HEADER, ethernet, 60);
}

static void test_a_guest_changes_nothing_of_its_bridge(void **state) {
        CVM_CLEANUP(cvm_closep) int tap = -EBADF;
        struct ifreq before = { .ifr_name = BRIDGE }, after = before, mtu = before;
        struct cvm_error err = { 0 };

        mtu.ifr_mtu = 9000;
        assert_int_equal(ioctl(control, SIOCSIFMTU, &mtu), 0);
        assert_int_equal(tap_open_in_bridge(BRIDGE, &tap, &err), 0);
        assert_int_equal(ioctl(control, SIOCGIFMTU, &after), 0);
        assert_int_equal(after.ifr_mtu, 9000);
        assert_int_not_equal(if_nametoindex("cvm0"), 0);
        assert_true(flags_of("cvm0") & IFF_UP);
        tap = cvm_close(tap);
        assert_int_equal(if_nametoindex("cvm0"), 0); /* gone with its descriptor */
}

static void test_each_failure_has_words(void **state) {
        CVM_CLEANUP(cvm_closep) int first = -EBADF;
        CVM_CLEANUP(cvm_closep) int none = -EBADF;
        struct cvm_error err = { 0 };

        assert_true(tap_open("absent0", &none, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_NETWORK);
        assert_string_equal(err.text, "there is no tap device 'absent0' on this host");
        assert_int_equal(if_nametoindex("absent0"), 0); /* and none was made */
        assert_true(tap_open_in_bridge("absent0", &none, &err) < 0);
        assert_string_equal(err.text, "there is no bridge 'absent0' on this host");
        assert_true(tap_open(BRIDGE, &none, &err) < 0);
        assert_non_null(strstr(err.text, "no such device"));
        make_tap("tap0");
        assert_true(tap_open_in_bridge("tap0", &none, &err) < 0);
        assert_non_null(strstr(err.text, "no such device"));
        assert_int_equal(tap_open("tap0", &first, &err), 0);
        assert_true(tap_open("tap0", &none, &err) < 0);
        assert_non_null(strstr(err.text, "another program uses it"));
        assert_int_equal(none, -EBADF);
}

static void test_a_guest_has_both(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct ifreq tap = { .ifr_name = "tap1" };
        const char *in_bridge = the_driver == &driver_libvirt ? "vnet0" : "cvm0";
        CVM_CLEANUP(cvm_closep) int none = -EBADF;
        struct cvm_error err = { 0 };

        make_tap("tap1");
        begin(&f, "\"nics\":[{\"type\":\"tap\",\"name\":\"tap1\"},{\"type\":\"bridge\",\"name\":\"" BRIDGE
                  "\",\"mac\":\"52:54:00:12:34:56\"}]," BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_int_not_equal(if_nametoindex(in_bridge), 0);
        assert_true(tap_open(tap.ifr_name, &none, &err) < 0); /* the guest has it */
        command(&f, DRIVER_QUIT);
        wait_for(&f, DRIVER_GONE, 1);
        assert_null(f.why.code);
        assert_int_equal(if_nametoindex(in_bridge), 0);
        assert_int_equal(tap_open(tap.ifr_name, &none, &err), 0);
}

static void test_a_missing_bridge_starts_nothing(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct cvm_error err = { 0 };

        begin(&f, "\"nics\":[{\"type\":\"bridge\",\"name\":\"absent0\"}]," BOOT_DISK);
        s = start_of(&f);
        if (the_driver == &driver_libvirt) { /* it looks itself */
                spawn_and_go(&f, &s);
                wait_for(&f, DRIVER_GONE, 1);
                err = f.why;
        } else {
                assert_true(the_driver->spawn(&s, &f.guest, &err) < 0);
        }
        assert_ptr_equal(err.code, &CVM_CODE_NETWORK);
}

/* libvirt's taps are made where it runs. Its QEMUs are not this test's to bury: it would wait for them. */
static int prepare_driver(void) {
        the_driver = driver_of_test();
        return the_driver == &driver_libvirt ? system("\"$CVM_LIBVIRTD\" kill && \"$CVM_LIBVIRTD\" start")
                                             : prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static const char *make_namespace(void) {
        struct ifreq request = { .ifr_name = BRIDGE };

        if (access("/dev/net/tun", R_OK | W_OK) < 0)
                return "/dev/net/tun cannot be opened";
        if (unshare(CLONE_NEWNET) < 0)
                return "no network namespace may be made";
        control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (ioctl(control, SIOCBRADDBR, BRIDGE) < 0)
                return "no bridge can be made";
        if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
                return "the bridge cannot be looked at";
        request.ifr_flags |= IFF_UP;
        return ioctl(control, SIOCSIFFLAGS, &request) < 0 ? "the bridge cannot be brought up" : NULL;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_go_both_ways),
                cmocka_unit_test(test_a_guest_changes_nothing_of_its_bridge),
                cmocka_unit_test(test_each_failure_has_words),
                cmocka_unit_test(test_a_guest_has_both),
                cmocka_unit_test(test_a_missing_bridge_starts_nothing),
        };
        const char *missing = make_namespace();

        if (missing) {
                printf("SKIP: %s: %s\n", missing, strerror(errno));
                return 77;
        }
        if (prepare_driver() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
