/* The driver that a test runs with: see the table in tests/CMakeLists.txt. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vm/driver.h"
#include "vm/libvirt-link.h"

/* NULL: a scripted one, which the test brings. */
static inline const struct driver *driver_of_test(void) {
        const char *name = getenv("CVM_DRIVER");
        const struct driver *driver = driver_by_name(name ? name : "qemu");

        assert_true(driver || strcmp(name, "scripted") == 0);
        libvirt_link_set_program(CVM_BINARY_DIR "/worker/cvmd-libvirt");
        return driver;
}
