"""The tool of `make mutants`: what it changes, where, and that what it draws is told rightly."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from detector.scenes import clouds
from tools.mutants import (
    OPERATORS,
    ROOT,
    Mutant,
    Suite,
    code_of,
    draw,
    mutants_of,
    table,
    wilson,
)


def changes(source: str) -> list[str]:
    """What becomes of the only statement or expression of a text."""
    node = ast.parse(source).body[0]
    if isinstance(node, ast.Expr):
        node = node.value  # type: ignore[assignment]
    found = []
    for operator in OPERATORS:
        for number in range(len(list(operator(node)))):
            again = ast.parse(source).body[0]
            again = again.value if isinstance(again, ast.Expr) else again  # type: ignore[assignment]
            found.append(ast.unparse(list(operator(again))[number][1](again)))
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a <= b"]),
        ("a <= b < c", ["a < b < c", "a <= b <= c"]),
        ("a is not b", ["a is b"]),
        ("a not in b", ["a in b"]),
        ("a + b", ["a - b"]),
        ("a / b", ["a * b"]),
        ("a |= b", ["a &= b"]),
        ("~a", ["a"]),
        ("-a", ["a"]),
        ("not a", ["a"]),
        ("a and b", ["a or b"]),
        ("7", ["8"]),
        ("0.5", ["0.55"]),
        ("True", ["False"]),
        ("'text'", []),
        ("x = (0, 8, 9)", ["x = (0, 8)"]),
        ("x = (a, b)", []),
        ("m.any(axis=0)", ["m.all(axis=0)"]),
        ("max(a, b)", ["min(a, b)"]),
        ("math.ceil(a)", ["math.floor(a)"]),
        ("def f() -> bool:\n    return a", ["def f() -> bool:\n    return not a"]),
        ("def f() -> float:\n    return a", ["def f() -> float:\n    return a + 1.0"]),
        ("def f() -> str:\n    return a", []),
    ],
)
def test_each_operator_by_hand(source: str, expected: list[str]) -> None:
    assert changes(source) == expected


def test_a_mutant_is_the_module_with_one_change() -> None:
    path = ROOT / "detector" / "scenes" / "clouds.py"
    (shorter,) = (one for one in mutants_of(path) if one.before.startswith("SCL_UNSEEN ="))
    assert (shorter.before, shorter.after) == (
        "SCL_UNSEEN = (0, 8, 9, 10)",
        "SCL_UNSEEN = (0, 8, 9)",
    )
    space: dict[str, object] = {"__name__": clouds.__name__}
    exec(code_of(shorter), space)  # noqa: S102 - a module of ours
    assert space["SCL_UNSEEN"] == (0, 8, 9)
    assert space["UDM2_UNSEEN_BANDS"] == (5, 6)
    assert shorter.runs == ()  # any test that uses the module may notice


def test_texts_annotations_decorators_and_messages_stay() -> None:
    path = ROOT / "detector" / "geometry" / "windows.py"
    found = mutants_of(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len({one.place for one in found}) == len(found)
    touched = [lines[one.line - 1] for one in found]
    assert not any("@dataclass" in line or "raise " in line for line in touched)
    boundary = next(one for one in found if one.before == "self.width < 1")
    assert (boundary.after, boundary.runs) == ("self.width <= 1", (boundary.line,))
    assert any(one.before == "width > 0" and one.after == "width >= 0" for one in found)


def some(package: str, count: int) -> list[Mutant]:
    path = f"{package}/a.py"
    return [Mutant(path, n, 0, "sign", "-a", "a", (n,), (n, 0, 0)) for n in range(count)]


def test_every_beginning_of_a_draw_holds_its_share_of_each_package() -> None:
    mutants = [*some("boxes", 30), *some("stacks", 90)]
    first = draw(mutants, 40, seed=4)
    shares = Counter(one.package for one in first)
    assert shares["boxes"] == pytest.approx(10, abs=1)
    assert first == draw(mutants, 40, seed=4) != draw(mutants, 40, seed=5)
    assert set(draw(mutants, None, 4)) == set(mutants)


def test_quick_tests_of_the_own_package_come_first() -> None:
    suite = Suite(
        {
            ("boxes/a.py", 3): {"tests/boxes/t.py::slow", "tests/boxes/t.py::quick"},
            ("boxes/a.py", 4): {"tests/tiling/t.py::other", "tests/report/t.py::far"},
        },
        {"tests/boxes/t.py::slow": 2.0, "tests/boxes/t.py::quick": 0.1},
    )
    one = some("boxes", 4)[3]
    assert suite.of(one) == ["tests/boxes/t.py::quick", "tests/boxes/t.py::slow"]
    constant = Mutant("boxes/a.py", 1, 0, "constant", "1", "2", (), (0, 0, 0))
    assert suite.of(constant) == [
        *("tests/tiling/t.py::other", "tests/boxes/t.py::quick", "tests/boxes/t.py::slow")
    ]


def test_shares_and_survivors_are_told() -> None:
    one, other, third = some("boxes", 3)
    told = table([(one, "killed"), (other, "survived"), (third, "timeout")], [one, other, third])
    assert "| boxes | 3 | 3 | 2 | 67% | 21% to 94% |" in told
    assert "| `boxes/a.py:1` | sign | `-a` | `a` |" in told
    assert told.count("| sign |") == 1
    assert wilson(85, 100) == pytest.approx((0.7672, 0.9069), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
