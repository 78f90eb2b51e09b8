# For system tests and the tour: a private bus and a daemon of its own on it, both ended at exit. Source it after setting
# build (directory of the programs) and work (an empty directory). No sleeping: the daemon says when it is ready.

cvmctl() { "$build/cli/cvmctl" --bus "$bus" "$@"; }

start_bus() {
        cat >"$work/bus.conf" <<C
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=$work/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="false"/><allow receive_sender="*"/><allow own="*"/>
<allow user="*"/></policy></busconfig>
C
        bus=unix:path=$work/bus
        exec {bus_fd}< <(exec dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --print-address=1 2>"$work/bus.log")
        bus_pid=$!
        read -r -u "$bus_fd" _ || { echo "no bus: $(cat "$work/bus.log")" >&2; return 1; }
        export DBUS_SYSTEM_BUS_ADDRESS=$bus
}

# start_daemon [OPTION...]: returns when it is ready, or with what it said when it is not
start_daemon() {
        local line
        mkdir -p "$work/state" "$work/run"
        chmod 0711 "$work" "$work/run" # guests run as users of their own
        mkfifo "$work/ready"
        "$build/daemon/cvmd" --config /dev/null --bus "$bus" --state-dir "$work/state" --runtime-dir "$work/run" \
                --worker "$build/worker/cvmd-worker" --set "Libvirt=$build/worker/cvmd-libvirt" \
                --set "Driver=${CVM_DRIVER:-qemu}" --set "ImageDirs=${image_dirs:-$work}" "$@" \
                >"$work/ready" 2>>"$work/cvmd.log" &
        daemon_pid=$!
        if ! read -r line <"$work/ready"; then
                echo "no daemon: $(tail -n 5 "$work/cvmd.log")" >&2
                rm "$work/ready"
                return 1
        fi
        rm "$work/ready"
}

# end_daemon [SIGNAL]
end_daemon() {
        kill "-${1:-TERM}" "$daemon_pid" 2>/dev/null || true
        wait "$daemon_pid" 2>/dev/null || true
        daemon_pid=
}

# hide_programs WORD DIRECTORY: those with that word in their names are not there any more; others are linked in that directory
hide_programs() {
        local directory file directories
        mkdir -p "$2"
        chmod 755 "$2"
        IFS=: read -ra directories <<<"$PATH"
        for directory in "${directories[@]}"; do
                for file in "$directory"/*; do
                        [[ $file == *$1* ]] || [ -e "$2/${file##*/}" ] || ln -s "$file" "$2/"
                done
        done
        export PATH=$2
}

# Processes that have a file of this run's directory open: its guests, whoever started them
guests() {
        local file
        for file in $(grep -lzaE '^(/usr/bin/)?qemu-system-' /proc/[0-9]*/cmdline 2>/dev/null); do
                file=${file%/cmdline}
                ls -l "$file/fd" 2>/dev/null | grep "$work/run" >/dev/null && echo "${file#/proc/}"
        done
        true
}

# Guests outlive the daemon: a test ends those of its own runtime directory.
end_all() {
        end_processes
        rm -rf "$work"
}

end_processes() {
        [ -z "${daemon_pid:-}" ] || end_daemon
        local pid
        for pid in $(guests); do kill -KILL "$pid" 2>/dev/null || true; done
        [ -z "${bus_pid:-}" ] || kill "$bus_pid" 2>/dev/null || true
}
