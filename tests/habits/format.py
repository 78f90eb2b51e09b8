"""clang-format decides about form: the tree is what it would write."""
import os
import subprocess
import sys

import tree


def main(top):
    tool = os.environ.get("CLANG_FORMAT", "")
    if not os.path.exists(tool):
        print("SKIP: clang-format is not installed")
        return 77
    paths = tree.files(top) + tree.files(top, ["tests", "bench"])
    return subprocess.run([tool, "--dry-run", "-Werror", *paths], cwd=top, check=False).returncode


sys.exit(main(sys.argv[1]))
