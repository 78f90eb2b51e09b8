#include "launch/setup-header.h"

#include <string.h>

#include "launch/q35.h"

#define ACPI_DATA 0x28000u
#define REAL_MODE 0x10000u
#define CMDLINE 0x20000u
#define LOADS_HIGH 0x01         /* of the flags at 0x211 */
#define CAN_USE_HEAP 0x80       /* likewise */
#define ABOVE_4G 0x02           /* of the flags at 0x236 */
#define PROTOCOL_MIN 0x20c      /* 2012; what is older has other rules */
#define HEADER_END (0x260u + 8) /* behind the last field of that protocol */

static uint32_t get(const uint8_t *at, size_t size) {
        uint32_t value = 0;

        for (size_t i = size; i-- > 0;)
                value = value << 8 | at[i];
        return value;
}

static void put(uint8_t *at, size_t size, uint32_t value) {
        for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)(value >> 8 * i);
}

bool setup_header_rewrite(uint8_t *image, size_t size, uint64_t memory, uint64_t initrd_size) {
        uint64_t below_4g = q35_below_4g(memory), top;

        if (size < HEADER_END || memcmp(image + 0x202, "HdrS", 4) != 0 ||
            get(image + 0x206, 2) < PROTOCOL_MIN || !(image[0x211] & LOADS_HIGH) || below_4g <= ACPI_DATA)
                return false;
        top = get(image + 0x236, 2) & ABOVE_4G ? UINT32_MAX : get(image + 0x22c, 4);
        if (top >= below_4g - ACPI_DATA)
                top = below_4g - ACPI_DATA - 1;
        if (initrd_size > top)
                return false;
        image[0x210] = 0xb0;
        image[0x211] |= CAN_USE_HEAP;
        put(image + 0x224, 2, CMDLINE - REAL_MODE - 0x200);
        put(image + 0x228, 4, CMDLINE);
        if (initrd_size) {
                put(image + 0x218, 4, (uint32_t)(top - initrd_size) & ~0xfffu);
                put(image + 0x21c, 4, (uint32_t)initrd_size);
        }
        return true;
}
