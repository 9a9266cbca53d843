"""Names of other distributions: listed unloaded, loaded when asked for, or a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.errors import PluginError
from detector.plugins import PluginGroup
from tests.plugins import MARKER, SHOWS_IMPORT, install, write_distribution

GROUP = PluginGroup(
    group="detector.tests",
    what="kind of test",
    built_in=("alpha", "beta"),
    call=("root", "faults"),
    reserved=("every",),
)
BUILT_IN: dict[str, Callable[..., str]] = {
    "alpha": lambda root, faults: "a",
    "beta": lambda root, faults: "b",
}
GOOD = "def read(root, faults):\n    return f'{root} {len(faults)}'\n"


def test_names_come_from_metadata_and_code_runs_when_its_name_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GROUP.names() == ("alpha", "beta")
    entries = {"detector.tests": {"zeta": "zeta_code:read", "gamma": "zeta_code:read"}}
    install(monkeypatch, tmp_path, "tests-plus", entries, {"zeta_code": SHOWS_IMPORT + GOOD})
    assert GROUP.names() == ("alpha", "beta", "gamma", "zeta")
    assert GROUP.get("beta", BUILT_IN)("x", []) == "b"
    assert GROUP.distribution("zeta") == "the distribution 'tests-plus 1.2'"
    assert GROUP.distribution("beta") is None
    assert not (tmp_path / MARKER).exists()
    assert "zeta_code" not in sys.modules
    assert GROUP.get("zeta", BUILT_IN)("x", [1, 2]) == "x 2"
    assert (tmp_path / MARKER).exists()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "import nowhere_at_all",
            "the kind of test 'mine' of the distribution 'tests-plus 1.2' cannot be loaded "
            "(ModuleNotFoundError: No module named 'nowhere_at_all'); mend or uninstall it",
        ),
        (
            "raise SystemError('two\\nlines')",
            "the kind of test 'mine' of the distribution 'tests-plus 1.2' cannot be loaded "
            "(SystemError: two lines); mend or uninstall it",
        ),
        (
            "other = 1",
            "the kind of test 'mine' of the distribution 'tests-plus 1.2' cannot be loaded "
            "(AttributeError: module 'mine_code' has no attribute 'read'); mend or uninstall it",
        ),
        (
            "read = 3",
            "the kind of test 'mine' of the distribution 'tests-plus 1.2' is a int: "
            "mine_code:read must be callable with (root, faults)",
        ),
        (
            "def read(root): pass",
            "the kind of test 'mine' of the distribution 'tests-plus 1.2' has another signature: "
            "mine_code:read must be callable with (root, faults)",
        ),
        (
            "def read(root, faults, third): pass",
            "the kind of test 'mine' of the distribution 'tests-plus 1.2' has another signature: "
            "mine_code:read must be callable with (root, faults)",
        ),
    ],
)
def test_a_broken_plugin_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    entries = {"detector.tests": {"mine": "mine_code:read"}}
    install(monkeypatch, tmp_path, "tests-plus", entries, {"mine_code": code})
    assert GROUP.names() == ("alpha", "beta", "mine")
    assert GROUP.get("alpha", BUILT_IN)("x", []) == "a"  # the others are none the worse
    with pytest.raises(PluginError) as error:
        GROUP.get("mine", BUILT_IN)
    assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["alpha", "every"])
def test_a_name_of_ours_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    entries = {"detector.tests": {name: "thief:read"}}
    install(monkeypatch, tmp_path, "thief", entries, {"thief": SHOWS_IMPORT + GOOD})
    assert GROUP.names() == ("alpha", "beta")
    assert GROUP.get("beta", BUILT_IN)("x", []) == "b"
    with pytest.raises(PluginError) as error:
        GROUP.get(name, BUILT_IN)
    assert str(error.value) == (
        f"the distribution 'thief 1.2' registers the kind of test '{name}', which is built in; "
        "uninstall it, or have it renamed"
    )
    assert not (tmp_path / MARKER).exists()


def test_two_distributions_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {"detector.tests": {"mine": "one:read"}}
    write_distribution(tmp_path / "b", "other", entries, {"one": GOOD})
    monkeypatch.syspath_prepend(str(tmp_path / "b"))
    install(monkeypatch, tmp_path / "a", "one", entries, {"one": GOOD})
    with pytest.raises(PluginError) as error:
        GROUP.get("mine", BUILT_IN)
    assert str(error.value) == (
        "the distribution 'one 1.2' and the distribution 'other 1.2' register the same kind of "
        "test 'mine'; uninstall one of them"
    )


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"'beat' is none .* alpha, beta; did you mean 'beta'\?"):
        GROUP.get("beat", BUILT_IN)
