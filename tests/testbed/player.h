/*
 * The player: a program that plays the guest. Where CVM_TESTBED_PLAYER names a socket, the library listens
 * there, and the first vCPU of a confidential VM takes its commands from whoever connects: what a guest
 * would do to the machine becomes an exit of KVM_RUN that QEMU's real devices answer. One command, one
 * answer; a command that comes while the VM is stopped is answered when it goes on. The connection is closed
 * when the VM is created anew: that boot is over.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* In memory as they are here, little-endian. `length` bytes follow: what is to be poked, or was peeked. */
struct player_command {
        uint8_t what; /* enum player_what */
        uint8_t size; /* of a port's or register's value: 1, 2, 4, 8 */
        uint16_t reserved;
        uint32_t length;
        uint64_t address; /* of the port, register or memory; of a system event its type */
        uint64_t value; /* to be written; of PLAYER_SHARE how many pages, of PLAYER_PEEK and PLAYER_QUOTE how
                         * many bytes
                         */
};

struct player_answer {
        int32_t status; /* 0 or a negative errno */
        uint32_t length;
        uint64_t value; /* that was read */
};

enum player_what {
        PLAYER_PORT_READ,
        PLAYER_PORT_WRITE,
        PLAYER_READ,
        PLAYER_WRITE,
        PLAYER_PEEK, /* memory that the guest shares with the host, and that alone */
        PLAYER_POKE,
        PLAYER_SHARE, /* pages: KVM_HC_MAP_GPA_RANGE, as the guest's kernel asks for it */
        PLAYER_EVENT,
        PLAYER_REPORT, /* of a trust domain, over `length` = 64 bytes: TDG.MR.REPORT */
        PLAYER_QUOTE,  /* from the host, of the buffer of `value` bytes: TDG.VP.VMCALL<GetQuote>, answered by
                          its status */
        PLAYER_EXTEND, /* register `address` of a trust domain, by `length` = 48 bytes: TDG.MR.RTMR.EXTEND */
        PLAYER_WHAT_MAX_,
};

#define PLAYER_BYTES_MAX (1u << 20)

/* A confidential VM is created: listen when that is wanted, and end the connection of the boot before. */
void player_begin(void);

/* The vCPU goes on: what the player waits for is answered. */
void player_continue(struct vcpu *vcpu);

/* Wait for a command or a signal, with this signal mask. True when an exit is to be made and stands in
 * vcpu->run. */
bool player_wait(struct vcpu *vcpu, const sigset_t *mask);
