/*
 * Prerequisites that several technologies have in common: functions for the rows of their tables (struct
 * host_check_row, holds).
 */
#pragma once

#include "launch/host-platform.h"

#define HOST_ROW(name)                                                             \
        int name(const struct host_scene *scene, const struct host_check_row *row, \
                 char detail[HOST_DETAIL_MAX], struct cvm_error *err)

HOST_ROW(host_row_cpu_says); /* row->path as its vendor (CPUID leaf 0) */
/* A hypervisor's machine has no such technology of its own to give away, except where KVM has found it all
 * the same. */
HOST_ROW(host_row_is_bare);
HOST_ROW(host_row_has_path); /* row->path is there */
HOST_ROW(host_row_is_on);    /* the switch row->path is on */
/* The device row->path opens for reading and writing. Opening changes nothing; who may not write cannot
 * configure the platform, but can ask. */
HOST_ROW(host_row_opens);
HOST_ROW(host_row_kvm_answers); /* with the one version of its interface */
HOST_ROW(host_row_kvm_makes);   /* VMs of type row->bit */
HOST_ROW(host_row_counts);      /* the misc controller counts row->path, and there are some */
HOST_ROW(host_row_has_free);    /* not all of row->path are taken */
/* A type that a program knows stands in it by name, row->path: no program is run to ask it. */
HOST_ROW(host_row_qemu_knows);
HOST_ROW(host_row_libvirt_knows); /* or is not installed, as QEMU is started directly */

#define HOST_QEMU "usr/bin/qemu-system-x86_64"
/* The path of that for this host's processor. */
const char *host_qemu(const struct host_facts *facts);
extern const char *const host_libvirt_paths[]; /* NULL-terminated */
