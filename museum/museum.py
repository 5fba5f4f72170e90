#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The museum's exhibits, as its binaries and its page need them.

  museum.py sources                 the source files that have a mistake planted in them, a line each
  museum.py plant SOURCE OUT.c      that file with all its mistakes, each behind its run-time switch
  museum.py table OUT.c             all that rmap-museum knows of its exhibits
  museum.py document                write docs/bugs.md
  museum.py check                   does docs/bugs.md say what the exhibits say, and name each bug of the list?

An exhibit is a file exhibits/NAME.bug: fields, one a line ("bug: B1"); then sections, each begun by a line of its own:

  --- story                         what happened, in a paragraph
  --- plant src/rmap/page.c         where the mistake is, followed by
  --- was                           a passage of whole statements that stands there once, or
  --- was expression                an expression in a line, and
  --- is                            what stands there while the switch is on (nothing: the passage is left out)
  --- meet src/mm/migrate.c         a passage behind which, switch on or off, the engine lets others do something: the statements that
                                    follow in the workload, as many as the field "meanwhile" says
  --- workload                      what brings it out, in the workload language

In a workload, "#@before TEXT" and "#@moment TEXT" say behind which lines drawings are made, and what is to be seen there.
exhibits/not-applicable.txt has a line "B17 title: reason" for each bug of the list that has no exhibit.

Statements and mistake become the branches of an `if`, expressions those of a `?:`. Where the sources have changed and a passage is not
there exactly once, nothing is built until the exhibit is brought up to date."""
import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
EXHIBITS = HERE / "exhibits"
DOCUMENT = ROOT / "docs" / "bugs.md"
FIELDS = ("bug", "title", "linux", "year", "sources", "seen", "designs", "scenario", "meanwhile", "page", "preemptions")
NEEDED = ("bug", "title", "linux", "year", "seen", "designs")
BUGS = 29


def fail(sentence):
    """Ends it."""
    sys.exit(f"museum.py: {sentence}")


def strip_blank(lines):
    """=> without blank lines at both ends."""
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


class Exhibit:
    """One file."""

    def __init__(self, path):
        self.name = path.stem
        self.path = path
        self.fields = {}
        self.story, self.workload = "", ""
        self.plants = []  # (source, was, is, is an expression)
        self.meets = []   # (source, passage)
        head, *sections = re.split(r"^--- ", path.read_text(encoding="utf-8"), flags=re.M)
        for line in head.splitlines():
            if not line.strip():
                continue
            key, colon, value = line.partition(": ")
            if not colon or key not in FIELDS:
                fail(f"{path}: a field is one of {', '.join(FIELDS)}: '{line}'")
            self.fields[key] = value.strip()
        for key in NEEDED:
            if key not in self.fields:
                fail(f"{path}: it has no field '{key}'")
        source, was, within = None, None, False
        for section in sections:
            title, _, body = section.partition("\n")
            text = "\n".join(strip_blank(body.split("\n")))
            if title == "story":
                self.story = text
            elif title == "workload":
                self.workload = text + "\n"
            elif title.startswith("plant "):
                source = title[6:]
            elif title.startswith("meet "):
                self.meets.append((title[5:], text))
            elif title in ("was", "was expression") and source:
                was, within = text, title != "was"
            elif title == "is" and was:
                self.plants.append((source, was, text, within))
                was = None
            else:
                fail(f"{path}: a section '{title}' cannot stand there")
        if not self.story or not self.plants:
            fail(f"{path}: a story and a plant are needed")
        if bool(self.workload) == ("scenario" in self.fields):
            fail(f"{path}: either a workload or a scenario brings it out")

    def __getattr__(self, name):
        if name in FIELDS:
            return self.fields.get(name, "")
        raise AttributeError(name)


def bug_key(bug):
    """=> for sorting: B2 before B10."""
    return int(re.match(r"B(\d+)", bug).group(1)), bug


def read_exhibits():
    """=> all of them, in the list's order."""
    found = [Exhibit(p) for p in EXHIBITS.glob("*.bug")]
    return sorted(found, key=lambda e: (bug_key(e.bug), e.name))


def read_not_applicable():
    """=> [(bug, title, reason)]."""
    found = []
    for line in (EXHIBITS / "not-applicable.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            head, _, reason = line.partition(": ")
            bug, _, title = head.partition(" ")
            found.append((bug, title, reason.strip()))
    return sorted(found, key=lambda f: bug_key(f[0]))


def line_of(text, at):
    """=> the number of the line."""
    return text.count("\n", 0, at) + 1


def find_passage(text, passage, path, source):
    """=> where it begins and ends."""
    if text.count(passage) != 1:
        fail(f"{path.name}: a passage stands {text.count(passage)} times in {source}; it must stand there once:\n{passage}")
    at = text.index(passage)
    return at, at + len(passage)


def collect(source, text):
    """=> {(begin, end): [(number, is, is an expression)]}, with (place, place): [(number,)] for meetings."""
    edits = {}
    for number, exhibit in enumerate(read_exhibits(), 1):
        for where, was, now, within in exhibit.plants:
            if where == source:
                at = find_passage(text, was if within else was + "\n", exhibit.path, source)
                edits.setdefault(at, []).append((number, now, within))
        for where, passage in exhibit.meets:
            if where == source:
                end = find_passage(text, passage + "\n", exhibit.path, source)[1]
                edits.setdefault((end, end), []).append((number,))
    ordered = sorted(edits)
    for one, two in zip(ordered, ordered[1:]):
        if one[1] > two[0]:
            fail(f"{source}: two passages overlap, in lines {line_of(text, one[0])} and {line_of(text, two[0])}")
    return edits


def switched(was, found, here):
    """=> C: the passage and the mistakes that may take its place."""
    if len(found[0]) == 1:
        return "".join(f"\tmuseum_meet({number});\n" for number, in found)
    if found[0][2]:
        return "".join(f"museum_has({number}) ? ({now}) : " for number, now, _ in found).join(("(", f"({was}))"))
    wrong = "".join(f"\tif (museum_has({number})) {{\n{now}\n\t}} else " for number, now, _ in found)
    return f"\t{{\n{wrong}{{\n{here}{was}\t}}\n\t}}\n"


def plant(source, out):
    """Writes the file with all switches."""
    path = ROOT / source
    text = path.read_text(encoding="utf-8")
    result, done = [f'#include <museum/switch.h>\n#line 1 "{path}"\n'], 0
    for (begin, end), found in sorted(collect(source, text).items()):
        here = f'#line {line_of(text, begin)} "{path}"\n'
        result += [text[done:begin], switched(text[begin:end], found, here)]
        if result[-1].endswith("\n"):
            result.append(f'#line {line_of(text, end)} "{path}"\n')
        done = end
    result.append(text[done:])
    pathlib.Path(out).write_text("".join(result), encoding="utf-8")


def c_string(text):
    """=> a C string literal, a line of text in a line."""
    if not text:
        return '""'
    quoted = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("?", "\\?")
              for line in text.split("\n")]
    return "\n\t\t".join(f'"{line}\\n"' for line in quoted[:-1] + ([quoted[-1]] if quoted[-1] else []))


def c_line(text):
    """=> a C string literal of one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '"'


def one_paragraph(text):
    """=> its lines joined."""
    return "\n\n".join(" ".join(p.split()) for p in text.split("\n\n"))


def table(out):
    """Writes what rmap-museum knows."""
    lines = ["// Made by museum.py from the exhibits.", "#include <museum/exhibit.h>", "",
             "const struct exhibit exhibits[] = {"]
    for exhibit in read_exhibits():
        lines += ["\t{", f"\t\t.name = {c_line(exhibit.name)},"]
        for field in ("bug", "title", "linux", "year", "designs", "scenario", "page"):
            lines.append(f"\t\t.{field} = {c_line(exhibit.fields.get(field, ''))},")
        lines.append(f"\t\t.meanwhile = {int(exhibit.meanwhile or 0)},")
        lines.append(f"\t\t.preemptions = {int(exhibit.preemptions or 2)},")
        lines.append(f"\t\t.story = {c_line(one_paragraph(exhibit.story))},")
        lines.append(f"\t\t.workload = {c_string(exhibit.workload)},")
        lines.append("\t},")
    lines += ["};", "const unsigned int nr_exhibits = sizeof(exhibits) / sizeof(exhibits[0]);", "",
              "const struct not_applicable not_applicable[] = {"]
    for bug, title, reason in read_not_applicable():
        lines.append(f"\t{{ {c_line(bug)}, {c_line(title)}, {c_line(reason)} }},")
    lines += ["};", "const unsigned int nr_not_applicable = sizeof(not_applicable) / sizeof(not_applicable[0]);", ""]
    pathlib.Path(out).write_text("\n".join(lines), encoding="utf-8")


def markers(exhibit):
    """=> {"before": text, "moment": text} of the drawings."""
    return dict(re.findall(r"^\s*#@(before|moment) (.*)$", exhibit.workload, flags=re.M))


def wrapped(text):
    """=> the paragraphs, in lines."""
    return "\n\n".join(textwrap.fill(p, 132, break_long_words=False, break_on_hyphens=False) for p in text.split("\n\n"))


def section_of(exhibit):
    """=> the part of docs/bugs.md about it."""
    lines = [f"## {exhibit.bug} `{exhibit.name}`: {exhibit.title}", ""]
    lines += [wrapped(one_paragraph(exhibit.story)), ""]
    shown = markers(exhibit)
    if shown:
        captions = (("before", "Before", shown.get("before", "")), ("wrong", "The moment it goes wrong", shown.get("moment", "")),
                    ("fixed", "The same moment without the mistake", ""))
        for what, title, text in captions:
            image = f"img/bug-{exhibit.name}-{what}.svg"
            if (ROOT / "docs" / image).exists():
                lines += [f"![{title}{': ' + text if text else ''}]({image})", "", f"*{title}{': ' + text if text else '.'}*", ""]
    elif exhibit.scenario:
        image = f"img/bug-{exhibit.name}-wrong.svg"
        if (ROOT / "docs" / image).exists():
            lines += [f"![Who ran when]({image})", ""]
    if exhibit.scenario:
        lines += [f"Brought out by the interleavings of `{exhibit.scenario}` ([how](interleavings.md)).", ""]
    lines += ["The mistake:", "", "```diff"]
    last = ""
    for source, was, now, _ in exhibit.plants:
        if source != last:
            lines.append(f"--- {source}")
        last = source
        lines += ["-" + line for line in was.split("\n")]
        lines += ["+" + line for line in now.split("\n")] if now else []
    designs = "all designs" if exhibit.designs.count(",") == 6 else exhibit.designs
    lines += ["```", "", f"*Seen by* {exhibit.seen}.", "", f"*Under* {designs}. *Linux:* {exhibit.linux}, {exhibit.year}. *Sources:* {exhibit.sources}", ""]
    return lines


def make_document():
    """=> the text of docs/bugs.md."""
    exhibits = read_exhibits()
    lines = (EXHIBITS / "introduction.md").read_text(encoding="utf-8").rstrip("\n").split("\n") + [""]
    lines += ["| bug | exhibit | what goes wrong | Linux | year | designs |", "|---|---|---|---|---|---|"]
    for e in exhibits:
        designs = "all" if e.designs.count(",") == 6 else e.designs
        lines.append(f"| {e.bug} | [`{e.name}`](#{anchor(e)}) | {e.title} | {e.linux} | {e.year} | {designs} |")
    lines += [""]
    for e in exhibits:
        lines += section_of(e)
    lines += ["## Not in the museum", "", "| bug | what went wrong | why it is not here |", "|---|---|---|"]
    lines += [f"| {bug} | {title} | {reason} |" for bug, title, reason in read_not_applicable()]
    return "\n".join(lines) + "\n"


def anchor(exhibit):
    """=> of its heading, as GitHub makes it."""
    heading = f"{exhibit.bug} `{exhibit.name}`: {exhibit.title}".lower()
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def check():
    """=> the exit code."""
    text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    wrong = []
    if text != make_document():
        wrong.append("docs/bugs.md is not what the exhibits say: museum/museum.py document")
    told = {bug_key(e.bug)[0] for e in read_exhibits()} | {bug_key(bug)[0] for bug, _, _ in read_not_applicable()}
    wrong += [f"B{n} is neither in the museum nor said to be out of place" for n in range(1, BUGS + 1) if n not in told]
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


def main(argv):
    """=> the exit code."""
    if argv[1:] == ["sources"]:
        for source in sorted({p[0] for e in read_exhibits() for p in e.plants + e.meets}):
            print(source)
    elif len(argv) == 4 and argv[1] == "plant":
        plant(argv[2], argv[3])
    elif len(argv) == 3 and argv[1] == "table":
        table(argv[2])
    elif argv[1:] == ["document"]:
        DOCUMENT.write_text(make_document(), encoding="utf-8")
    elif argv[1:] == ["check"]:
        return check()
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
