#include "vm/probe-guest.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"

#define IMAGE "/proc/self/fd/3"

struct probe_part {
        size_t at;
        const uint8_t *bytes;
        size_t size; /* 0: the last */
};

/* --- x86: firmware --- */

/*
 * Copies 8 MiB backwards, byte by byte, as a kernel moves itself: a few milliseconds of a processor's,
 * seconds where each step is emulated. Then it says so and halts.
 */
static const uint8_t x86_code[] = {
        0xb8, 0x00, 0x10, /* mov ax, 0x1000 */
        0x8e, 0xd8,       /* mov ds, ax */
        0x8e, 0xc0,       /* mov es, ax */
        0xfd,             /* std */
        0xbb, 0x80, 0x00, /* mov bx, 128 */
        0xbe, 0xff, 0xff, /* again: mov si, 0xffff */
        0xbf, 0xfe, 0xff, /* mov di, 0xfffe */
        0xb9, 0x00, 0xff, /* mov cx, 0xff00 */
        0xf3, 0xa4,       /* rep movsb */
        0x4b,             /* dec bx */
        0x75, 0xf2,       /* jnz again */
        0xb0, 0x01,       /* mov al, 1 */
        0xe6, 0xf4,       /* out 0xf4, al */
        0xf4,             /* end: hlt */
        0xeb, 0xfd,       /* jmp end */
};
static const uint8_t x86_reset_vector[16] = { 0xe9, 0x8d, 0xff }; /* jmp to it */

static const struct probe_part x86_parts[] = {
        { 0xff80, x86_code, sizeof x86_code },
        { 0xfff0, x86_reset_vector, sizeof x86_reset_vector },
        { 0 },
};
static const char *const x86_arguments[] = { "-bios", IMAGE, "-device",
                                             "isa-debug-exit,iobase=0xf4,iosize=1", NULL };

/* --- s390x: a kernel --- */

static const uint8_t s390x_entry[] = { 0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00 }; /* short PSW */
/* After a fault: a wait that nothing ends, which is a panic. */
static const uint8_t s390x_program_psw[] = { 0x00, 0x02, 0x00, 0x01, 0x80, 0x00, 0x00, 0x00,
                                             0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };
/* Counts to a million, writes on the console, and shuts down: a wait that nothing ends, at that address. */
static const uint8_t s390x_code[] = {
        0xc0, 0x09, 0x00, 0x10, 0x00, 0x00, /* iilf %r0, 0x100000 */
        0xa7, 0x06, 0x00, 0x00,             /* again: brct %r0, again */
        0xc0, 0x29, 0x00, 0x76, 0x00, 0x05, /* iilf %r2, 0x760005: write event data */
        0xc0, 0x19, 0x00, 0x00, 0x20, 0x00, /* iilf %r1, 0x2000 */
        0xb2, 0x20, 0x00, 0x21,             /* servc %r2, %r1 */
        0xb2, 0xb2, 0x02, 0x40,             /* lpswe 0x240 */
};
static const uint8_t s390x_end[] = { 0x00, 0x02, 0x00, 0x01, 0x80, 0x00, 0x00, 0x00,
                                     0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0f, 0xff };
#define S390X_TEXT "probe guest ran"
/* Header of the block: its length; of its one event: length, and type of text in ASCII. */
static const uint8_t s390x_block[] = { 0, 8 + 6 + sizeof S390X_TEXT - 1, 0,   0, 0, 0, 0, 0,
                                       0, 6 + sizeof S390X_TEXT - 1,     0x1a };

static const struct probe_part s390x_parts[] = {
        { 0, s390x_entry, sizeof s390x_entry },
        { 0x1d0, s390x_program_psw, sizeof s390x_program_psw },
        { 0x200, s390x_code, sizeof s390x_code },
        { 0x240, s390x_end, sizeof s390x_end },
        { 0x2000, s390x_block, sizeof s390x_block },
        { 0x200e, (const uint8_t *)S390X_TEXT, sizeof S390X_TEXT - 1 },
        { 0 },
};
static const char *const s390x_arguments[] = {
        "-kernel", IMAGE, "-chardev", "stdio,id=console", "-device", "sclpconsole,chardev=console", NULL
};

static const struct probe_guest guests[] = {
        { "q35", x86_arguments, x86_parts, 64u << 10, 3, NULL }, /* (value << 1) | 1 */
        { "s390-ccw-virtio", s390x_arguments, s390x_parts, 12u << 10, 0, S390X_TEXT },
};

const struct probe_guest *probe_guest_find(const char *machine) {
        for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
                if (strcmp(guests[i].machine, machine) == 0)
                        return &guests[i];
        return NULL;
}

int probe_guest_image(const struct probe_guest *guest) {
        CVM_CLEANUP(cvm_freep) uint8_t *image = calloc(1, guest->image_size);

        if (!image)
                return -ENOMEM;
        for (const struct probe_part *part = guest->parts; part->size; part++)
                memcpy(image + part->at, part->bytes, part->size);
        return cvm_memfd("kvm-probe", image, guest->image_size);
}

bool probe_guest_ran(const struct probe_guest *guest, int status, const char *output) {
        return status == guest->status && (!guest->says || (output && strstr(output, guest->says)));
}
