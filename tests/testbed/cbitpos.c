/* The place of the encryption bit as the processor of this machine tells it: QEMU compares, and a library
 * cannot change an instruction's answer. */
#include <cpuid.h>
#include <stdio.h>

int main(void) {
        unsigned a, b = 0, c, d;

        __cpuid(0x8000001f, a, b, c, d); /* without looking whether there is such a leaf, as QEMU does */
        printf("%u\n", b & 0x3f);
        return 0;
}
