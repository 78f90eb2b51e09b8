# Sourced by the scripts of the testbed.

# Where the root is: a cache, outside the tree
root_directory() {
        echo "${CVMD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cvmd}/testbed/root"
}
