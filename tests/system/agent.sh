# Sourced by tests with a real guest and the agent in it, after build and source_dir are set: work, kernel and an initrd in it.
agent=${CVM_AGENT:-$source_dir/build/release/guest-agent/cvm-agent}
[ -x "$agent" ] || { echo "SKIP: no static guest agent: build the release preset first"; exit 77; }
cache=${CVMD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cvmd}
mkdir -p "$cache"
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
root=$("$source_dir/guest-agent/get-kernel" "$cache/kernel")
kernel=$(ls "$root"/boot/vmlinuz-* | sed -n 1p)
"$source_dir/guest-agent/make-initrd" "$root" "$agent" "$work/initrd"
