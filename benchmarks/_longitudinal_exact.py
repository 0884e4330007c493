"""What the exact posterior of coefficients is worth, what it costs, and that it is lme4's where decoders are linear."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

Plan = Iterator[tuple[str, str, int, Callable[[], dict[str, Any]]]]

EXACT, MEAN_FIELD = "exact", "mean-field"
_EM_STEPS = 400
_BLOOD = ("log_bili", "log_chol", "albumin", "log_ast", "log_platelet")
_LME4 = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "lme4.json"


def simulated_effects() -> list:
    """Those of simulate_longitudinal, one that has no effect, and courses of subjects beside their levels."""
    from intertwine.effects import BySubject, Categorical, Linear, Smooth

    return [
        Categorical("sex"),
        Smooth("age"),
        Categorical("sex") * Smooth("age"),
        Smooth("disease_time"),
        Linear("dose"),
        Categorical("location"),
        BySubject(),
        BySubject(Smooth("age", length_scale=15.0)),
    ]


def exact_against_mean_field(quick: bool, seeds: int) -> Plan:
    """Latents that are known, at their most likely variances; and whole fits."""
    n = 100 if quick else 500
    for seed in range(seeds):
        for method in (EXACT, MEAN_FIELD):
            yield f"latents at hand, {n} subjects", method, seed, partial(_latents_at_hand, method, n, seed)
        for layers, hidden in (("", None), (", one layer of 64", (64,))):
            for method in (EXACT, MEAN_FIELD):
                case = f"LongitudinalVAE, {n} subjects{layers}"
                yield case, method, seed, partial(_whole_fit, method, hidden, n, seed)


def _latents_at_hand(method: str, n: int, seed: int) -> dict[str, Any]:
    """Variances by EM or BFGS, and the bound there, of latents that are data."""
    from intertwine.datasets import simulate_longitudinal
    from intertwine.estimators.longitudinal.covariate_data import CovariateData, CovariateInputs
    from intertwine.mixed_effects.coefficient_priors import GaussianPrior
    from intertwine.mixed_effects.latent_effects import LatentEffects
    from intertwine.mixed_effects.latent_variance_search import fit_latent_variances
    from intertwine.mixed_effects.mean_field import MeanField
    from intertwine.mixed_effects.subject_system import SubjectSystem
    from intertwine.mixed_effects.subjects import Sites

    drawn = simulate_longitudinal(n, n_new=5, random_state=seed)
    z, at = drawn.latent[drawn.train], drawn.train
    covariates = {name: values[at] for name, values in drawn.covariates.items()}
    _, visits = CovariateData.read(
        simulated_effects(), CovariateInputs(z, len(z), covariates, drawn.subject[at])
    )
    effects = LatentEffects.of(simulated_effects(), visits.columns, visits.subject)
    rows = effects.rows(visits.columns, visits.subject, n, effects.start_shape())
    scales = effects.scales(rows)
    start = effects.variances(0.3 * z.var(axis=0), 0.1 * z.var(axis=0) / np.maximum(scales, 1e-3)[:, None])
    sites = Sites(z, np.zeros(z.shape))
    system = SubjectSystem(rows)
    began = time.perf_counter()
    if method == EXACT:
        variances = fit_latent_variances(system, sites, effects.learnt, start, tolerance=1e-3).variances
        bound = system.posterior(sites, variances).log_evidence
    else:
        variances = start
        for _ in range(_EM_STEPS):
            field = MeanField.best(rows, z, variances)
            moments = field.moments(rows, z, sites.variance)
            variances = GaussianPrior().next_variances(moments, variances, effects.learnt, n)
        field = MeanField.best(rows, z, variances)
        mean, spread = field.linear(rows)
        squares = np.sum((z - mean) ** 2 + spread, axis=0) / variances.noise
        fit = -0.5 * (len(z) * np.log(2.0 * np.pi * variances.noise) + squares)
        bound = fit - field.divergence(variances)
    found = dict(
        zip(effects.titles, (effects.by_effect(variances) * scales[:, None]).mean(axis=1), strict=True)
    )
    return {
        "bound": float(bound.mean()),
        "subject": float(found["subject"]),
        "subject × age": float(found["subject × age"]),
        "noise": float(variances.noise.mean()),
        "variances": {name: round(float(value), 4) for name, value in found.items()},
        "fit_seconds": time.perf_counter() - began,
    }


def _whole_fit(method: str, hidden: tuple[int, ...] | None, n: int, seed: int) -> dict[str, Any]:
    return _whole_fits(hidden, n, seed)[method]


@cache
def _whole_fits(hidden: tuple[int, ...] | None, n: int, seed: int) -> dict[str, dict[str, Any]]:
    """Both objectives, by turns: what an epoch costs depends on what else the machine is at."""
    from _turns import epochs_by_turns

    from intertwine import LongitudinalVAE
    from intertwine.datasets import simulate_longitudinal
    from intertwine.fitting.longitudinal.epochs import Runner
    from intertwine.fitting.longitudinal.mean_field_epochs import FieldRunner

    drawn = simulate_longitudinal(n, n_new=5, random_state=seed)
    covariates = {name: values[drawn.train] for name, values in drawn.covariates.items()}

    def fit(method: str) -> float:
        model = LongitudinalVAE(
            3,
            effects=simulated_effects(),
            hidden_layer_sizes=hidden,
            objective=method,
            warm_up=10,
            max_iter=40,
            random_state=seed,
        )
        model.fit(drawn.X[drawn.train], covariates=covariates, subject=drawn.subject[drawn.train])
        return float(model.bound_)

    began = time.perf_counter()
    seconds, bounds = epochs_by_turns(
        {EXACT: Runner, MEAN_FIELD: FieldRunner},
        {method: partial(fit, method) for method in (EXACT, MEAN_FIELD)},
    )
    wall = round(time.perf_counter() - began, 2)
    after = {method: np.array(epochs[10:50]) for method, epochs in seconds.items()}
    rows: dict[str, dict[str, Any]] = {
        method: {
            "bound": bounds[method],
            "processor_seconds_an_epoch": float(np.median(epochs)),
            "wall_seconds": wall,
        }
        for method, epochs in after.items()
    }
    rows[EXACT]["times mean-field"] = float(np.median(after[EXACT] / after[MEAN_FIELD]))
    return rows


@contextmanager
def _epochs_timed() -> Iterator[list[float]]:
    """What epochs take of the processor, but for those of the last decoder: a clock would time who else is at work."""
    from intertwine.fitting.longitudinal.epochs import Runner
    from intertwine.fitting.longitudinal.mean_field_epochs import FieldRunner

    seconds = list[float]()

    def timed(epoch: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            began = time.process_time()
            found = epoch(*arguments)
            seconds.append(time.process_time() - began)
            return found

        return run

    with ExitStack() as stack:
        for runner in (Runner, FieldRunner):
            stack.enter_context(patch.object(runner, "epoch", timed(runner.epoch)))
        yield seconds


def lme4_shares(quick: bool, seeds: int) -> Plan:
    """Five blood values of patients, beside time; and marks that students give to lecturers, crossed."""
    yield "pbcseq, five blood values", "engine, latents are the values", 0, _engine_shares
    yield "pbcseq, five blood values", "LongitudinalVAE, linear", 0, _linear_shares
    yield "InstEval, department 15", "LongitudinalVAE, linear", 0, _crossed_shares


def _blood() -> tuple[Any, np.ndarray, np.ndarray]:
    from intertwine.datasets import fetch_pbcseq

    visits = fetch_pbcseq(standardize=False, download_if_missing=False)
    names = list(visits.feature_names)
    subject = np.unique(visits.groups["patient"], return_inverse=True)[1]
    return visits, visits.data[:, [names.index(name) for name in _BLOOD]], subject


def _lme4_cases() -> list[dict[str, Any]]:
    """Those of restricted likelihood."""
    return [case for case in json.loads(_LME4.read_text(encoding="utf-8"))["cases"] if case["restricted"]]


def _by_lme4() -> np.ndarray:
    """Shares of the patients, (5,), restricted likelihood."""
    cases = {case["name"]: case for case in _lme4_cases()}
    found = [cases[f"pbcseq (1 | g) {name.removeprefix('log_')}"] for name in _BLOOD]
    own = np.array([case["covariances"][0]["covariance"][0][0] for case in found])
    return own / (own + np.array([case["noise"] for case in found]))


def _engine_shares() -> dict[str, Any]:
    from intertwine.mixed_effects.coefficient_priors import LearntColumns
    from intertwine.mixed_effects.latent_variance_search import fit_latent_variances
    from intertwine.mixed_effects.subject_system import SubjectSystem
    from intertwine.mixed_effects.subjects import LatentVariances, Sites, SubjectRows

    visits, Y, subject = _blood()
    shared = np.column_stack([np.ones(len(Y)), visits.time])
    system = SubjectSystem(SubjectRows(subject, subject.max() + 1, shared, np.ones((len(Y), 1))))
    noise = 0.5 * np.nanvar(Y, axis=0)
    start = LatentVariances(noise, np.full((2, len(noise)), np.inf), noise[None], np.empty((0, len(noise))))
    sites = Sites(np.nan_to_num(Y), np.where(np.isnan(Y), np.inf, 0.0))
    found = fit_latent_variances(system, sites, LearntColumns((), (slice(0, 1),)), start).variances
    return _beside_lme4(found.own[0] / (found.own[0] + found.noise))


def _linear_shares() -> dict[str, Any]:
    """Variances of effects, carried through the decoder's weights; not realised shares, which count visits."""
    from intertwine import LongitudinalVAE
    from intertwine.effects import BySubject, Linear

    visits, Y, subject = _blood()
    K = len(_BLOOD)
    model = LongitudinalVAE(
        K,
        effects=[Linear("time"), BySubject()],
        architecture="linear",
        gsnn_weight=0.0,
        dropout=0.0,
        max_iter=300,
        learning_rate=0.01,
        random_state=0,
    )
    model.fit((Y - np.nanmean(Y, axis=0)) / np.nanstd(Y, axis=0), subject=subject, time=visits.time)
    weights = (model.inverse_transform(np.eye(K)) - model.inverse_transform(np.zeros((K, K)))).T
    latent, observed = model.variance_components_, model.explain("feature")
    variance = {
        effect: weights**2
        @ np.asarray(latent["variance"], dtype=float)[np.asarray(latent["effect"]) == effect]
        for effect in ("subject", "visit")
    }
    noise = np.asarray(observed["variance"], dtype=float)[np.asarray(observed["effect"]) == "noise"]
    return _beside_lme4(variance["subject"] / (variance["subject"] + variance["visit"] + noise))


def _crossed_shares() -> dict[str, Any]:
    """Students are subjects, lecturers a categorical effect; what visits and the decoder leave is one noise."""
    from intertwine import LongitudinalVAE
    from intertwine.datasets import fetch_insteval
    from intertwine.effects import BySubject, Categorical

    marks = fetch_insteval(download_if_missing=False)
    here = marks.groups["department"].astype(str) == "15"
    y = marks.target[here].astype(float)
    model = LongitudinalVAE(
        1,
        effects=[BySubject(), Categorical("lecturer")],
        architecture="linear",
        gsnn_weight=0.0,
        dropout=0.0,
        batch_size=512,
        warm_up=5,
        max_iter=1000,  # an EM step each: variances of crossed effects come slowly
        decoder_iter=0,
        learning_rate=0.02,
        random_state=0,
    )
    lecturer = marks.groups["lecturer"][here].astype(str)
    model.fit(
        ((y - y.mean()) / y.std())[:, None],
        covariates={"lecturer": lecturer},
        subject=marks.groups["student"][here],
    )
    weight = float(
        np.squeeze(model.inverse_transform(np.ones((1, 1))) - model.inverse_transform(np.zeros((1, 1))))
    )
    latent, observed = model.variance_components_, model.explain("feature")
    parts = weight**2 * np.asarray(latent["variance"], dtype=float)  # subject, lecturer, visit
    noise = np.asarray(observed["variance"], dtype=float)[np.asarray(observed["effect"]) == "noise"]
    found = parts[:2] / (parts.sum() + noise)
    (case,) = (case for case in _lme4_cases() if case["name"] == "InstEval, department 15, (1 | s) + (1 | d)")
    expected = np.array([part["covariance"][0][0] for part in case["covariances"]])
    expected = expected / (expected.sum() + case["noise"])
    return {
        "lme4": float(expected[0]),
        "found": float(found[0]),
        "largest difference": float(np.abs(found - expected).max()),
        "by effect": dict(zip(("student", "lecturer"), np.round(found, 4).tolist(), strict=True)),
    }


def _beside_lme4(found: np.ndarray) -> dict[str, Any]:
    expected = _by_lme4()
    return {
        "lme4": float(expected.mean()),
        "found": float(found.mean()),
        "largest difference": float(np.abs(found - expected).max()),
        "by feature": dict(zip(_BLOOD, np.round(found, 4).tolist(), strict=True)),
    }


def growth(quick: bool, seeds: int) -> Plan:
    """Whole epochs by subjects; the exact posterior by the length of one series of each subject."""
    for subjects in (300, 1000) if quick else (1000, 10_000, 100_000):
        asked = {"kind": "subjects", "size": subjects}
        yield f"{subjects:,} subjects, 10 visits each", "LongitudinalVAE", 0, partial(_in_process, **asked)
    for length in (300,) if quick else (300, 1000, 3000, 10_000):
        asked = {"kind": "series", "size": length}
        yield f"20 series of {length:,}", "state space", 0, partial(_in_process, **asked)


def _in_process(**asked: Any) -> dict[str, Any]:
    """Time and memory in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), json.dumps(asked)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"failure": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def one_size(kind: str, size: int) -> dict[str, Any]:
    """Measure in this process."""
    from _worker import peak_mb

    said = _epochs(size) if kind == "subjects" else _series(size)
    return {**said, "peak_mb": peak_mb()}


def _epochs(n_subjects: int) -> dict[str, Any]:
    from intertwine import LongitudinalVAE
    from intertwine.datasets import simulate_longitudinal

    drawn = simulate_longitudinal(n_subjects, n_visits=(10, 10), n_new=1, random_state=0)
    covariates = {name: values[drawn.train] for name, values in drawn.covariates.items()}
    began = time.process_time()
    model = LongitudinalVAE(
        3, effects=simulated_effects(), warm_up=1, max_iter=2, decoder_iter=1, random_state=0
    )
    with _epochs_timed() as seconds:
        model.fit(drawn.X[drawn.train], covariates=covariates, subject=drawn.subject[drawn.train])
    return {
        "processor_seconds_an_epoch": float(np.min(seconds[1:])),
        "processor_seconds": time.process_time() - began,
    }


def _series(length: int) -> dict[str, Any]:
    from intertwine.mixed_effects.subject_system import SubjectSystem
    from intertwine.mixed_effects.subjects import LatentVariances, Sites, SubjectRows, Trend

    n_series, n_axes = 20, 4
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(n_series), length)
    n = len(subject)
    times = np.sort(rng.uniform(0.0, length, (n_series, length)), axis=1).ravel()
    rows = SubjectRows(subject, n_series, np.ones((n, 1)), np.ones((n, 1)), (Trend(times, "matern32", 20.0),))
    sites = Sites(rng.standard_normal((n, n_axes)), np.full((n, n_axes), 0.1))
    one = np.ones((1, n_axes))
    variances = LatentVariances(np.full(n_axes, 0.1), np.full((1, n_axes), np.inf), one, one)
    seconds = []
    for _ in range(3):  # the first pays for compilation
        began = time.process_time()
        SubjectSystem(rows).posterior(sites, variances).marginals()
        seconds.append(time.process_time() - began)
    return {"posterior_seconds": min(seconds[1:])}


if __name__ == "__main__":
    print(json.dumps(one_size(**json.loads(sys.argv[1]))))
