# SPDX-License-Identifier: BSD-2-Clause
"""Makes mistakes: finds all places of src/ where one can be made, and writes the sources with all of them inside.

The syntax tree is libclang's. A mistake is made at a place of the source text, never inside a macro's call (assertions above all, nor in
the functions X_valid() that they ask: a mistake in what would see mistakes says nothing). What each operator does is in the table OPERATORS.

A node of the tree is written as `(mutant_on(7) ? first : mutant_on(8) ? second : itself)`. First and second are made of the text as it
was, since only one mutant lives at a time; itself has the mutants of what is below it. So the text grows with the depth, not with its power.
"""

import collections
import dataclasses
import hashlib
import re
import sys

try:
    import clang.cindex as clang
except ImportError:  # another python than Debian's runs us; the module is plain Python
    sys.path.append("/usr/lib/python3/dist-packages")
    import clang.cindex as clang

LIBCLANG = "/usr/lib/llvm-19/lib/libclang-19.so.19"
Kind = clang.CursorKind

OPERATORS = {
    "relation": "< to <= and >=, == to !=, and so on",
    "logic": "&& to || and back, one side of it alone, ! left out",
    "arithmetic": "+ to -, * to /, << to >>, & to |, ++ to --, and back; ~ and - left out",
    "constant": "a number one more, one less",
    "condition": "of if, while, for and ?: negated; of if also always and never true",
    "statement": "an assignment or a call left out, break, continue, goto and return left out",
    "null": "an assignment of NULL or 0 left out",
    "lock": "a call that locks, unlocks, flushes, defers or waits left out; a trylock that always gets it",
    "return": "another result: none, or an error, or the opposite",
    "body": "the whole function left out",
}

RELATIONS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
             "==": ("!=",), "!=": ("==",)}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "<<": ">>", ">>": "<<",
              "&": "|", "|": "&", "^": "|"}
ASSIGNMENTS = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "%=": "/=", "<<=": ">>=", ">>=": "<<=",
               "&=": "|=", "|=": "&=", "^=": "|="}
LOCKS = re.compile(r"lock|rcu|flush|barrier|synchroni[sz]e|defer|fence|seq_(begin|end)|\bwait|\bwake")
NOTHING = re.compile(r"=\s*(NULL|0|false)\s*$")
COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.S)
# To the parser these are functions of their arguments' text; the hints are not what is tested.
HINT = re.compile(rb"\brmap_(?:un)?likely\(")
CALLED = re.compile(r"\s*(?:\(void\)\s*)?([A-Za-z_][\w>.-]*)\s*\(")


@dataclasses.dataclass
class Mutant:
    """One mistake."""

    file: str  # below the root
    function: str
    line: int
    operator: str
    before: str
    after: str
    key: str = ""  # the same as long as the function's text is
    number: int = 0


def squeeze(text):
    """On one line."""
    return re.sub(r"\s+", " ", text).strip()


class Rewriter:
    """One file: finds its mutants and writes it anew."""

    def __init__(self, unit, path, name, first_number):
        self.name = name
        self.source = path.read_bytes()
        self.mutants = []
        self.next_number = first_number
        self.function = None
        self.result = None
        self.occurrences = collections.Counter()
        self.macros = sorted(
            (c.extent.start.offset, c.extent.end.offset, c.spelling)
            for c in unit.cursor.get_children()
            if c.kind == Kind.MACRO_INSTANTIATION and c.location.file and
            c.location.file.name == str(path))
        self.macro_ends = {begin: stop for begin, stop, _ in self.macros}
        functions = [c for c in unit.cursor.get_children()
                     if c.kind == Kind.FUNCTION_DECL and c.is_definition() and
                     c.location.file and c.location.file.name == str(path)]
        pieces, at = [], 0
        for function in functions:
            body = list(function.get_children())[-1]
            if body.kind != Kind.COMPOUND_STMT or self.in_macro(function) or self.asserts(function):
                continue
            self.function = function.spelling
            self.text_hash = hashlib.sha256(self.bytes(function)).hexdigest()[:16]
            self.result = function.result_type.get_canonical()
            start, end = self.span(body)
            pieces += [self.source[at:start], self.body(body)]
            at = end
        self.text = b"".join(pieces + [self.source[at:]])

    @staticmethod
    def asserts(function):
        """A structure's X_valid(), which assertions ask?"""
        words = [token.spelling for _, token in zip(range(12), function.get_tokens())]
        return function.spelling.endswith("_valid") and "inline" in words

    # -- the text

    def span(self, node):
        """First byte, and the one behind the last. Where the last is a macro's call, libclang may stop in front of it."""
        start, end = node.extent.start.offset, node.extent.end.offset
        return start, self.macro_ends.get(end, end)

    def bytes(self, node):
        """A node's text as it stands."""
        start, end = self.span(node)
        return self.source[start:end]

    def in_macro(self, node):
        """Is it a macro's call or a part of one?"""
        start, end = self.span(node)
        return any(begin <= start < stop and end <= stop or start < begin < end < stop
                   for begin, stop, _ in self.macros)

    def macro_of(self, node):
        """The name of the macro whose call it is, exactly; or ""."""
        where = self.span(node)
        return next((name for begin, stop, name in self.macros if (begin, stop) == where), "")

    def make(self, node, operator, before, after):
        """A mutant there; returns the question that it hides behind."""
        before, after = squeeze(before), squeeze(after)
        what = (self.name, self.function, operator, before, after)
        self.occurrences[what] += 1
        key = hashlib.sha256(repr((what, self.occurrences[what], self.text_hash)).encode()).hexdigest()
        self.mutants.append(Mutant(self.name, self.function, node.extent.start.line, operator,
                                   before, after, key[:20], self.next_number))
        self.next_number += 1
        return b"mutant_on(%d)" % (self.next_number - 1)

    def choose(self, node, alternatives, itself):
        """An expression that is one of the alternatives [(operator, text)], or itself."""
        before = self.bytes(node).decode()
        text = b"(" + itself + b")"
        for operator, after in reversed(alternatives):
            question = self.make(node, operator, before, after.decode())
            text = question + b" ? (" + after + b") : " + text
        return b"(" + text + b")" if alternatives else itself

    def replace(self, node, parts):
        """The node's text with the children in parts [(child, new text)] replaced."""
        start, end = self.span(node)
        pieces, at = [], start
        for child, text in sorted(parts, key=lambda p: self.span(p[0])):
            begin, stop = self.span(child)
            pieces += [self.source[at:begin], text]
            at = stop
        return b"".join(pieces + [self.source[at:end]])

    # -- statements

    def body(self, body):
        """A function's body: also left out as a whole."""
        text = self.statement(body)
        kind = self.result.kind
        if kind == clang.TypeKind.VOID:
            default = b"return"
        elif kind in (clang.TypeKind.RECORD, clang.TypeKind.UNEXPOSED, clang.TypeKind.ELABORATED):
            return text
        else:
            default = b"return 0"
        question = self.make(body, "body", "{ ... }", default.decode())
        return b"{ if (" + question + b") " + default + b";" + text[1:]

    def statement(self, node):  # pylint: disable=too-many-return-statements,too-many-branches
        """A statement with all its mutants."""
        kind = node.kind
        children = list(node.get_children())
        if kind.is_expression():
            return self.expression_statement(node)
        if kind in (Kind.BREAK_STMT, Kind.CONTINUE_STMT, Kind.GOTO_STMT):
            return self.left_out(node)
        if kind == Kind.RETURN_STMT:
            return self.return_statement(node, children)
        if kind == Kind.DECL_STMT:
            return self.replace(node, [part for child in children for part in self.declared(child)])
        if self.macro_of(node):
            return self.bytes(node)
        parts = []
        if kind == Kind.IF_STMT:
            parts.append((children[0], self.condition(children[0], True)))
            parts += [(c, self.statement(c)) for c in children[1:]]
        elif kind in (Kind.WHILE_STMT, Kind.SWITCH_STMT):
            if kind == Kind.WHILE_STMT:
                parts.append((children[0], self.condition(children[0], False)))
            else:
                parts.append((children[0], self.expression(children[0])))
            parts.append((children[-1], self.statement(children[-1])))
        elif kind == Kind.DO_STMT:
            parts.append((children[0], self.statement(children[0])))
            parts.append((children[1], self.condition(children[1], False)))
        elif kind == Kind.FOR_STMT:
            parts = self.for_parts(node, children)
        elif kind == Kind.CASE_STMT:
            parts = [(c, self.statement(c)) for c in children[1:]]
        elif kind in (Kind.COMPOUND_STMT, Kind.DEFAULT_STMT, Kind.LABEL_STMT):
            parts = [(c, self.statement(c)) for c in children
                     if not c.kind.is_reference()]
        return self.replace(node, [(c, t) for c, t in parts if not self.in_macro(c)
                                   or self.macro_of(c)])

    def for_parts(self, node, children):
        """The condition is between the semicolons; the rest are plain expressions, the last one is the body."""
        head_end = self.span(children[-1])[0]
        start = self.span(node)[0]
        semicolons, depth = [], 0
        for at in range(start, head_end):
            character = self.source[at:at + 1]
            depth += (character in b"([{") - (character in b")]}")
            if character == b";" and depth == 1:
                semicolons.append(at)
        parts = [(children[-1], self.statement(children[-1]))]
        if len(semicolons) != 2 or self.in_macro(children[-1]):
            return parts
        for child in children[:-1]:
            if self.in_macro(child):
                continue
            at = self.span(child)[0]
            if semicolons[0] < at < semicolons[1]:
                parts.append((child, self.condition(child, False)))
            elif child.kind.is_expression():
                parts.append((child, self.expression(child)))
            elif child.kind == Kind.DECL_STMT:
                parts += [p for c in child.get_children() for p in self.declared(c)]
        return parts

    def declared(self, node):
        """A variable's initial value."""
        if node.kind != Kind.VAR_DECL or node.storage_class == clang.StorageClass.STATIC:
            return []
        start = self.span(node)[0]
        for child in node.get_children():
            before = COMMENT.sub(b"", self.source[start:self.span(child)[0]]).rstrip()
            if child.kind.is_expression() and before.endswith(b"=") and not self.in_macro(child):
                return [(child, self.expression(child))]
        return []

    def left_out(self, node):
        """A jump that may be left out."""
        text = self.bytes(node)
        question = self.make(node, "statement", text.decode(), ";")
        return b"if (!" + question + b") " + text

    def return_statement(self, node, children):
        """Another result."""
        if not children:
            return self.left_out(node)
        value = children[0]
        plain = self.bytes(value)
        if self.in_macro(value) and plain not in (b"NULL", b"true", b"false") and \
                not self.macro_of(value):
            return self.bytes(node)
        itself = plain if self.in_macro(value) else self.expression(value)
        kind = self.result.kind
        other = None
        if kind == clang.TypeKind.BOOL:
            other = {b"true": b"false", b"false": b"true"}.get(plain, b"!(" + plain + b")")
        elif kind == clang.TypeKind.POINTER:
            other = None if plain == b"NULL" else b"NULL"
        elif kind == clang.TypeKind.INT:
            other = b"-22" if plain in (b"0", b"RMAP_OK") else b"0"
        elif kind in (clang.TypeKind.UINT, clang.TypeKind.ULONG, clang.TypeKind.LONG):
            other = b"1" if plain == b"0" else b"0"
        if other is None:
            return b"return " + itself
        question = self.make(node, "return", self.bytes(node).decode(), f"return {other.decode()}")
        return b"return (" + question + b" ? " + other + b" : (" + itself + b"))"

    def expression_statement(self, node):
        """A statement that may be left out."""
        macro = self.macro_of(node)
        if "ASSERT" in macro.upper() or (self.in_macro(node) and not macro):
            return self.bytes(node)
        text = self.bytes(node).decode()
        if re.match(r"\(void\)\s*\w+$", text):
            return text.encode()
        called = CALLED.match(text)
        if called and LOCKS.search(called.group(1)):
            operator = "lock"
        elif NOTHING.search(text):
            operator = "null"
        else:
            operator = "statement"
        question = self.make(node, operator, text, ";")
        itself = text.encode() if macro else self.expression(node, statement=True)
        return b"(" + question + b" ? (void)0 : (void)(" + itself + b"))"

    # -- expressions

    def condition(self, node, whole):
        """What decides; whole: also always and never."""
        text = self.bytes(node)
        if self.in_macro(node) and not self.macro_of(node):
            return text
        itself = text if self.in_macro(node) else self.expression(node)
        inner = strip(node)
        operator = self.operator_of(inner) if inner.kind == Kind.BINARY_OPERATOR else ""
        alternatives = []
        if operator not in RELATIONS and not text.startswith(b"!"):
            alternatives.append(("condition", b"!(" + text + b")"))
        if whole:
            alternatives += [("condition", b"1"), ("condition", b"0")]
        called = CALLED.match(text.decode())
        if called and "trylock" in called.group(1):
            alternatives.append(("lock", b"1"))
        return self.choose(node, alternatives, itself)

    def operator_of(self, node):
        """The token between the operands."""
        left, right = list(node.get_children())[:2]
        return COMMENT.sub(b"", self.source[self.span(left)[1]:self.span(right)[0]]).strip(b"() \t\n\\").decode()

    def expression(self, node, statement=False):  # pylint: disable=too-many-return-statements
        """An expression with all its mutants."""
        kind = node.kind
        if self.in_macro(node) or kind in (Kind.CXX_UNARY_EXPR, Kind.GENERIC_SELECTION_EXPR,
                                           Kind.StmtExpr):
            return self.bytes(node)
        children = [c for c in node.get_children() if c.kind.is_expression()]
        if kind == Kind.INTEGER_LITERAL:
            return self.number(node)
        if kind == Kind.UNARY_OPERATOR:
            return self.unary(node, children[0], statement)
        if kind == Kind.BINARY_OPERATOR:
            return self.binary(node, *children[:2])
        if kind == Kind.COMPOUND_ASSIGNMENT_OPERATOR:
            return self.compound(node, *children[:2])
        if kind == Kind.CONDITIONAL_OPERATOR and len(children) == 3:
            return self.replace(node, [(children[0], self.condition(children[0], False))] +
                                [(c, self.expression(c)) for c in children[1:] if
                                 not self.in_macro(c)])
        if kind == Kind.CSTYLE_CAST_EXPR:
            children = children[-1:]
        if kind == Kind.INIT_LIST_EXPR and not children:
            return self.bytes(node)
        # A child that is as long as its parent is the same thing (an implicit conversion).
        if len(children) == 1 and self.span(children[0]) == self.span(node):
            return self.expression(children[0], statement)
        if kind == Kind.MEMBER_REF_EXPR and not children:
            return self.bytes(node)
        return self.replace(node, [(c, self.expression(c)) for c in children if
                                   not self.in_macro(c)])

    def number(self, node):
        """One more, one less."""
        text = self.bytes(node)
        if not re.fullmatch(rb"(0[xX][0-9a-fA-F]+|\d+)[uUlL]*", text):
            return text
        alternatives = [("constant", text + b" + 1")]
        if int(re.sub(rb"[uUlL]+$", b"", text), 0) > 0:
            alternatives.append(("constant", text + b" - 1"))
        return self.choose(node, alternatives, text)

    def unary(self, node, child, statement):
        """!, -, ~, ++ and --."""
        text, inner = self.bytes(node), self.bytes(child)
        for sign, other in ((b"++", b"--"), (b"--", b"++")):
            if text in (sign + inner, inner + sign):
                swapped = other + inner if text.startswith(sign) else inner + other
                return self.choose(node, [("arithmetic", swapped)], text)
        itself = text if self.in_macro(child) else self.replace(node, [(child, self.expression(child))])
        if text.startswith(b"!"):
            return self.choose(node, [("logic", b"!!(" + inner + b")")], itself)
        if text[:1] in (b"-", b"~") and strip(child).kind != Kind.INTEGER_LITERAL and not statement:
            return self.choose(node, [("arithmetic", inner)], itself)
        if text.startswith(b"&") and strip(child).kind == Kind.MEMBER_REF_EXPR:
            return itself
        return itself

    def binary(self, node, left, right):
        """Relations, logic and arithmetic."""
        operator = self.operator_of(node)
        a, b = self.bytes(left), self.bytes(right)
        parts = [(c, self.expression(c)) for c in (left, right) if not self.in_macro(c)]
        if operator == "=":
            parts = [p for p in parts if p[0] is right or strip(p[0]).kind != Kind.DECL_REF_EXPR]
        itself = self.replace(node, parts)
        alternatives = []
        if operator in RELATIONS:
            alternatives = [("relation", b"(" + a + b") " + other.encode() + b" (" + b + b")")
                            for other in RELATIONS[operator]]
        elif operator in ("&&", "||"):
            other = b"||" if operator == "&&" else b"&&"
            alternatives = [("logic", b"(" + a + b") " + other + b" (" + b + b")"),
                            ("logic", a), ("logic", b)]
            alternatives[1:] = [(o, b"!!(" + t + b")") for o, t in alternatives[1:]]
        elif operator in ARITHMETIC:
            pointers = [c.type.get_canonical().kind == clang.TypeKind.POINTER for c in (left, right)]
            if not all(pointers) and not (pointers[1] and operator == "+"):
                alternatives = [("arithmetic", b"(" + a + b") " + ARITHMETIC[operator].encode() +
                                 b" (" + b + b")")]
        return self.choose(node, alternatives, itself)

    def compound(self, node, left, right):
        """+= and its like."""
        operator = self.operator_of(node)
        parts = [] if self.in_macro(right) else [(right, self.expression(right))]
        itself = self.replace(node, parts)
        if operator not in ASSIGNMENTS:
            return itself
        swapped = self.bytes(left) + b" " + ASSIGNMENTS[operator].encode() + b" (" + self.bytes(right) + b")"
        return self.choose(node, [("arithmetic", swapped)], itself)


def strip(node):
    """Without parentheses and implicit conversions."""
    while node.kind in (Kind.PAREN_EXPR, Kind.UNEXPOSED_EXPR):
        children = list(node.get_children())
        if len(children) != 1:
            break
        node = children[0]
    return node


def rewrite(tree, names):
    """Rewrites the files (names below the tree) in place; returns all mutants, numbered from 1."""
    if not clang.Config.loaded:
        clang.Config.set_library_file(LIBCLANG)
    arguments = ["-std=c11", "-ffreestanding", f"-I{tree}/include", f"-I{tree}/src", "-DRMAP_DEBUG",
                 "-include", f"{tree}/src/base/hidden.h"]
    for name in names:
        path = tree / name
        path.write_bytes(HINT.sub(b"(", path.read_bytes()))
    results, mutants = {}, []
    for name in names:
        path = tree / name
        unit = clang.Index.create().parse(
            str(path), args=arguments + (["-x", "c"] if name.endswith(".h") else []),
            options=clang.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        errors = [d for d in unit.diagnostics if d.severity >= clang.Diagnostic.Error]
        if errors:
            sys.exit(f"mutants: {name} does not parse: {errors[0]}")
        rewriter = Rewriter(unit, path, name, len(mutants) + 1)
        mutants += rewriter.mutants
        results[path] = rewriter.text
    for path, text in results.items():
        path.write_bytes(text)
    return mutants
