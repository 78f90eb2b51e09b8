/* An empty file becomes a data disk: sparse raw, or a qcow2 image (version 3, 64 KiB clusters) that refers
 * to nothing. */
#pragma once

#include "launch/definition.h"

/* disk->format and disk->size; 0 or a negative errno. */
int disk_fill(int fd, const struct definition_disk *disk);
