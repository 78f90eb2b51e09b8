/*
 * A boot sector that opens the ports of a virtio-serial device, as a guest's driver does when a program
 * opens them: it looks for the device on the first bus (1af4:1003, virtio 1.x section 4.1.4.8: legacy I/O),
 * takes the feature MULTIPORT, and puts two messages PORT_OPEN (section 5.3.6.2) into the queue of control,
 * at 64 KiB. 16-bit code, assembled by hand.
 */
#pragma once

static const char port_opener_code[] = "\xb8\x00\x10"             /*         mov ax, 0x1000 */
                                       "\x8e\xc0"                 /*         mov es, ax */
                                       "\x66\xbb\x00\x00\x00\x80" /*         mov ebx, 0x80000000 */
                                       "\xe8\x64\x00"             /* find:   call config */
                                       "\x80\xc7\x08"             /*         add bh, 0x8 */
                                       "\x66\xed"                 /*         in eax, dx */
                                       "\x66\x3d\xf4\x1a\x03\x10" /*         cmp eax, 0x10031af4 */
                                       "\x75\xf0"                 /*         jne find */
                                       "\x80\xef\x08"             /*         sub bh, 0x8 */
                                       "\xb3\x04"                 /*         mov bl, 0x4 */
                                       "\xe8\x4f\x00"             /*         call config */
                                       "\xb8\x07\x00"             /*         mov ax, 0x7 */
                                       "\xef"                     /*         out dx, ax */
                                       "\xb3\x10"                 /*         mov bl, 0x10 */
                                       "\xe8\x46\x00"             /*         call config */
                                       "\xed"                     /*         in ax, dx */
                                       "\x24\xfc"                 /*         and al, 0xfc */
                                       "\x89\xc6"                 /*         mov si, ax */
                                       "\x8d\x54\x12"             /*         lea dx, [si+0x12] */
                                       "\xb0\x03"                 /*         mov al, 0x3 */
                                       "\xee"                     /*         out dx, al */
                                       "\x8d\x54\x04"             /*         lea dx, [si+0x4] */
                                       "\x66\xb8\x02\x00\x00\x00" /*         mov eax, 0x2 */
                                       "\x66\xef"                 /*         out dx, eax */
                                       "\x8d\x54\x0e"             /*         lea dx, [si+0xe] */
                                       "\xb0\x03"                 /*         mov al, 0x3 */
                                       "\xef"                     /*         out dx, ax */
                                       "\x8d\x54\x08"             /*         lea dx, [si+0x8] */
                                       "\xb0\x10"                 /*         mov al, 0x10 */
                                       "\x66\xef"                 /*         out dx, eax */
                                       "\x56"                     /*         push si */
                                       "\xbe\x7d\x7c"             /*         mov si, 0x7c7d */
                                       "\x31\xff"                 /*         xor di, di */
                                       "\xb9\x20\x00"             /*         mov cx, 0x20 */
                                       "\xf3\xa4"                 /*         rep movsb */
                                       "\xbf\x00\x02"             /*         mov di, 0x200 */
                                       "\xb1\x08"                 /*         mov cl, 0x8 */
                                       "\xf3\xa4"                 /*         rep movsb */
                                       "\x5e"                     /*         pop si */
                                       "\x8d\x54\x12"             /*         lea dx, [si+0x12] */
                                       "\xb0\x07"                 /*         mov al, 0x7 */
                                       "\xee"                     /*         out dx, al */
                                       "\x8d\x54\x10"             /*         lea dx, [si+0x10] */
                                       "\xb8\x03\x00"             /*         mov ax, 0x3 */
                                       "\xef"                     /*         out dx, ax */
                                       "\xf4"                     /* rest:   hlt */
                                       "\xeb\xfd"                 /*         jmp rest */
                                       "\x66\x89\xd8"             /* config: mov eax, ebx */
                                       "\xba\xf8\x0c"             /*         mov dx, 0xcf8 */
                                       "\x66\xef"                 /*         out dx, eax */
                                       "\xb2\xfc"                 /*         mov dl, 0xfc */
                                       "\xc3"                     /*         ret */
                                       /* a descriptor each: address, size */
                                       "\xa5\x7c\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00"
                                       "\xad\x7c\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00"
                                       /* what is available: both */
                                       "\x00\x00\x02\x00\x00\x00\x01\x00"
                                       /* port 2, the other channel, is opened; then port 1, the agent's */
                                       "\x02\x00\x00\x00\x06\x00\x01\x00"
                                       "\x01\x00\x00\x00\x06\x00\x01\x00";
