#include "vm/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"

static int fail(struct cvm_error *err, int errnum, const char *what, const char *name) {
        static const struct {
                int errnum;
                const char *words;
        } causes[] = {
                { EPERM, "cvmd may not do that: it lacks CAP_NET_ADMIN" },
                { EBUSY, "another program uses it" },
                { EINVAL, "it is no such device" },
                { EOPNOTSUPP, "it is no such device" },
        };
        const char *words = strerror(errnum);

        for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
                if (causes[i].errnum == errnum)
                        words = causes[i].words;
        return cvm_fail(err, &CVM_CODE_NETWORK, errnum, "%s '%s' cannot be used: %s", what, name, words);
}

/* Frames with the header of virtio, as QEMU's devices want them; the kernel fills in the name. */
static int attach(struct ifreq *request, int *ret_fd) {
        CVM_CLEANUP(cvm_closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

        request->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
        if (fd < 0 || ioctl(fd, TUNSETIFF, request) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int find(const char *what, const char *name, struct ifreq *ret, struct cvm_error *err) {
        *ret = (struct ifreq){ 0 };
        if (strlen(name) >= sizeof ret->ifr_name || !if_nametoindex(name))
                return cvm_fail(err, &CVM_CODE_NETWORK, ENODEV, "there is no %s '%.20s' on this host", what,
                                name);
        strcpy(ret->ifr_name, name);
        return 0;
}

int tap_open(const char *name, int *ret_fd, struct cvm_error *err) {
        struct ifreq request;
        int r = find("tap device", name, &request, err);

        if (r < 0)
                return r;
        r = attach(&request, ret_fd);
        return r < 0 ? fail(err, -r, "tap device", name) : 0;
}

/* A bridge takes the lowest address and the smallest MTU of its ports as its own: a guest may change
 * neither.
 */
static int suit_bridge(int control, const char *tap, const struct ifreq *bridge) {
        struct ifreq mtu = *bridge, address = { 0 }, flags = { 0 };

        strcpy(address.ifr_name, tap);
        strcpy(flags.ifr_name, tap);
        if (ioctl(control, SIOCGIFMTU, &mtu) < 0 || ioctl(control, SIOCGIFHWADDR, &address) < 0)
                return -errno;
        strcpy(mtu.ifr_name, tap);
        address.ifr_hwaddr.sa_data[0] = (char)0xfe;
        if (ioctl(control, SIOCSIFMTU, &mtu) < 0 || ioctl(control, SIOCSIFHWADDR, &address) < 0 ||
            ioctl(control, SIOCGIFFLAGS, &flags) < 0)
                return -errno;
        flags.ifr_flags |= IFF_UP;
        return ioctl(control, SIOCSIFFLAGS, &flags) < 0 ? -errno : 0;
}

int tap_open_in_bridge(const char *bridge, int *ret_fd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct ifreq request, tap = { .ifr_name = "cvm%d" };
        int r = find("bridge", bridge, &request, err);

        if (r < 0)
                return r;
        r = control < 0 ? -errno : attach(&tap, &fd);
        if (r >= 0)
                r = suit_bridge(control, tap.ifr_name, &request);
        request.ifr_ifindex = (int)if_nametoindex(tap.ifr_name);
        if (r >= 0 && ioctl(control, SIOCBRADDIF, &request) < 0)
                r = -errno;
        if (r < 0)
                return fail(err, -r, "bridge", bridge);
        *ret_fd = TAKE_FD(fd);
        return 0;
}
