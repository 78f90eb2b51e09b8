/* What the processor of this machine says by itself, where no library can stand between: the place of the
 * encryption bit, which QEMU compares, and the signature, which `-cpu host` takes. */
#include <cpuid.h>
#include <stdio.h>

int main(void) {
        unsigned a, b = 0, c, d, signature;

        __cpuid(0x8000001f, a, b, c, d); /* without looking whether there is such a leaf, as QEMU does */
        __cpuid(1, signature, a, c, d);
        printf("%u %#x\n", b & 0x3f, signature);
        return 0;
}
