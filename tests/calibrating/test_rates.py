"""Rates of made-up places are found again, with how places differ and how well all is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from detector.calibrating.counts import fit_lone
from detector.calibrating.rates import SPREAD, Trials, _Problem, fit_rates
from detector.counting.crowding import WATERS
from detector.counting.draws import COVARIATES

MARINA, OPEN = WATERS.index("marina"), WATERS.index("open")


def made(places: int, sd: tuple[float, float], seed: int = 0, boxes: int = 30) -> Trials:
    """Places of open water and marinas by turns; log odds 1 + 0.8 length, `sd` between places."""
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(places), boxes)
    water = np.where(place % 2 == 0, OPEN, MARINA)
    covariates = np.zeros((len(place), len(COVARIATES)))
    covariates[:, 0] = 1
    covariates[:, COVARIATES.index("length")] = rng.normal(0, 1, len(place))
    covariates[:, COVARIATES.index("marina")] = water == MARINA
    effect = rng.standard_normal(places)[place] * np.array(sd)[place % 2]
    odds = 1 + 0.8 * covariates[:, COVARIATES.index("length")] - 0.5 * (water == MARINA) + effect
    hits = (rng.random(len(place)) < expit(odds)).astype(float)
    return Trials(covariates, water, place, hits, 1 - hits, np.zeros(len(place)))


def test_rates_are_found_again_and_one_odd_water_widens_itself_only() -> None:
    fitted = fit_rates(made(120, (0.3, 1.5)))
    found = dict(zip(COVARIATES, fitted.coefficients, strict=True))
    assert found["one"] == pytest.approx(1.0, abs=0.2)
    assert found["length"] == pytest.approx(0.8, abs=0.1)
    assert found["marina"] == pytest.approx(-0.5, abs=0.5)
    spread = np.exp(fitted.log_sd)
    assert spread[OPEN] == pytest.approx(0.3, abs=0.15)
    assert spread[MARINA] == pytest.approx(1.5, abs=0.35)
    errors = np.sqrt(np.diag(fitted.covariance))
    assert errors[COVARIATES.index("length")] == pytest.approx(0.045, abs=0.015)
    again = fit_rates(made(120, (0.3, 1.5)))
    assert again == fitted


def test_water_that_nobody_saw_is_drawn_to_what_all_water_does() -> None:
    """No berth is among the places: its spread lies between those seen, and is known worst."""
    fitted = fit_rates(made(80, (0.3, 1.5)))
    spread, berth = np.exp(fitted.log_sd), WATERS.index("berth")
    assert spread[OPEN] < spread[berth] < spread[MARINA]
    errors = np.sqrt(np.diag(fitted.covariance))[-len(WATERS) :]
    assert errors.argmax() == berth


def test_without_places_the_prior_stands() -> None:
    nothing = made(2, (1.0, 1.0))
    empty = Trials(*(getattr(nothing, name)[:0] for name in Trials.__slots__))
    fitted = fit_rates(empty)
    assert fitted.coefficients == [0.0] * len(COVARIATES)
    assert np.exp(fitted.log_sd) == pytest.approx(SPREAD, rel=1e-4)
    assert np.sqrt(fitted.covariance[0][0]) == pytest.approx(3.0, rel=1e-3)


def test_an_offset_is_taken_off() -> None:
    sample = made(60, (0.3, 0.3))
    plain, shifted = fit_rates(sample), fit_rates(replace(sample, offset=sample.offset + 1))
    assert shifted.coefficients[0] == pytest.approx(plain.coefficients[0] - 1, abs=0.05)


def test_the_gradient_is_that_of_the_loss() -> None:
    problem = _Problem.of(made(12, (0.5, 1.0), boxes=5))
    at = np.random.default_rng(0).normal(0, 0.3, len(COVARIATES) + len(WATERS) + 1)
    numeric = approx_fprime(at, lambda values: problem.loss(values)[0], 1e-6)
    assert problem.loss(at)[1] == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_lone_objects_are_found_again() -> None:
    rng = np.random.default_rng(2)
    mpx = rng.uniform(0.2, 4, 3000)
    shape, recall = fit_lone(rng.negative_binomial(0.3 * mpx, 0.4), mpx)
    assert (shape, recall) == pytest.approx((0.3, 0.4), rel=0.1)
