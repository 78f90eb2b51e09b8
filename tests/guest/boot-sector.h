/*
 * A guest of 512 bytes, up in a twentieth of a second: its boot sector prints '!' on the first serial port,
 * then the digits 0 to 9 for ever. 16-bit code, assembled by hand; the listing stands beside the bytes.
 */
#pragma once

#include <stdint.h>

#include "base/fd.h"

static const uint8_t boot_sector_code[] = {
        0xba, 0xf8,    0x03, /*        mov dx, 0x3f8     */
        0xb0, '!',           /*        mov al, '!'       */
        0xee,                /*        out dx, al        */
        0xb0, '0',           /* again: mov al, '0'       */
        0xee,                /* next:  out dx, al        */
        0xb9, 0xff,    0xff, /*        mov cx, 0xffff    */
        0xe2, 0xfe,          /*        loop $            */
        0xfe, 0xc0,          /*        inc al            */
        0x3c, '9' + 1,       /*        cmp al, '9' + 1   */
        0x75, 0xf4,          /*        jne next          */
        0xeb, 0xf0,          /*        jmp again         */
};

/* One that takes no time of the host, and hears nothing. */
static const uint8_t boot_sector_rests[] = {
        0xfa,       /*        cli              */
        0xf4,       /* again: hlt              */
        0xeb, 0xfd, /*        jmp again        */
};

/* One that listens: it waits for the power button (ACPI, section 4.8.3.1: fixed registers, where SeaBIOS
 * puts them) and then ends itself. */
static const uint8_t boot_sector_obeys[] = {
        0xba, 0x02, 0x06, /*        mov dx, 0x602    */
        0xb8, 0x00, 0x01, /*        mov ax, 0x100    */
        0xef,             /*        out dx, ax       */
        0xba, 0xf8, 0x03, /*        mov dx, 0x3f8    */
        0xb0, '!',        /*        mov al, '!'      */
        0xee,             /*        out dx, al       */
        0xfb,             /*        sti              */
        0xba, 0x00, 0x06, /*        mov dx, 0x600    */
        0xf4,             /* wait:  hlt              */
        0xed,             /*        in ax, dx        */
        0xf6, 0xc4, 0x01, /*        test ah, 1       */
        0x74, 0xf9,       /*        jz wait          */
        0xba, 0x04, 0x06, /*        mov dx, 0x604    */
        0xb8, 0x00, 0x20, /*        mov ax, 0x2000   */
        0xef,             /*        out dx, ax: off  */
        0xf4,             /* rest:  hlt              */
        0xeb, 0xfd,       /*        jmp rest         */
};

/* A disk image of one MiB with that boot sector at path. */
static inline int boot_disk_write(const char *path, const uint8_t *code, size_t size) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        cvm_write_copy(&w, code, size);
        cvm_write_zeros(&w, 510 - size);
        cvm_write_copy(&w, "\x55\xaa", 2);
        cvm_write_zeros(&w, (1 << 20) - 512);
        return cvm_write_file(path, w.bytes.data, w.bytes.size, 0644, NULL);
}

static inline int boot_sector_write(const char *path) {
        return boot_disk_write(path, boot_sector_code, sizeof boot_sector_code);
}

/* The same as the smallest thing that QEMU takes for a Linux kernel: its code is where the real-mode entry
 * of the boot protocol (2.02) is. */
static inline int boot_kernel_write(const char *path) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        cvm_write_zeros(&w, 0x1f1);
        cvm_write_u8(&w, 1); /* sectors of setup code */
        cvm_write_zeros(&w, 0x1fe - w.bytes.size);
        cvm_write_copy(&w, "\x55\xaa\xeb\x66HdrS\x02\x02", 10); /* the jump leads to 0x268 */
        cvm_write_zeros(&w, 0x268 - w.bytes.size);
        cvm_write_copy(&w, boot_sector_code, sizeof boot_sector_code);
        cvm_write_zeros(&w, 4096 - w.bytes.size);
        return cvm_write_file(path, w.bytes.data, w.bytes.size, 0600, NULL);
}
