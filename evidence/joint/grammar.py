"""The text of a predicate, and how it becomes a tree.

    claim   = also *( "or" also )
    also    = inverse *( "and" inverse )
    inverse = "not" inverse / held
    held    = ratio [ place ] [ "for" time ] [ place ]
    ratio   = sum [ ( "<" / "<=" / ">" / ">=" / "==" / "!=" ) sum ]
    sum     = product *( ( "+" / "-" ) product )
    product = factor *( ( "*" / "/" ) factor )
    factor  = "-" factor / number [ unit ] / name [ place ] / "(" claim ")" / "sqrt" "(" sum ")"
            / ( "min" / "max" / "mean" ) "(" name [ place ] "over" time ")"
    place   = "at" ( "bus" / "terminal" ) ( word / <"> label <"> )
    time    = number ( "ns" / "us" / "ms" / "s" / "min" / "h" )

1. A fault is an EvidenceError(PREDICATE) that begins with its line and column, from 1.
2. A place right after a name is that name's; one after a comparison or its time is that of each
   name in it that has none. A name without a place is a fault: no place is guessed.
3. Windows do not nest: in what is held, and in another window, there is none.
4. Its work is bounded by the text's length, its depth by DEPTH_MAX.

It reads no samples.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn, cast

from evidence import shape
from evidence.joint.predicate import (
    KEYWORDS,
    LABEL_MAX,
    NAME,
    NODES_MAX,
    PLACES,
    TEXT_MAX,
    UNITS,
    WINDOW_NS_MAX,
    Arithmetic,
    Both,
    Claim,
    Compare,
    Held,
    Minus,
    Name,
    Node,
    Not,
    Number,
    Place,
    Predicate,
    Quantity,
    Root,
    Term,
    Window,
    is_term,
    nodes,
    read_quantity,
    refuse,
)

DEPTH_MAX = 16  # of brackets, "not" and signs within each other
DIGITS_MAX = 32  # characters of a number: binary64 has 17 digits
NUMBER_MAX = 1e15  # no constant of a power system is greater, and each spelling stays short
_NOWHERE = Place("", "")
_TIMES = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LABEL = re.compile(r'"([^"\r\n]*)"')
_SIGN = re.compile(r"<=|>=|==|!=|[-+*/()<>]")
_UNIT = re.compile(
    "(?:" + "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True))) + ")(?![A-Za-z0-9_])"
)
_KINDS = (  # a unit only after a number: elsewhere "A" is a label
    *(("unit", _UNIT), ("number", _NUMBER), ("word", _WORD), ("label", _LABEL), ("sign", _SIGN)),
)


class _Token(NamedTuple):
    """`kind`: number, unit, word, label, sign, end."""

    kind: str
    text: str
    at: int


def predicate(text: str, quantities: Sequence[Quantity]) -> Predicate:
    """The predicate of a text, however spelled, and a table. Raises EvidenceError."""
    found = Predicate(parse(text), tuple(quantities))
    parse(found.text)  # its one spelling may have more brackets, and is what others will read
    return found


def read(value: Any) -> Predicate:
    """A predicate as it stands in a payload. Raises EvidenceError."""
    text, rows = shape.array(value, "predicate", 2)
    found = predicate(
        shape.text(text, "predicate"),
        [read_quantity(row) for row in shape.array(rows, "quantities")],
    )
    if found.text != text:
        refuse(f"it is spelled {found.text[:200]!r}, and not {text[:200]!r}")
    return found


def parse(text: str) -> Claim:
    """The tree of a text. Raises EvidenceError(PREDICATE)."""
    if len(text) > TEXT_MAX:
        refuse(f"its text has {len(text)} characters; at most {TEXT_MAX}")
    return _Parser(text).whole()


def _fault(text: str, at: int, what: str) -> NoReturn:
    before = text[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    refuse(f"line {line}, column {column}: {what}")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while (at := _end(_SPACE.match(text, at))) < len(text):
        kinds = _KINDS if found and found[-1].kind == "number" else _KINDS[1:]
        for kind, form in kinds:
            if match := form.match(text, at):
                found.append(_Token(kind, match[match.lastindex or 0], at))
                at = match.end()
                break
        else:
            _fault(text, at, f"{text[at]!r} is not of the language")
    return [*found, _Token("end", "the end", len(text))]


def _end(match: "re.Match[str] | None") -> int:
    return match.end() if match else 0


class _Parser:
    """By recursive descent, a function a rule; each gives a node of its own kind."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens = text, _tokens(text)
        self._next = self._depth = self._made = 0

    def whole(self) -> Claim:
        start = self._token.at
        found = self._or()
        if self._token.kind != "end":
            self._fault(f"{self._token.text!r} is one thing too many")
        node = self._claim(found, start)
        for one in nodes(node):
            if isinstance(one, Name) and one.place == _NOWHERE:
                _fault(self._text, one.position, f"{one.name} is at no bus or terminal")
        return node

    # --- rules ----------------------------------------------------------------------------------

    def _or(self) -> Node:
        return self._joined("or", self._and)

    def _and(self) -> Node:
        return self._joined("and", self._not)

    def _joined(self, word: str, side: Callable[[], Node]) -> Node:
        start = self._token.at
        node = side()
        while self._took(word):
            one, after = self._claim(node, start), self._token.at
            node = self._new(Both(word, one, self._claim(side(), after)))
        return node

    def _not(self) -> Node:
        start = self._token.at
        if not self._took("not"):
            return self._held()
        self._deeper(start)
        after = self._token.at
        node = self._new(Not(self._claim(self._not(), after)))
        self._depth -= 1
        return node

    def _held(self) -> Node:
        start = self._token.at
        node = self._ratio()
        after = self._token.at
        place = self._place()
        if self._took("for"):
            ns = self._time()
            claim = self._claim(node, start)
            if any(isinstance(one, Held | Window) for one in nodes(claim)):
                _fault(self._text, start, "a window within what is held")
            node = self._new(Held(claim, ns))
        if place is not None and self._token.text == "at":
            self._fault("a second place")
        after = after if place else self._token.at
        place = place or self._place()
        if place is None:
            return node
        if not any(isinstance(one, Name) and one.place == _NOWHERE for one in nodes(node)):
            _fault(self._text, after, "a place, and no name that has none")
        return cast(Node, _placed(node, place))

    def _ratio(self) -> Node:
        start = self._token.at
        node = self._sum()
        if self._token.text not in _COMPARISONS or self._token.kind != "sign":
            return node
        sign = self._take().text
        one, after = self._term(node, start), self._token.at
        found = self._new(Compare(sign, one, self._term(self._sum(), after)))
        if self._token.text in _COMPARISONS and self._token.kind == "sign":
            self._fault("comparisons do not chain: say a < b and b < c")
        return found

    def _sum(self) -> Node:
        return self._operated("+-", self._product)

    def _product(self) -> Node:
        return self._operated("*/", self._factor)

    def _operated(self, signs: str, side: Callable[[], Node]) -> Node:
        start = self._token.at
        node = side()
        while self._token.kind == "sign" and self._token.text in signs:
            sign = self._take().text
            one, after = self._term(node, start), self._token.at
            node = self._new(Arithmetic(sign, one, self._term(side(), after)))
        return node

    def _factor(self) -> Node:
        token = self._take()
        if token.kind == "number":
            unit = self._take().text if self._token.kind == "unit" else ""
            if self._token.kind == "word" and self._token.text not in KEYWORDS:
                self._fault(f"{self._token.text!r} is no unit; there are: {', '.join(UNITS)}")
            value = float(self._digits(token))
            if value > NUMBER_MAX:
                _fault(self._text, token.at, f"a number above {NUMBER_MAX:.0f}")
            return self._new(Number(value, unit))
        if token.text == "-" or token.text == "(":
            return self._bracketed(token)
        if token.text == "sqrt":
            self._want("(")
            self._deeper(token.at)
            after = self._token.at
            one = self._term(self._sum(), after)
            self._depth -= 1
            self._want(")")
            return self._new(Root(one))
        if token.text in ("min", "max", "mean") and token.kind == "word":
            self._want("(")
            name = self._name(self._take())
            self._want("over")
            ns = self._time()
            self._want(")")
            return self._new(Window(token.text, name, ns))
        return self._name(token)

    def _bracketed(self, token: _Token) -> Node:
        self._deeper(token.at)
        after = self._token.at
        if token.text == "-":
            node = self._new(Minus(self._term(self._factor(), after)))
        else:
            node = self._or()
            self._want(")")
        self._depth -= 1
        return node

    def _name(self, token: _Token) -> Name:
        if token.kind != "word" or token.text in KEYWORDS or not NAME.fullmatch(token.text):
            _fault(self._text, token.at, f"{token.text!r} where a quantity or a number should be")
        return cast(Name, self._new(Name(token.text, self._place() or _NOWHERE, token.at)))

    def _place(self) -> Place | None:
        if not self._took("at"):
            return None
        kind, label = self._take(), self._take()
        if kind.text not in PLACES or kind.kind != "word":
            _fault(self._text, kind.at, f"{kind.text!r}, neither bus nor terminal")
        good = label.kind == "label" or (label.kind == "word" and label.text not in KEYWORDS)
        if not good or not label.text.isprintable() or not 0 < len(label.text) <= LABEL_MAX:
            _fault(self._text, label.at, f"{label.text!r} is no label of a place")
        return Place(kind.text, label.text)

    def _time(self) -> int:
        token, unit = self._take(), self._take()
        if token.kind != "number" or unit.text not in _TIMES:
            _fault(self._text, token.at, f"no time; units are {', '.join(_TIMES)}")
        # In whole numbers: a decimal's context would round what has more digits than it keeps.
        whole, _, part = self._digits(token).partition(".")
        ns, rest = divmod(int(whole + part) * _TIMES[unit.text], int(10 ** len(part)))
        if rest or not 0 < ns <= WINDOW_NS_MAX:
            _fault(self._text, token.at, f"no whole number of ns from 1 to {WINDOW_NS_MAX}")
        return ns

    # --- beneath --------------------------------------------------------------------------------

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        if token.kind != "end":
            self._next += 1
        return token

    def _took(self, word: str) -> bool:
        if self._token.kind != "word" or self._token.text != word:
            return False
        self._next += 1
        return True

    def _want(self, text: str) -> None:
        if self._token.text != text or self._token.kind in ("label", "end"):
            self._fault(f"{self._token.text!r} where {text!r} should be")
        self._next += 1

    def _digits(self, token: _Token) -> str:
        if len(token.text) > DIGITS_MAX:
            _fault(self._text, token.at, f"a number of more than {DIGITS_MAX} characters")
        return token.text

    def _deeper(self, at: int) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            _fault(self._text, at, f"nested deeper than {DEPTH_MAX}")

    def _new(self, node: Node) -> Node:
        self._made += 1
        if self._made > NODES_MAX:
            self._fault(f"more than {NODES_MAX} nodes")
        return node

    def _term(self, node: Node, at: int) -> Term:
        if not is_term(node):
            _fault(self._text, at, "a truth where a number should be")
        return cast(Term, node)

    def _claim(self, node: Node, at: int) -> Claim:
        if is_term(node):
            _fault(self._text, at, "a number where a truth should be: compare it")
        return cast(Claim, node)

    def _fault(self, what: str) -> NoReturn:
        _fault(self._text, self._token.at, what)


def _placed(node: Any, place: Place) -> Any:
    """The same tree, each name that had no place at this one."""
    if isinstance(node, Name):
        return replace(node, place=place) if node.place == _NOWHERE else node
    if isinstance(node, Window):
        return replace(node, name=_placed(node.name, place))
    if isinstance(node, Arithmetic | Compare | Both):
        return replace(node, one=_placed(node.one, place), other=_placed(node.other, place))
    if isinstance(node, Minus | Root | Not | Held):
        return replace(node, one=_placed(node.one, place))
    return node
