"""Change points: the penalty by hand, and the partition by brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.activity.series import Points, change_points


def changes(roots: np.ndarray) -> list[int]:
    """Of the counts whose square roots are given."""
    return change_points(Points(np.arange(float(len(roots))), roots**2))


@pytest.mark.parametrize(
    ("n", "jump", "found"),
    [
        # A jump in the middle saves n / 4 jump²; it costs 3 s² log n, and s is 1/2 at least.
        (12, 0.78, False),  # 1.825 of 1.864
        (12, 0.80, True),  # 1.92
        (20, 0.66, False),  # 2.178 of 2.247
        (20, 0.68, True),  # 2.312
        (100, 0.365, False),  # 3.331 of 3.454
        (100, 0.38, True),  # 3.61
        (400, 0.208, False),  # 4.326 of 4.494
        (400, 0.215, True),  # 4.622
    ],
)
def test_the_penalty_grows_with_the_logarithm_of_the_looks(
    n: int, jump: float, found: bool
) -> None:
    roots = np.full(n, 2.0)
    roots[n // 2 :] += jump
    assert changes(roots) == ([n // 2] if found else [])


@pytest.mark.parametrize(("jump", "found"), [(2.1, False), (2.3, True)])
def test_noise_raises_the_penalty(jump: float, found: bool) -> None:
    """Roots that go up and down by 2 say s = 1.4826 · 2 / √2 = 2.1, a penalty of 48.7 for 40."""
    roots = 6.0 + np.where(np.arange(40) % 2 == 0, 1.0, -1.0)
    roots[20:] += jump
    assert changes(roots) == ([20] if found else [])


def test_a_level_lasts_three_looks() -> None:
    roots = np.full(20, 2.0)
    roots[8:10] = 9.0
    assert 10 not in changes(roots) or 8 not in changes(roots)
    roots[8:11] = 9.0
    assert changes(roots) == [8, 11]
    assert changes(np.array([1.0, 1, 1, 9, 9])) == []  # five looks hold no two levels
    assert changes(np.array([1.0, 1, 1, 9, 9, 9])) == [3]


@given(st.lists(st.integers(0, 60), min_size=6, max_size=11))
def test_no_other_partition_is_cheaper(counts: list[int]) -> None:
    x = np.sqrt(np.array(counts, float))
    n = len(x)
    spread = max(1.4826 * float(np.median(np.abs(np.diff(x)))) / np.sqrt(2), 0.5)
    penalty = 3 * spread**2 * np.log(n)

    def cost(inner: tuple[int, ...]) -> float:
        parts = np.split(x, inner)
        if min(len(part) for part in parts) < 3:
            return np.inf
        return sum(((part - part.mean()) ** 2).sum() for part in parts) + penalty * len(inner)

    every = [inner for k in range(4) for inner in combinations(range(1, n), k)]
    best = min(cost(inner) for inner in every)
    assert cost(tuple(changes(x))) == pytest.approx(best, abs=1e-9)
