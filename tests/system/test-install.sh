#!/bin/bash
# What is installed fits together: unit, bus service and policies name programs and users that are there, and the
# installed programs run with the installed configuration.
set -euo pipefail
build=$1 source_dir=$2
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
root=$work/root
DESTDIR=$root cmake --install "$build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cd "$root"

unit=usr/lib/systemd/system/cvmd.service
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
[ -x "$root$program" ] || fault "the unit starts $program, which is not installed"
[ "$(sed -n 's/^BusName=//p' "$unit")" = "$(sed -n 's/^Name=//p' usr/share/dbus-1/system-services/org.cvmd1.service)" ] ||
        fault "unit and bus service have different names"
grep -qx "Alias=$(sed -n 's/^SystemdService=//p' usr/share/dbus-1/system-services/org.cvmd1.service)" "$unit" ||
        fault "the bus service starts a unit that is not there"

# Every action that the daemon asks for is described, and no other is.
asked=$(grep -rhoE '"org\.cvmd1\.[a-z]+"' "$source_dir/dbus/objects.h" | tr -d '"' | sort -u)
described=$(sed -n 's/.*<action id="\([^"]*\)".*/\1/p' usr/share/polkit-1/actions/org.cvmd1.policy | sort -u)
[ "$asked" = "$described" ] || fault "polkit actions: asked for $asked, described $described"

# The real bus takes the policy: the daemon of this run owns its name by it, on a bus that allows nothing else.
cat >"$work/bus.conf" <<C
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=$work/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_destination="org.freedesktop.DBus"/><allow receive_type="method_return"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow send_type="signal"/><allow receive_type="method_call"/><allow receive_type="error"/><allow receive_type="signal"/></policy>
<includedir>$root/usr/share/dbus-1/system.d</includedir></busconfig>
C
bus=unix:path=$work/bus
exec {bus_fd}< <(exec dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --print-address=1 2>"$work/bus.log")
bus_pid=$!
read -r -u "$bus_fd" _ || { cat "$work/bus.log"; exit 1; }
export DBUS_SYSTEM_BUS_ADDRESS=$bus
mkdir "$work/state" "$work/run"
exec {daemon_fd}< <(exec "$root$program" --config "$root/etc/cvmd/cvmd.conf" --worker "$root/usr/libexec/cvmd/cvmd-worker" \
        --state-dir "$work/state" --runtime-dir "$work/run" 2>"$work/cvmd.log")
daemon_pid=$!
read -r -u "$daemon_fd" _ || { cat "$work/cvmd.log"; exit 1; }
expect 0 "" "$root/usr/bin/cvmctl" --bus "$bus" list
expect 0 "cpu_vendor" "$root/usr/bin/cvmctl" --bus "$bus" host show
end_faults
