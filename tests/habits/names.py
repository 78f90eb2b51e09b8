"""One technology's name stands only in that technology's own files, in one enum and in texts for people."""
import re
import sys

import tree

TECHNOLOGIES = {
    "snp": re.compile(r"\b\w*(?<![a-z])snp(?![a-z])\w*", re.I),
    "tdx": re.compile(r"\b\w*(?<![a-z])tdx(?![a-z])\w*", re.I),
    "se": re.compile(r"\b(?:se_\w+|SE_\w+|\w+_se)\b"),
}
# the enum, the const tables with one line for each technology, and the verb that only one technology has
TABLES = {"base/platform-id.h", "base/platform-id.c", "launch/platform.c", "attest/evidence.c", "collateral/source.c", "sim/platform.h", "sim/sim-root.c",
          "cli/command.c", "cli/sign-id-block.c", "cli/request-platform.c",
          "guest-agent/tee.c"}


def code_of(text):
    """The lines without comments and strings, so that only what the compiler acts on is judged."""
    joined = "\n".join(text)
    joined = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), joined, flags=re.S)
    joined = re.sub(r"//[^\n]*", "", joined)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', joined).split("\n")


def main(top):
    faults = []
    for path in tree.files(top):
        if path in TABLES:
            continue
        for technology, word in TECHNOLOGIES.items():
            if re.search(f"-{technology}[.-]", path):
                continue
            for number, line in enumerate(code_of(tree.lines(top, path)), 1):
                m = word.search(line)
                if m:
                    faults.append(f"{path}:{number}: '{m.group(0)}' outside the files of {technology}")
    return tree.report(faults)


sys.exit(main(sys.argv[1]))
