"""Mutation testing: small faults, one at a time, and whether the tests notice.

    python tools/mutants.py --sample 200 --seed 1 --minutes 25   # a sample
    python tools/mutants.py --minutes 480 --docs docs/research/mutants.md  # at night
    python tools/mutants.py --only counting/widening.py           # all of one file
    python tools/mutants.py --list --only boxes/                  # what would be tried

A mutant is a module with one operator, constant, default or returned value changed (`OPERATORS`).
It lives in memory: a child process imports it in place of the module, so no file is touched. The
tests run once under coverage; a mutant meets the tests of its package (`TESTS`) that run its line,
the quick ones first, until one fails. Tests that need real imagery or a browser stay out.

Why no library: mutmut 3 changes function bodies only, and what decides here stands in constants
(levels, shares, class lists); it has no sample with a seed. cosmic-ray starts an interpreter a
mutant, and to import what this package needs takes ten times as long as the tests of a line.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "detector"
TESTS = {
    "boxes": ("boxes", "tiling"),
    "counting": ("counting", "calibrating"),
    "geometry": ("geometry", "boxes", "counting", "scenes"),
    "scenes": ("scenes", "counting", "cli/test_discover.py"),
    "stacks": ("stacks",),
    "tiling": ("tiling",),
}
"""Packages that are mutated, and the folders or files of tests that answer for them."""

PYTEST = (
    *("-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"),
    *("-m", "not real and not browser and not slow"),
)
LONGEST_BY_USUAL, LONGEST_EXTRA_S = 10.0, 60.0  # a mutant that takes longer is killed by it
Z_95 = 1.96
SURVIVED = ("survived", "unseen")

Patch = Callable[[ast.AST], ast.AST]
Change = tuple[str, Patch]

COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {
    "all": "any",
    "argmax": "argmin",
    "ceil": "floor",
    "max": "min",
    "maximum": "minimum",
    "rint": "floor",
    "cos": "sin",
}
NAMES |= {other: name for name, other in NAMES.items() if name != "rint"}


# What can be changed ------------------------------------------------------------------------------


def _comparisons(node: ast.AST) -> Iterator[Change]:
    """`<` and `<=`, `==` and `!=`, `in` and `not in` change places."""
    if not isinstance(node, ast.Compare):
        return
    for place, operator in enumerate(node.ops):
        other = COMPARED[type(operator)]

        def patch(copied: ast.AST, place: int = place, other: type[ast.cmpop] = other) -> ast.AST:
            assert isinstance(copied, ast.Compare)  # noqa: S101 - for mypy
            copied.ops[place] = other()
            return copied

        yield "comparison", patch


def _arithmetic(node: ast.AST) -> Iterator[Change]:
    """`+` and `-`, `*` and `/`, `&` and `|`, also in `+=`; a sign or a `not` goes."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COMPUTED:
        yield "arithmetic", _with_operator(COMPUTED[type(node.op)])
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield "sign", lambda copied: copied.operand  # type: ignore[attr-defined]


def _logic(node: ast.AST) -> Iterator[Change]:
    """`and` and `or` change places."""
    if isinstance(node, ast.BoolOp):
        yield "logic", _with_operator(ast.Or if isinstance(node.op, ast.And) else ast.And)


def _with_operator(kind: type[ast.operator] | type[ast.boolop]) -> Patch:
    def patch(copied: ast.AST) -> ast.AST:
        copied.op = kind()  # type: ignore[attr-defined]
        return copied

    return patch


def _constants(node: ast.AST) -> Iterator[Change]:
    """A whole number is one more, another a tenth more, true is false."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield "constant", lambda _: ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", lambda _: ast.Constant(value + 1)
    elif isinstance(value, float) and math.isfinite(value):
        yield "constant", lambda _: ast.Constant(value * 1.1 if value else 0.1)


def _lists(node: ast.AST) -> Iterator[Change]:
    """A list of constants loses its last."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return
    value = node.value
    if isinstance(value, ast.Tuple | ast.List | ast.Set) and len(value.elts) > 1:
        if not all(isinstance(item, ast.Constant) for item in value.elts):
            return

        def patch(copied: ast.AST) -> ast.AST:
            copied.value.elts.pop()  # type: ignore[attr-defined]
            return copied

        yield "list", patch


def _names(node: ast.AST) -> Iterator[Change]:
    """`any` and `all`, `min` and `max`, `floor` and `ceil`, `sin` and `cos` change places."""
    if not isinstance(node, ast.Call):
        return
    called = node.func
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    if name in NAMES:

        def patch(copied: ast.AST) -> ast.AST:
            field_name = "id" if isinstance(called, ast.Name) else "attr"
            setattr(copied.func, field_name, NAMES[name])  # type: ignore[attr-defined]
            return copied

        yield "name", patch


def _returns(node: ast.AST) -> Iterator[Change]:
    """A function that returns a truth returns its contrary, one that returns a number one more."""
    if not isinstance(node, ast.FunctionDef) or node.returns is None:
        return
    kind = ast.unparse(node.returns)
    changes: dict[str, Callable[[ast.expr], ast.expr]] = {
        "bool": lambda value: ast.UnaryOp(ast.Not(), value),
        "NDArray[np.bool_]": lambda value: ast.UnaryOp(ast.Invert(), value),
        "int": lambda value: ast.BinOp(value, ast.Add(), ast.Constant(1)),
        "float": lambda value: ast.BinOp(value, ast.Add(), ast.Constant(1.0)),
    }
    if kind not in changes:
        return
    change = changes[kind]

    def patch(copied: ast.AST) -> ast.AST:
        last = _last_return(copied)
        last.value = change(last.value)  # type: ignore[arg-type]
        return copied

    yield "return", patch


def _last_return(node: ast.AST) -> ast.Return:
    return [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value][-1]


OPERATORS = (_comparisons, _arithmetic, _logic, _constants, _lists, _names, _returns)


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        path: of the module, below `detector/`.
        line: of what is changed.
        column: of it.
        kind: of the operator.
        before: source of the changed part, one line.
        after: the same, changed.
        runs: lines whose tests may notice; none where all tests of the module may.
        place: number of the changed node, of its operator and of the change.
    """

    path: str
    line: int
    column: int
    kind: str
    before: str
    after: str
    runs: tuple[int, ...]
    place: tuple[int, int, int]

    @property
    def package(self) -> str:
        """Name of the folder."""
        return self.path.split("/", maxsplit=1)[0]

    @property
    def module(self) -> str:
        """Dotted name."""
        return ".".join((PACKAGE, *Path(self.path).with_suffix("").parts))


def mutants_of(path: Path) -> list[Mutant]:
    """All mutants of a module, by place."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    relative = path.relative_to(ROOT / PACKAGE).as_posix()
    found = []
    for number, (node, inside) in enumerate(_places(tree)):
        for operator, changes in enumerate(OPERATORS):
            for which, (kind, patch) in enumerate(changes(node)):
                after = _shown(patch(copy.deepcopy(node)))
                line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
                runs, place = _runs(node, inside), (number, operator, which)
                one = Mutant(relative, line, column, kind, _shown(node), after, runs, place)
                found.append(one)
    return sorted(found, key=lambda one: (one.line, one.column, one.place))


def code_of(mutant: Mutant) -> CodeType:
    """The whole module with one place changed, compiled."""
    path = ROOT / PACKAGE / mutant.path
    tree = ast.parse(path.read_text(encoding="utf-8"))
    number, operator, which = mutant.place
    node, _ = list(_places(tree))[number]
    changed = list(OPERATORS[operator](node))[which][1](node)
    if changed is not node:
        _replace(tree, node, changed)
    ast.fix_missing_locations(tree)
    return compile(tree, str(path), "exec", dont_inherit=True)


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.FunctionDef | None]]:
    """Nodes that may be changed, each with the function it lies in; always in one order.

    Texts, annotations, decorators, messages of errors, and what only checks a call (`strict=`)
    decide nothing.
    """

    def walk(
        node: ast.AST, inside: ast.FunctionDef | None
    ) -> Iterator[tuple[ast.AST, ast.FunctionDef | None]]:
        if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return
        if isinstance(node, ast.keyword) and node.arg in ("strict", "stacklevel", "repr"):
            return
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
            return
        yield node, inside
        within = node if isinstance(node, ast.FunctionDef) else inside
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, within)

    yield from walk(tree, None)


def _runs(node: ast.AST, inside: ast.FunctionDef | None) -> tuple[int, ...]:
    """Lines that run where a change matters.

    A constant of the module or a default is used wherever the module's functions run: none.
    """
    if isinstance(node, ast.FunctionDef):
        last = _last_return(node)
        return tuple(range(last.lineno, (last.end_lineno or last.lineno) + 1))
    line = getattr(node, "lineno", 0)
    if inside is None or line < inside.body[0].lineno:
        return ()
    return tuple(range(line, (getattr(node, "end_lineno", None) or line) + 1))


def _shown(node: ast.AST) -> str:
    """Source of a node; of a function, its last return."""
    return ast.unparse(_last_return(node) if isinstance(node, ast.FunctionDef) else node)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, ast.copy_location(new, old))
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[[item is old for item in value].index(True)] = ast.copy_location(new, old)
                return
    raise ValueError("the node is not in the tree")


# Which tests run a line ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Suite:
    """What is known of the tests from one run of all of them.

    Attributes:
        by_line: tests that run a line, by path below `detector/` and line.
        seconds: of each test.
    """

    by_line: dict[tuple[str, int], set[str]]
    seconds: dict[str, float]

    def of(self, mutant: Mutant, most_seconds: float = math.inf) -> list[str]:
        """Tests that may notice a mutant, the quick ones first, `most_seconds` of them in all."""
        folders = tuple(f"tests/{name}" for name in TESTS[mutant.package])
        if mutant.runs:
            found = set().union(*(self.by_line.get((mutant.path, n), set()) for n in mutant.runs))
        else:
            found = set().union(
                *(tests for (path, _), tests in self.by_line.items() if path == mutant.path)
            )
        chosen = [test for test in found if test.startswith(folders)]
        chosen.sort(key=lambda test: (self.seconds.get(test, 0.0), test))
        taken = 0.0
        quick: list[str] = []
        for test in chosen:
            taken += self.seconds.get(test, 0.0)
            if quick and taken > most_seconds:
                break
            quick.append(test)
        return quick


def run_suite(packages: Sequence[str]) -> Suite:
    """Run the tests of some packages under coverage.

    Raises:
        SystemExit: they fail.
    """
    from coverage import CoverageData  # noqa: PLC0415 - only needed here

    folders = sorted({f"tests/{name}" for package in packages for name in TESTS[package]})
    with tempfile.TemporaryDirectory() as scratch:
        environment = _environment() | {"COVERAGE_FILE": f"{scratch}/coverage"}
        report = Path(scratch, "junit.xml")
        command = [sys.executable, "-m", "pytest", *PYTEST, f"--cov={PACKAGE}", "--cov-report="]
        command += ["--cov-context=test", f"--junitxml={report}", "-o", "junit_family=xunit1"]
        done = subprocess.run(  # noqa: S603
            [*command, *folders], cwd=ROOT, env=environment, check=False
        )
        if done.returncode != 0:
            raise SystemExit("the tests fail without any mutant; mend them first")
        data = CoverageData(f"{scratch}/coverage")
        data.read()
        by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
        for name in data.measured_files():
            path = Path(name).relative_to(ROOT / PACKAGE).as_posix()
            for line, contexts in data.contexts_by_lineno(name).items():
                tests = {_function(context.split("|")[0]) for context in contexts if context}
                by_line[path, line] |= tests
        return Suite(dict(by_line), _seconds(report))


def _seconds(report: Path) -> dict[str, float]:
    """Seconds of each test function, all its parameters together."""
    from xml.etree import ElementTree as Xml  # noqa: PLC0415

    seconds: dict[str, float] = defaultdict(float)
    for case in Xml.parse(report).iter("testcase"):  # noqa: S314
        name = f"{case.get('file')}::{case.get('name')}"
        seconds[_function(name)] += float(case.get("time", 0))
    return dict(seconds)


def _function(test: str) -> str:
    return test.split("[", maxsplit=1)[0]


def _environment() -> dict[str, str]:
    """One thread, and hypothesis with a fixed seed and without a memory (its profile for CI)."""
    fixed = {"OMP_NUM_THREADS": "1", "CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **fixed, "PYTHONPATH": str(ROOT)}


# One mutant ---------------------------------------------------------------------------------------


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a mutant where its module is imported."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._mutant.module:
            return None
        origin = str(ROOT / PACKAGE / self._mutant.path)
        return importlib.util.spec_from_file_location(name, origin, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(code_of(self._mutant), module.__dict__)  # noqa: S102 - that is the point


def preload(packages: Sequence[str]) -> None:
    """Import what the tests need, then forget what is ours: children start with the rest."""
    import pytest  # noqa: PLC0415

    folders = sorted({f"tests/{name}" for package in packages for name in TESTS[package]})
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        shown, sys.stdout = sys.stdout, nowhere
        try:
            code = pytest.main([*PYTEST, "--collect-only", *folders])
        finally:
            sys.stdout = shown
    if code != 0:
        raise SystemExit(f"pytest cannot collect {folders}")
    for name in list(sys.modules):
        if name.split(".")[0] in (PACKAGE, "tests", "conftest"):
            del sys.modules[name]


def is_killed(mutant: Mutant, suite: Suite, most_seconds: float = math.inf) -> str:
    """`killed`, `survived`, `timeout`, or `unseen` where no test runs its lines."""
    tests = suite.of(mutant, most_seconds)
    if not tests:
        return "unseen"
    usual = sum(suite.seconds.get(test, 0.0) for test in tests)
    child = os.fork()
    if child == 0:
        _be_mutant(mutant, tests)
    end = time.monotonic() + LONGEST_EXTRA_S + LONGEST_BY_USUAL * usual
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def _be_mutant(mutant: Mutant, tests: Sequence[str]) -> None:
    """In the child: run the tests with the mutant in place; never returns."""
    code = 3
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.meta_path.insert(0, _Instead(mutant))
        import pytest  # noqa: PLC0415

        code = int(pytest.main([*PYTEST, "-x", "-p", "no:randomly", *tests]))
    finally:
        os._exit(code)


# Many ---------------------------------------------------------------------------------------------


def draw(mutants: Sequence[Mutant], size: int | None, seed: int) -> list[Mutant]:
    """A random order in which every beginning holds of each package about its share.

    Args:
        mutants: all.
        size: how many; None for all.
        seed: of the order.
    """
    generator = random.Random(seed)  # noqa: S311 - no secret
    queue: list[tuple[float, Mutant]] = []
    for package in sorted({one.package for one in mutants}):
        mine = [one for one in mutants if one.package == package]
        generator.shuffle(mine)
        queue += [((place + generator.random()) / len(mine), one) for place, one in enumerate(mine)]
    ordered = [one for _, one in sorted(queue, key=lambda pair: pair[0])]
    return ordered[:size]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, JASA 1927)."""
    if not count:
        return 0.0, 1.0
    share, z2 = hits / count, Z_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def table(results: Sequence[tuple[Mutant, str]], population: Sequence[Mutant]) -> str:
    """Markdown: shares by package, and what survived."""
    lines = ["| package | mutants | tried | killed | share | 95 % |", "|---|---|---|---|---|---|"]
    packages = sorted({one.package for one in population})
    for package in [*packages, "all"]:
        of_all = [one for one in population if package in (one.package, "all")]
        mine = [said for one, said in results if package in (one.package, "all")]
        killed = sum(said not in SURVIVED for said in mine)
        low, high = wilson(killed, len(mine))
        share = f"{killed / len(mine):.0%}" if mine else ""
        cells = (package, len(of_all), len(mine), killed, share, f"{low:.0%} to {high:.0%}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "| survivor | kind | before | after |", "|---|---|---|---|"]
    for one, said in sorted(results, key=lambda pair: (pair[0].path, pair[0].line)):
        if said in SURVIVED:
            seen = "" if said == "survived" else " (no test runs it)"
            before, after = (text.replace("|", "\\|") for text in (one.before, one.after))
            lines.append(f"| `{one.path}:{one.line}`{seen} | {one.kind} | `{before}` | `{after}` |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 where fewer than the wanted share are killed."""
    options = _options(arguments)
    paths = sorted(
        path
        for package in TESTS
        for path in (ROOT / PACKAGE / package).rglob("*.py")
        if path.relative_to(ROOT / PACKAGE).as_posix().startswith(tuple(options.only))
    )
    everything = [one for path in paths for one in mutants_of(path)]
    chosen = draw(everything, options.sample, options.seed)
    if options.list:
        for one in chosen:
            _say(f"{one.path}:{one.line}:{one.column} {one.kind}: {one.before} -> {one.after}")
        return 0
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ.update(_environment())
    before = _kept(options.again, everything)
    if before:
        chosen = [one for one, said in before if said in SURVIVED]
    packages = sorted({one.package for one in chosen})
    suite = _suite(options.suite, packages)
    preload(packages)
    end = time.monotonic() + 60.0 * options.minutes
    tried: dict[Mutant, str] = {}
    for one in chosen:
        if time.monotonic() > end:
            break
        tried[one] = is_killed(one, suite, options.tests)
        _say(f"{len(tried)} {tried[one]}: {one.path}:{one.line} {one.before} -> {one.after}")
    results = list((dict(before) | tried).items())
    text = table(results, everything)
    _say("\n" + text)
    if options.docs:
        options.docs.write_text(text, encoding="utf-8")
    if options.json:
        rows = [(one.path, *one.place, said) for one, said in results]
        options.json.write_text(json.dumps(rows), encoding="utf-8")
    killed = sum(said not in SURVIVED for _, said in results)
    return int(killed < options.least * len(results))


def _kept(again: Path | None, mutants: Sequence[Mutant]) -> list[tuple[Mutant, str]]:
    """What an earlier run wrote with `--json`; its source must be the same."""
    if again is None:
        return []
    by_place = {(one.path, *one.place): one for one in mutants}
    rows = json.loads(again.read_text(encoding="utf-8"))
    return [(by_place[tuple(place)], said) for *place, said in rows]


def _suite(kept: Path | None, packages: Sequence[str]) -> Suite:
    """The suite's run, read from a file where it was kept there, or kept there."""
    if kept is not None and kept.exists():
        rows, seconds = json.loads(kept.read_text(encoding="utf-8"))
        return Suite({(path, line): set(tests) for path, line, tests in rows}, seconds)
    suite = run_suite(packages)
    if kept is not None:
        rows = [(path, line, sorted(tests)) for (path, line), tests in suite.by_line.items()]
        kept.write_text(json.dumps((rows, suite.seconds)), encoding="utf-8")
    return suite


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--sample", type=int, help="how many mutants; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of their order")
    parser.add_argument("--minutes", type=float, default=480.0, help="when to stop")
    parser.add_argument(
        "--tests", type=float, default=math.inf, help="seconds of tests a mutant meets at most"
    )
    parser.add_argument("--least", type=float, default=0.85, help="share that must be killed")
    parser.add_argument("--again", type=Path, help="try the survivors of this --json once more")
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of paths")
    parser.add_argument("--list", action="store_true", help="show the mutants, run nothing")
    parser.add_argument("--suite", type=Path, help="keep the run of the tests here, or take it")
    parser.add_argument("--docs", type=Path, help="write the tables here")
    parser.add_argument("--json", type=Path, help="write what became of each here")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
