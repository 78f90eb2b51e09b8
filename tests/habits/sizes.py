"""The bars of HACKING.md: functions (median 18, 95 % 60, none over 100), files (median 250, none over 800)."""
import statistics
import sys

import tree

FUNCTION_MEDIAN, FUNCTION_P95, FUNCTION_MAX = 18, 60, 100
FILE_MEDIAN, FILE_MAX, HEADER_MAX = 250, 800, 150
HEADERS_WITH_LEAVE = {"vm/manager.h", "attest/message.h", "base/json.h"}  # up to 200: one contract, read as a whole


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main(top):
    faults, sizes, lengths = [], [], []
    for path in tree.files(top) + tree.files(top, ["tests", "bench"]):
        text = tree.lines(top, path)
        cap = HEADER_MAX if path.endswith(".h") and not path.startswith("tests/") else FILE_MAX
        if path in HEADERS_WITH_LEAVE:
            cap = 200
        if len(text) > cap:
            faults.append(f"{path}: {len(text)} lines, more than {cap}")
        if path.startswith(("tests/", "bench/")):
            continue
        if path.endswith(".c"):
            lengths.append(len(text))
        for start, name, size in tree.functions(text):
            sizes.append(size)
            if size > FUNCTION_MAX:
                faults.append(f"{path}:{start}: {name}() has {size} lines, more than {FUNCTION_MAX}")
    measured = [("functions, median", statistics.median(sizes), FUNCTION_MEDIAN),
                ("functions, 95 %", percentile(sizes, 0.95), FUNCTION_P95),
                ("files, median", statistics.median(lengths), FILE_MEDIAN)]
    for what, value, bar in measured:
        print(f"{what}: {value} lines (bar {bar})")
        if value > bar:
            faults.append(f"{what}: {value} lines, more than {bar}")
    return tree.report(faults)


sys.exit(main(sys.argv[1]))
