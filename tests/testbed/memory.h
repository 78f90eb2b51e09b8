/* The guest's memory as KVM knows it: slots, and which pages are private. */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_PAGE 4096u
#define SLOTS_MAX 128

struct memory_range {
        uint64_t start, size, attributes;
};

struct memory {
        struct kvm_userspace_memory_region2 slots[SLOTS_MAX];
        size_t n_ranges;
        struct memory_range *ranges; /* as they were set: the last that holds a page decides */
};

void memory_done(struct memory *m);

/* 0 or a negative errno. */
int memory_set_slot(struct memory *m, const struct kvm_userspace_memory_region2 *slot);
int memory_set_attributes(struct memory *m, const struct kvm_memory_attributes *attributes);

/* The page is in a slot that has private memory, and is private. */
bool memory_is_private(const struct memory *m, uint64_t gpa);

/* The shared bytes [gpa, gpa + size), or NULL where they are not in one slot. Borrowed: QEMU owns them. */
uint8_t *memory_at(const struct memory *m, uint64_t gpa, size_t size);
