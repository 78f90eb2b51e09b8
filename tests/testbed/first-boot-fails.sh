#!/bin/sh
# A guest's program that at its first boot says half a message and resets: first-boot-fails.sh COMMAND...
[ -e booted ] && exec "$@"
echo >booted
printf '\377CVM181%016x%08x\nhalf a message' 1 1048576 >&3
exit 64
