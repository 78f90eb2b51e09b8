/*
 * The public face: the model's objects on a bus (dbus/org.cvmd1.xml). It holds no state of its own but who
 * is there: clients that have called, and calls that wait for polkit or for a measurement.
 *
 * Signals go to those who may see what they are about, one by one: a broadcast would tell everybody. A
 * client is known once it has called anything, as users of an ObjectManager do first.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "vm/manager.h"

struct face;

/* bus is borrowed. Nothing is served before face_serve(). */
int face_new(sd_bus *bus, struct face **ret, struct cvm_error *err);
struct face *face_free(struct face *face);
CVM_DEFINE_CLEANUP(struct face, face_free);

/* What the manager is to be told to tell. */
struct manager_observer face_observer(struct face *face);

/* Put the objects on the bus (the caller requests the name). manager is borrowed and outlives the face. */
int face_serve(struct face *face, struct manager *manager, struct cvm_error *err);
