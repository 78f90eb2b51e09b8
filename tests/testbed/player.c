#include "tests/testbed/player.h"

#include <errno.h>
#include <linux/kvm_para.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macros.h"
#include "tests/testbed/kvm.h"

#define PORT_DATA 0x1000 /* in the vCPU's area: where a port's value stands */
#define VMCALL_GET_QUOTE 0x10002
#define VMCALL_UNSUPPORTED (1ull << 63) /* as KVM presets it */

/* One process has one machine, and its player outlives the VM that a reset makes anew. */
static struct {
        int listener, connection;
        bool waits; /* for the answer of `command` */
        struct player_command command;
        uint8_t bytes[PLAYER_BYTES_MAX];
} player = { -EBADF, -EBADF, false };

static void disconnect(void) {
        if (player.connection >= 0)
                close(player.connection);
        player.connection = -EBADF;
        player.waits = false;
}

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
                errno = ENAMETOOLONG;
        else if (fd >= 0 && (unlink(path) == 0 || errno == ENOENT) &&
                 bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0)
                return fd;
        testbed_say("no player can connect to '%s': %s", path, strerror(errno));
        if (fd >= 0)
                close(fd);
        return -EBADF;
}

void player_begin(void) {
        const char *path = getenv("CVM_TESTBED_PLAYER");

        disconnect();
        if (path && player.listener < 0)
                player.listener = listen_at(path);
}

/* The player is a program of ours and sends whole commands: there is no waiting for the rest of one. */
static bool receive(void *data, size_t size) {
        return recv(player.connection, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void answer(int status, uint64_t value, const void *bytes, size_t length) {
        struct player_answer head = { status, (uint32_t)length, value };

        player.waits = false;
        if (send(player.connection, &head, sizeof head, MSG_NOSIGNAL | (length ? MSG_MORE : 0)) !=
                            sizeof head ||
            (length && send(player.connection, bytes, length, MSG_NOSIGNAL) != (ssize_t)length))
                disconnect();
}

static bool is_size(uint8_t size) {
        return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Every command either prepares an exit and answers true, or is answered on the spot. */
typedef bool (*command_fn)(struct vcpu *vcpu, const struct player_command *c);

static bool port(struct vcpu *vcpu, const struct player_command *c) {
        struct kvm_run *run = vcpu->run;

        if (!is_size(c->size) || c->size > 4 || c->address > UINT16_MAX) {
                answer(-EINVAL, 0, NULL, 0);
                return false;
        }
        run->exit_reason = KVM_EXIT_IO;
        run->io.direction = c->what == PLAYER_PORT_WRITE ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
        run->io.size = c->size;
        run->io.port = (uint16_t)c->address;
        run->io.count = 1;
        run->io.data_offset = PORT_DATA;
        memcpy((uint8_t *)run + PORT_DATA, &c->value, sizeof c->value);
        return true;
}

static bool mmio(struct vcpu *vcpu, const struct player_command *c) {
        struct kvm_run *run = vcpu->run;

        if (!is_size(c->size)) {
                answer(-EINVAL, 0, NULL, 0);
                return false;
        }
        run->exit_reason = KVM_EXIT_MMIO;
        run->mmio.phys_addr = c->address;
        run->mmio.len = c->size;
        run->mmio.is_write = c->what == PLAYER_WRITE;
        memcpy(run->mmio.data, &c->value, sizeof c->value);
        return true;
}

/* The memory as the host sees it: of a private page it sees nothing. */
static uint8_t *shared(struct vcpu *vcpu, uint64_t gpa, uint64_t size) {
        if (!size || size > PLAYER_BYTES_MAX)
                return NULL;
        for (uint64_t page = gpa / GUEST_PAGE; page <= (gpa + size - 1) / GUEST_PAGE; page++)
                if (memory_is_private(&vcpu->vm->memory, page * GUEST_PAGE))
                        return NULL;
        return memory_at(&vcpu->vm->memory, gpa, size);
}

static bool peek(struct vcpu *vcpu, const struct player_command *c) {
        const uint8_t *from;

        handles_lock();
        from = shared(vcpu, c->address, c->value);
        if (from)
                memcpy(player.bytes, from, c->value);
        handles_unlock();
        answer(from ? 0 : -EFAULT, 0, player.bytes, from ? c->value : 0);
        return false;
}

static bool poke(struct vcpu *vcpu, const struct player_command *c) {
        uint8_t *to;

        handles_lock();
        to = shared(vcpu, c->address, c->length);
        if (to)
                memcpy(to, player.bytes, c->length);
        handles_unlock();
        answer(to ? 0 : -EFAULT, 0, NULL, 0);
        return false;
}

static bool share(struct vcpu *vcpu, const struct player_command *c) {
        struct kvm_run *run = vcpu->run;

        run->exit_reason = KVM_EXIT_HYPERCALL;
        run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
        run->hypercall.args[0] = c->address;
        run->hypercall.args[1] = c->value;
        run->hypercall.args[2] = 0; /* not encrypted, in pages of 4 KiB */
        run->hypercall.ret = 0;
        return true;
}

static bool event(struct vcpu *vcpu, const struct player_command *c) {
        vcpu->run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
        vcpu->run->system_event.type = (uint32_t)c->address;
        vcpu->run->system_event.ndata = 0;
        return true;
}

static bool report(struct vcpu *vcpu, const struct player_command *c) {
        struct tdx *tdx = &vcpu->vm->tdx;
        uint8_t bytes[TDX_REPORT_SIZE];
        bool fits = tdx->state == TDX_RUNNING && c->length == 64;

        if (fits)
                tdx_report(tdx, player.bytes, bytes);
        answer(fits ? 0 : -EINVAL, 0, bytes, fits ? sizeof bytes : 0);
        return false;
}

static bool extend(struct vcpu *vcpu, const struct player_command *c) {
        struct tdx *tdx = &vcpu->vm->tdx;
        bool fits = tdx->state == TDX_RUNNING && c->address < TDX_REGISTERS && c->length == DIGEST_SIZE;

        if (fits)
                tdx_extend(tdx, (unsigned)c->address, player.bytes);
        answer(fits ? 0 : -EINVAL, 0, NULL, 0);
        return false;
}

/* KVM passes it on when the buffer consists of whole pages. */
static bool quote(struct vcpu *vcpu, const struct player_command *c) {
        struct kvm_run *run = vcpu->run;

        if (vcpu->vm->tdx.state != TDX_RUNNING || c->address % GUEST_PAGE || c->value % GUEST_PAGE) {
                answer(-EINVAL, 0, NULL, 0);
                return false;
        }
        run->exit_reason = KVM_EXIT_TDX;
        run->tdx.flags = 0;
        run->tdx.nr = VMCALL_GET_QUOTE;
        run->tdx.get_quote.ret = VMCALL_UNSUPPORTED;
        run->tdx.get_quote.gpa = c->address;
        run->tdx.get_quote.size = c->value;
        return true;
}

static const command_fn commands[PLAYER_WHAT_MAX_] = {
        [PLAYER_PORT_READ] = port, [PLAYER_PORT_WRITE] = port, [PLAYER_READ] = mmio,
        [PLAYER_WRITE] = mmio,     [PLAYER_PEEK] = peek,       [PLAYER_POKE] = poke,
        [PLAYER_SHARE] = share,    [PLAYER_EVENT] = event,     [PLAYER_REPORT] = report,
        [PLAYER_QUOTE] = quote,    [PLAYER_EXTEND] = extend,
};

static uint64_t value_read(const struct kvm_run *run, const struct player_command *c) {
        uint64_t value = 0;

        if (c->what == PLAYER_PORT_READ)
                memcpy(&value, (const uint8_t *)run + PORT_DATA, c->size);
        else if (c->what == PLAYER_READ)
                memcpy(&value, run->mmio.data, c->size);
        else if (c->what == PLAYER_QUOTE)
                value = run->tdx.get_quote.ret;
        return value;
}

void player_continue(struct vcpu *vcpu) {
        if (vcpu->id != 0 || !player.waits)
                return;
        answer(player.command.what == PLAYER_SHARE ? (int)vcpu->run->hypercall.ret : 0,
               value_read(vcpu->run, &player.command), NULL, 0);
}

static bool take_command(struct vcpu *vcpu) {
        struct player_command *c = &player.command;

        if (!receive(c, sizeof *c) || c->length > sizeof player.bytes ||
            (c->length && !receive(player.bytes, c->length))) {
                disconnect();
                return false;
        }
        if (c->what >= ARRAY_SIZE(commands)) {
                answer(-EINVAL, 0, NULL, 0);
                return false;
        }
        player.waits = commands[c->what](vcpu, c);
        return player.waits;
}

bool player_wait(struct vcpu *vcpu, const sigset_t *mask) {
        bool is_connected = player.connection >= 0;
        struct pollfd wait = { is_connected ? player.connection : player.listener, POLLIN, 0 };

        if (vcpu->id != 0)
                wait.fd = -EBADF; /* rests until a signal */
        if (ppoll(&wait, 1, NULL, mask) <= 0)
                return false;
        if (is_connected)
                return take_command(vcpu);
        player.connection = accept4(player.listener, NULL, NULL, SOCK_CLOEXEC);
        return false;
}
