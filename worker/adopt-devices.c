/* A domain's devices: disks, NICs, what the guest prints; the machine's own have nothing to be carried over.
 */
#include <stdlib.h>
#include <string.h>

#include "launch/definition-parts.h"
#include "worker/adopt.h"

/* Where libvirt put it, and how it calls it in a run: QEMU, or the other driver, decides that anew. */
static void use_placement(struct xml_node *device) {
        static const char *const names[] = { "alias", "address" };

        device->used = true;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                for (struct xml_node *n = NULL; (n = xml_child(device, names[i], n));)
                        xml_use_all(n);
}

static json_object *list_of(struct adoption *a, const char *name) {
        json_object *list = json_object_object_get(a->definition, name);

        if (!list) {
                list = json_object_new_array();
                json_object_object_add(a->definition, name, list);
        }
        return list;
}

/* --- disks --- */

/* Why this is no disk that a VM can have; NULL: it is one. */
static const char *disk_fault(struct xml_node *disk, const char *path) {
        const char *device = xml_use(disk, "device");
        struct xml_node *driver = xml_child(disk, "driver", NULL),
                        *backing = xml_child(disk, "backingStore", NULL);

        if (device && strcmp(device, "disk") != 0)
                return "a VM has hard disks only";
        if (!path || *path != '/' || !definition_path_is_valid(path))
                return "a disk is a file or a block device, by an absolute path without '..'";
        if (!adopt_is(driver, "type", "raw") && !adopt_is(driver, "type", "qcow2"))
                return "its format is neither raw nor qcow2, or is not said: it is never guessed";
        if (backing && backing->children)
                return "an image with a backing file is not taken: flatten it with `qemu-img convert`";
        return NULL;
}

static void take_boot_order(struct adoption *a, struct xml_node *boot, const char *serial) {
        bool has_kernel = json_object_object_get(json_object_object_get(a->definition, "boot"), "kernel");

        if (!boot)
                return;
        if (!adopt_is(boot, "order", "1"))
                adopt_leave(boot, "one disk is booted from, or the kernel");
        else if (has_kernel || !serial)
                adopt_leave(boot,
                            has_kernel ? "the kernel is booted" : "only a disk with a serial can be named");
        else {
                boot->used = true;
                json_object_object_add(adopt_section(a, "boot"), "disk", json_object_new_string(serial));
        }
}

static const char *take_serial(json_object *row, struct xml_node *serial) {
        const char *text = xml_use_text(serial);

        if (!text)
                return NULL;
        if (!definition_serial_is_valid(text)) {
                adopt_leave(serial, "a serial has 1 to 20 letters, digits, '.', '_' or '-'");
                return NULL;
        }
        json_object_object_add(row, "serial", json_object_new_string(text));
        return text;
}

static void take_target(struct xml_node *disk) {
        struct xml_node *target = xml_child(disk, "target", NULL);

        if (!target)
                return;
        target->used = true;
        xml_use(target, "dev");
        if (!adopt_is(target, "bus", "virtio"))
                adopt_leave_attribute(target, "bus",
                                      "disks are virtio here: the guest may know it by another name");
}

static void take_disk(struct adoption *a, struct xml_node *disk) {
        struct xml_node *source = xml_child(disk, "source", NULL), *driver = xml_child(disk, "driver", NULL),
                        *readonly = xml_child(disk, "readonly", NULL),
                        *backing = xml_child(disk, "backingStore", NULL);
        bool is_block = adopt_is(disk, "type", "block");
        const char *path = adopt_is(disk, "type", "file") || is_block
                                           ? xml_use(source, is_block ? "dev" : "file")
                                           : NULL,
                   *fault = disk_fault(disk, path), *serial;
        json_object *row;

        if (fault) {
                adopt_leave(disk, fault);
                return;
        }
        use_placement(disk);
        row = json_object_new_object();
        json_object_array_add(list_of(a, "disks"), row);
        json_object_object_add(row, "path", json_object_new_string(path));
        json_object_object_add(row, "format", json_object_new_string(xml_use(driver, "type")));
        if (readonly) {
                xml_use_all(readonly);
                json_object_object_add(row, "readonly", json_object_new_boolean(true));
        }
        driver->used = source->used = true;
        adopt_is(driver, "name", "qemu");
        xml_use(source, "index");
        if (backing)
                xml_use_all(backing);
        take_target(disk);
        serial = take_serial(row, xml_child(disk, "serial", NULL));
        take_boot_order(a, xml_child(disk, "boot", NULL), serial);
}

/* --- NICs --- */

static const struct link {
        const char *libvirt, *ours;
        const char *child, *attribute; /* where its name stands; NULL: it has none */
} links[] = {
        { "bridge", "bridge", "source", "bridge" },
        { "ethernet", "tap", "target", "dev" },
        { "user", "user", NULL, NULL },
};

/* Without a name libvirt gives one, which begins so. */
static bool is_named_by_libvirt(const char *dev) {
        return strncmp(dev, "vnet", 4) == 0;
}

static void use_known(struct xml_node *nic, const struct link *link) {
        struct xml_node *model = xml_child(nic, "model", NULL), *target = xml_child(nic, "target", NULL),
                        *rom = xml_child(nic, "rom", NULL), *source = xml_child(nic, "source", NULL);

        if (source)
                source->used = true;
        if (target) {
                const char *dev = xml_use(target, "dev");
                bool is_taken = link->child && strcmp(link->child, "target") == 0;

                target->used = true;
                adopt_is(target, "managed", "no");
                if (dev && !is_taken && !is_named_by_libvirt(dev))
                        adopt_leave_attribute(target, "dev",
                                              "the tap device of a bridge is made anew at each start");
        }
        if (rom)
                rom->used = adopt_is(rom, "enabled", "no");
        if (model)
                model->used = true;
        if (model && !adopt_is(model, "type", "virtio"))
                adopt_leave_attribute(model, "type", "NICs are virtio here");
}

static void take_nic(struct adoption *a, struct xml_node *nic) {
        struct xml_node *mac = xml_child(nic, "mac", NULL);
        const struct link *link = NULL;
        const char *name = NULL;
        json_object *row;

        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                if (adopt_is(nic, "type", links[i].libvirt))
                        link = &links[i];
        if (link && link->child)
                name = xml_use(xml_child(nic, link->child, NULL), link->attribute);
        if (!link || (link->child && !name)) {
                adopt_leave(nic,
                            "a NIC is on a bridge or tap device that is named, or the user's: give one with "
                            "--nic");
                return;
        }
        use_placement(nic);
        use_known(nic, link);
        row = json_object_new_object();
        json_object_array_add(list_of(a, "nics"), row);
        json_object_object_add(row, "type", json_object_new_string(link->ours));
        if (name)
                json_object_object_add(row, "name", json_object_new_string(name));
        if (mac) {
                mac->used = true;
                name = xml_use(mac, "address");
                if (name)
                        json_object_object_add(row, "mac", json_object_new_string(name));
        }
}

/* --- what it prints, and its channels --- */

static void take_serial_port(struct adoption *a, struct xml_node *serial) {
        bool is_log = adopt_is(serial, "type", "file"),
             is_second = json_object_object_get(a->definition, "console");
        struct xml_node *target = xml_child(serial, "target", NULL),
                        *source = xml_child(serial, "source", NULL);

        if (is_second) {
                adopt_leave(serial, "a VM has one console");
                return;
        }
        use_placement(serial);
        json_object_object_add(a->definition, "console",
                               json_object_new_string(is_log ? "log" : "interactive"));
        if (!is_log && !adopt_is(serial, "type", "pty"))
                adopt_leave_attribute(serial, "type", "a console is opened with `cvmctl console`");
        adopt_leave(source, "where it goes is cvmd's: see `cvmctl logs` and `cvmctl console`");
        if (target)
                xml_use_all(target);
}

/* Of a serial port, or that of a machine which has none. */
static void take_console(struct adoption *a, struct xml_node *console) {
        struct xml_node *target = xml_child(console, "target", NULL);

        if (adopt_is(target, "type", "serial") && json_object_object_get(a->definition, "console"))
                xml_use_all(console);
        else if (adopt_is(target, "type", "sclp"))
                take_serial_port(a, console);
        else
                adopt_leave(console, "a VM has one console, on the port of its machine");
}

static void take_channel(struct adoption *a, struct xml_node *channel) {
        struct xml_node *target = xml_child(channel, "target", NULL);

        if (adopt_is(target, "name", "org.cvmd.agent.0") || adopt_is(target, "name", "org.cvmd.tee.0"))
                xml_use_all(channel);
        else
                adopt_leave(channel, "a guest here has the channels of cvmd's own agent");
}

/* --- the machine's own --- */

static void take_emulator(struct adoption *a, struct xml_node *emulator) {
        const char *path = xml_use_text(emulator), *name = strrchr(path, '/');

        name = name ? name + 1 : path;
        if (strncmp(name, "qemu-system-", strlen("qemu-system-")) != 0)
                adopt_leave(emulator, "the host's own QEMU is taken");
}

/* These follow from the devices on them, or are in every machine. */
static void take_controller(struct adoption *a, struct xml_node *controller) {
        static const char *const own[] = { "pci", "virtio-serial", "sata" };
        bool is_own = adopt_is(controller, "model", "none");

        for (size_t i = 0; i < ARRAY_SIZE(own); i++)
                is_own = adopt_is(controller, "type", own[i]) || is_own;
        if (is_own)
                xml_use_all(controller);
        else
                adopt_leave(controller, "a guest here has no such controller");
}

static void take_input(struct adoption *a, struct xml_node *input) {
        if (adopt_is(input, "bus", "ps2"))
                xml_use_all(input);
}

static void take_watchdog(struct adoption *a, struct xml_node *watchdog) {
        if (adopt_is(watchdog, "model", "itco"))
                xml_use_all(watchdog);
}

static void take_audio(struct adoption *a, struct xml_node *audio) {
        if (adopt_is(audio, "type", "none"))
                xml_use_all(audio);
}

static void take_balloon(struct adoption *a, struct xml_node *balloon) {
        if (adopt_is(balloon, "model", "none"))
                xml_use_all(balloon);
        else
                adopt_leave(balloon, "a confidential guest gives no memory back");
}

const struct adopt_rule adopt_devices[] = {
        { "devices/emulator", .take = take_emulator },
        { "devices/disk", .take = take_disk },
        { "devices/interface", .take = take_nic },
        { "devices/serial", .take = take_serial_port },
        { "devices/console", .take = take_console },
        { "devices/channel", .take = take_channel },
        { "devices/controller", .take = take_controller },
        { "devices/input", .take = take_input },
        { "devices/watchdog", .take = take_watchdog },
        { "devices/audio", .take = take_audio },
        { "devices/memballoon", .take = take_balloon },
        { "devices/graphics", .why = "a confidential guest shows no screen to its host" },
        { "devices/video", .why = "a confidential guest shows no screen to its host" },
        { "devices/rng", .why = "a guest takes no randomness from its host" },
        { 0 },
};
