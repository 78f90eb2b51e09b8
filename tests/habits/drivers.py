"""Each test with guests says which drivers it runs with: the table is in tests/CMakeLists.txt."""
import os
import re
import sys

import tree

# what gives a test its guests
SCENES = re.compile(r"tests/vm/(driver-)?scene\.h|tests/vm/fake-driver\.h|tests/system/(lib|agent|image-scene)\.sh|^import scene", re.M)


def main(top):
    tests = os.path.join(top, "tests")
    rows = set()
    for line in tree.lines(tests, "CMakeLists.txt"):
        m = re.match(r"set\(drivers/(\S+) [a-z ]+\)$", line)
        if m:
            rows.add(m.group(1))
    found = set()
    for folder in sorted(os.listdir(tests)):
        for name in sorted(os.listdir(f"{tests}/{folder}")) if os.path.isdir(f"{tests}/{folder}") and folder != "testbed" else []:
            path = f"{folder}/{name}"
            if re.match(r"test-.*\.(c|py|sh)$", name) and SCENES.search("\n".join(tree.lines(tests, path))):
                found.add(path.rsplit(".", 1)[0])
    return tree.report([f"tests/{path} has guests, and no row in the table of tests/CMakeLists.txt" for path in sorted(found - rows)])


sys.exit(main(sys.argv[1]))
