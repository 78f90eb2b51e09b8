#include "tests/testbed/memory.h"

#include <errno.h>
#include <stdlib.h>

void memory_done(struct memory *m) {
        free(m->ranges);
        m->ranges = NULL;
        m->n_ranges = 0;
}

int memory_set_slot(struct memory *m, const struct kvm_userspace_memory_region2 *slot) {
        uint32_t number = slot->slot & 0xffff; /* the upper half is the address space, which only SMM uses */

        if (number >= SLOTS_MAX || slot->slot >> 16)
                return -EINVAL;
        if (slot->guest_phys_addr % GUEST_PAGE || slot->memory_size % GUEST_PAGE)
                return -EINVAL;
        m->slots[number] = *slot;
        return 0;
}

int memory_set_attributes(struct memory *m, const struct kvm_memory_attributes *attributes) {
        struct memory_range *ranges;

        if (attributes->flags || attributes->attributes & ~(uint64_t)KVM_MEMORY_ATTRIBUTE_PRIVATE)
                return -EINVAL;
        if (!attributes->size || attributes->address % GUEST_PAGE || attributes->size % GUEST_PAGE)
                return -EINVAL;
        ranges = reallocarray(m->ranges, m->n_ranges + 1, sizeof *ranges);
        if (!ranges)
                return -ENOMEM;
        m->ranges = ranges;
        ranges[m->n_ranges++] = (struct memory_range){ attributes->address, attributes->size,
                                                       attributes->attributes };
        return 0;
}

static const struct kvm_userspace_memory_region2 *slot_of(const struct memory *m, uint64_t gpa,
                                                          uint64_t size) {
        for (size_t i = 0; i < SLOTS_MAX; i++) {
                const struct kvm_userspace_memory_region2 *s = &m->slots[i];

                if (gpa >= s->guest_phys_addr && size <= s->memory_size &&
                    gpa - s->guest_phys_addr <= s->memory_size - size)
                        return s;
        }
        return NULL;
}

bool memory_is_private(const struct memory *m, uint64_t gpa) {
        const struct kvm_userspace_memory_region2 *slot = slot_of(m, gpa, GUEST_PAGE);

        if (!slot || !(slot->flags & KVM_MEM_GUEST_MEMFD))
                return false;
        for (size_t i = m->n_ranges; i > 0; i--) {
                const struct memory_range *r = &m->ranges[i - 1];

                if (gpa >= r->start && gpa - r->start < r->size)
                        return r->attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE;
        }
        return false;
}

uint8_t *memory_at(const struct memory *m, uint64_t gpa, size_t size) {
        const struct kvm_userspace_memory_region2 *slot = slot_of(m, gpa, size);

        return slot ? (uint8_t *)(uintptr_t)slot->userspace_addr + (gpa - slot->guest_phys_addr) : NULL;
}
