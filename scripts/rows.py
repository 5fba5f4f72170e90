#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints each row of docs/semantics-rows.txt with the tests that cover it.

A test names its rows in a comment `covers: 1.2-4, B3`: in a C file directly above the test
function, in a workload or a shell script anywhere. A list that ends in a comma goes on in the next
line of the comment. A word that is no row's id is an error under --fail-unknown.
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COVERS = re.compile(r"^[\s/*#;]*covers:(.*)$")
CONTINUED = re.compile(r"^[\s/*#;]*(.*)$")
FUNCTION = re.compile(r"^(?:static\s+)?(?:void|int)\s+(\w+)\s*\(")
PATTERNS = (
    "tests/**/*.c", "tests/**/*.h", "tests/**/*.sh", "tests/**/*.py",
    "workloads/**/*.rmw", "examples/*.c",
)


def read_rows(path):
    """The rows, in the file's order: id -> summary."""
    rows = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        row, _, summary = line.partition("\t")
        row = row.rstrip("*")
        if row in rows:
            sys.exit(f"{path}:{number}: row {row} stands twice")
        rows[row] = summary.strip()
    return rows


def test_name(path, lines, after):
    """What a reader would call the test whose comment ends before line `after`."""
    relative = path.relative_to(ROOT)
    parts = relative.parts
    if path.suffix == ".rmw":
        return "scenario/" + "/".join(parts[1:])[: -len(".rmw")]
    if path.suffix == ".sh":
        return "/".join(parts[1:])[: -len(".sh")]
    name = "/".join(parts[1:] if parts[0] == "tests" else parts)
    name = re.sub(r"\.[ch]$", "", name).replace("unit/test_", "unit/")
    for line in lines[after: after + 40]:
        found = FUNCTION.match(line)
        if found:
            return f"{name}: {found.group(1)}"
    return name


def read_covers(path):
    """Yields (line number, row id, test) of one file."""
    lines = path.read_text(errors="replace").splitlines()
    number = 0
    while number < len(lines):
        found = COVERS.match(lines[number])
        number += 1
        if not found:
            continue
        first, text = number, found.group(1).replace("*/", "").strip()
        while text.endswith(",") and number < len(lines):
            text += CONTINUED.match(lines[number]).group(1).replace("*/", "").rstrip()
            number += 1
        test = test_name(path, lines, number)
        for row in re.split(r"[\s,]+", text.rstrip(".")):
            if row:
                yield first, row, test


def main():
    """Reads rows and tests, prints what was asked for."""
    parser = argparse.ArgumentParser(description="Rows of the semantics checklist and their tests.")
    parser.add_argument("--missing", action="store_true", help="print only rows without a test")
    parser.add_argument("--fail-unknown", action="store_true",
                        help="print only unknown rows that tests name; exit with 1 if there are any")
    options = parser.parse_args()

    rows = read_rows(ROOT / "docs" / "semantics-rows.txt")
    tests = {row: [] for row in rows}
    unknown = []
    for pattern in PATTERNS:
        for path in sorted(ROOT.glob(pattern)):
            for number, row, test in read_covers(path):
                if row not in rows:
                    unknown.append(f"{path.relative_to(ROOT)}:{number}: no row is called '{row}'")
                elif test not in tests[row]:
                    tests[row].append(test)

    if options.fail_unknown:
        print("\n".join(unknown) if unknown else "every row that a test names is in the list")
        return 1 if unknown else 0

    missing = [row for row in rows if not tests[row]]
    if options.missing:
        for row in missing:
            print(f"{row:8} {rows[row]}")
        return 0
    for row, summary in rows.items():
        print(f"{row:8} {summary}")
        for test in tests[row]:
            print(f"{'':12}{test}")
    print(f"\n{len(rows) - len(missing)} of {len(rows)} rows have a test.")
    if missing:
        print("Without one: " + " ".join(missing))
    for line in unknown:
        print(line, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
