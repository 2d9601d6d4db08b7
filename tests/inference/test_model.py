from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bayescale.errors import DataError, LawError
from bayescale.inference.compile import compiled_model
from bayescale.inference.model import build_model, model_data
from bayescale.inference.structure import Structure, build_structure, default_likelihood
from bayescale.inference.units import units_of
from bayescale.likelihoods import (
    NORMAL,
    STUDENT_T,
    VARIANCE_FUNCTION,
    autoregressive,
    likelihood_named,
    with_errors,
)
from bayescale.models.size_and_data.chinchilla import CHINCHILLA
from bayescale.priors import HalfNormal, LogNormal
from bayescale.spec.law import Law
from bayescale.spec.likelihood import Likelihood
from tests.designs import FORMS, simulated

RUNS = simulated(CHINCHILLA, noise=0.01, seed=4, each=4).assign(
    corpus=["web", "code", "web", "maths"] * 4
)


def structure(likelihood: Likelihood, **choices: Any) -> Structure:
    return build_structure(CHINCHILLA, RUNS, likelihood, **choices)


def by_hand(point: np.ndarray) -> float:
    """Log density of the Normal Chinchilla model on the sampling scale, up to a constant."""
    level, alpha, beta, sigma = np.exp(point[[0, 3, 4, 5]])
    share = np.exp(np.append(point[1:3], -point[1:3].sum()))
    share /= share.sum()
    values = CHINCHILLA.coefficients(units_of(CHINCHILLA, RUNS), level, share, alpha, beta)
    expected = CHINCHILLA.formula(RUNS["params"], RUNS["tokens"], **values)
    return float(
        stats.norm.logpdf(np.log(RUNS["loss"]), np.log(expected), sigma).sum()
        + stats.norm.logpdf(point[0], 0.0, 0.5)
        + stats.norm.logpdf(point[[3, 4]], np.log(0.3), 0.6).sum()
        + stats.dirichlet.logpdf(share, [2, 1, 1])
        + stats.t.logpdf(sigma / 0.05, 3)
        # Jacobians: of the log ratios the product of the shares, of the logarithm sigma itself.
        + np.log(share).sum()
        + point[5]
    )


def test_the_log_density_is_the_sum_of_its_parts() -> None:
    """Prior, Jacobian and likelihood against scipy; constants cancel between two points."""
    plain = structure(NORMAL)
    compiled = compiled_model(plain, RUNS)
    packed = compiled.pack(model_data(plain, RUNS))
    # level, two log ratios of the shares, alpha, beta, sigma; all but the ratios as logarithms
    points = np.array([[0.1, 0.2, -0.3, -1.0, -1.2, -4.0], [-0.1, -0.4, 0.5, -0.7, -1.5, -3.0]])
    values = [compiled.log_density(point, packed)[0] for point in points]
    assert_allclose(np.diff(values), np.diff([by_hand(point) for point in points]), rtol=1e-9)


def test_the_gradient_is_that_of_the_log_density() -> None:
    plain = structure(VARIANCE_FUNCTION)
    compiled = compiled_model(plain, RUNS)
    packed = compiled.pack(model_data(plain, RUNS))
    point = compiled.start + 0.1
    step = 1e-6
    numeric = [
        (
            compiled.log_density(point + step * axis, packed)[0]
            - compiled.log_density(point - step * axis, packed)[0]
        )
        / (2 * step)
        for axis in np.eye(point.size)
    ]
    # Central differences at 1e-6 keep about six digits of a density of order 1e3.
    assert_allclose(compiled.log_density(point, packed)[1], numeric, rtol=1e-5, atol=1e-3)


def test_one_compiled_model_serves_tables_of_any_length() -> None:
    whole, part = structure(STUDENT_T), build_structure(CHINCHILLA, RUNS.iloc[:9], STUDENT_T)
    assert compiled_model(whole, RUNS) is compiled_model(part, RUNS.iloc[:9])


def test_other_numbers_in_a_prior_need_no_new_model() -> None:
    wider = {"alpha": LogNormal(mu=0.0, sigma=2.0)}
    other = {"alpha": HalfNormal(sigma=2.0)}
    assert structure(STUDENT_T, priors=wider).key == structure(STUDENT_T).key
    assert structure(STUDENT_T, priors=other).key != structure(STUDENT_T).key


def test_a_prior_that_is_replaced_is_in_the_density() -> None:
    wider = structure(STUDENT_T, priors={"alpha": LogNormal(mu=0.0, sigma=2.0)})
    plain = structure(STUDENT_T)
    compiled = compiled_model(plain, RUNS)
    change = np.subtract(
        *(
            compiled.log_density(compiled.start, compiled.pack(model_data(model, RUNS)))[0]
            for model in (wider, plain)
        )
    )
    log_alpha = compiled.start[3]
    expected = stats.norm.logpdf(log_alpha, 0, 2) - stats.norm.logpdf(log_alpha, np.log(0.3), 0.6)
    assert_allclose(change, expected, rtol=1e-9)


@pytest.mark.parametrize("law", FORMS.values(), ids=FORMS)
def test_pooling_changes_what_is_sampled(law: Law) -> None:
    runs = simulated(law, noise=0.01, seed=4, each=6)
    runs["corpus"] = np.where(np.arange(len(runs)) % 2, "web", "code")
    by = law.groups.by or "corpus"
    separate, *_, partial = (*law.priors, *law.priors)
    pool = dict.fromkeys(law.priors, "shared") | {separate: "separate", partial: "partial"}
    grouped = build_structure(law, runs, NORMAL, groups=by, pool=pool, clusters=None)
    model = build_model(grouped, runs)
    free = {variable.name for variable in model.free_RVs}
    assert {f"{partial}_{kind}" for kind in ("mean", "mean_z", "sd", "offset")} <= free
    assert separate in free or len(law.priors) == 1
    for name in (separate, partial):
        parts = (f"{name}_part",) if law.priors[name].parts else ()
        assert model.named_vars_to_dims[name] == (by, *parts)
    assert sorted(model.coords[by]) == sorted(runs[by].unique())


def test_a_pooled_simplex_stays_a_simplex() -> None:
    model = build_model(structure(NORMAL, groups="corpus", pool="partial"), RUNS)
    share = pm.draw(model["share"], draws=20, random_seed=9, mode="FAST_COMPILE")
    assert share.shape == (20, 3, 3)
    assert np.all(share > 0)
    assert_allclose(share.sum(axis=-1), 1.0, rtol=1e-12)
    assert np.ptp(share, axis=1).min() > 0  # groups differ


def test_partial_pooling_scatters_groups_by_the_between_sd() -> None:
    """ln alpha_group - ln alpha_common is Normal(0, alpha_sd), independently for all groups."""
    model = build_model(structure(NORMAL, groups="corpus"), RUNS)
    names = ["alpha", "alpha_common", "alpha_mean", "alpha_sd"]
    group, common, mean, between = pm.draw(
        [model[name] for name in names], draws=4000, random_seed=10, mode="FAST_COMPILE"
    )
    z = np.log(group / common[:, None]) / between[:, None]
    # Kolmogorov-Smirnov on 4,000 values each: the chance of a smaller p-value is 1 in 1,000.
    for values in z.T:
        assert stats.kstest(values, "norm").pvalue > 1e-3
    # Correlations of 4,000 pairs without any have an sd of 1/sqrt(4,000); four of that.
    assert np.abs(np.corrcoef(z.T) - np.eye(3)).max() < 4 / np.sqrt(4000)
    assert_allclose(np.log(group).mean(axis=1), np.log(mean), rtol=1e-10)
    prior = CHINCHILLA.priors["alpha"].parameters
    assert stats.kstest((np.log(mean) - prior["mu"]) / prior["sigma"], "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"priors": {"E": HalfNormal(sigma=1.0)}}, ["['E']", "Coefficients follow"]),
        ({"priors": {"share": HalfNormal(sigma=1.0)}}, ["'share' has parts ()"]),
        ({"pool": "partial"}, ["without groups", "groups="]),
        ({"groups": "corpus", "pool": {"E": "separate"}}, ["pool names ['E']", "'share'"]),
        ({"groups": "corpus", "pool": "mixed"}, ["['mixed']", "shared, separate, partial"]),
    ],
    ids=["coefficient", "parts", "no groups", "pooled coefficient", "kind"],
)
def test_choices_that_do_not_fit_are_refused(choices: dict[str, object], words: list[str]) -> None:
    with pytest.raises(LawError) as caught:
        structure(NORMAL, **choices)
    assert all(word in str(caught.value) for word in words), caught.value


def test_few_runs_get_one_scale() -> None:
    """Two runs for every number: Chinchilla has 6 numbers and the variance function 7."""
    many = pd.DataFrame(index=range(2 * 13))
    assert default_likelihood(CHINCHILLA, many) is VARIANCE_FUNCTION
    assert default_likelihood(CHINCHILLA, many[1:]) is STUDENT_T


@pytest.mark.parametrize("count", [16, 32])
def test_clusters_change_nothing_in_the_model(count: int) -> None:
    """They say what resampling draws: likelihood, priors, data and compiled model are the same."""
    runs = pd.concat([RUNS, RUNS], ignore_index=True)[:count]
    plain, clustered = (build_structure(CHINCHILLA, runs, clusters=by) for by in (None, "corpus"))
    assert clustered.clusters is not None
    assert (
        plain.likelihood
        is clustered.likelihood
        is (STUDENT_T if count == 16 else VARIANCE_FUNCTION)
    )
    assert repr(plain.priors) == repr(clustered.priors)
    assert plain.key == clustered.key
    here, there = (model_data(own, runs) for own in (plain, clustered))
    assert set(here) == set(there)
    for name, values in here.items():
        assert_array_equal(there[name], values)
    assert compiled_model(plain, runs) is compiled_model(clustered, runs)


READING = {
    "autoregressive:by=run,order=step": autoregressive("run", "step"),
    "autoregressive:order=step,apart=50,by=run": autoregressive("run", "step", 50.0),
    "autoregressive:by=a%2C b%25=c,order=50%": autoregressive("a, b%=c", "50%"),
    "with_errors:errors=loss_log_sd": with_errors("loss_log_sd"),
    "with_errors:errors=loss_log_sd,sigma=0.2": with_errors("loss_log_sd", sigma=0.2),
}


@pytest.mark.parametrize("text", READING)
def test_likelihoods_that_read_columns_are_named_with_them(text: str) -> None:
    expected, named = READING[text], likelihood_named(text)
    assert (named.name, named.series) == (expected.name, expected.series)
    assert {*named.columns} == {*expected.columns}
    priors, by_hand = named.priors_for(("tokens",)), expected.priors_for(("tokens",))
    assert priors["sigma"].parameters == by_hand["sigma"].parameters
    assert likelihood_named(expected.name).name == expected.name


@pytest.mark.parametrize(
    "settings",
    ["", ":by=run", ":by=run,order", ":by=run,by=b,order=step", ":by=run,order=step,per=1"]
    + [f":by=run,order=step,apart={apart}" for apart in ("x", "-1", "nan", "inf")],
)
def test_such_names_with_other_settings_are_refused(settings: str) -> None:
    with pytest.raises(LawError, match=r"expected .*by=COLUMN,order=COLUMN\[,apart=NUMBER\]"):
        likelihood_named(f"autoregressive{settings}")


def test_two_thirds_of_the_scale_follow_a_quadratic_in_the_log_inputs() -> None:
    design = {"params": np.array([0.0, 1.0, 2.0]), "tokens": np.array([0.0, -1.0, 1.0])}
    noise = {"sigma": 0.01, "tail": 1.0, "bend": (0.1, 0.2, 0.3, 0.4, 0.5)}
    inputs = ("params", "tokens")
    scale = VARIANCE_FUNCTION.scattered(inputs, np.full(3, 2.0), design, noise)["sigma"]
    by_hand = [0.0, 0.1 - 0.2 + 0.3 - 0.4 + 0.5, 0.2 + 0.2 + 1.2 + 0.8 + 0.5]
    assert_allclose(scale / 0.01, (1 + 2 * np.exp(by_hand)) / 3, rtol=1e-12)


def test_group_labels_may_be_numbers() -> None:
    runs = RUNS.assign(corpus=[1, 2] * 8)
    numbered = build_structure(CHINCHILLA, runs, NORMAL, groups="corpus")
    assert numbered.groups == ("1", "2")
    assert_allclose(model_data(numbered, runs)["group_index"], [0, 1] * 8)


def test_groups_are_in_the_order_of_their_numbers_and_then_of_their_names() -> None:
    labels = ["3e+19", "wide", "1.8e+20", "6e+18", "nan-free", "1e+19"]
    runs = RUNS.iloc[: len(labels)].assign(sweep=labels)
    named = build_structure(CHINCHILLA, runs, NORMAL, groups="sweep")
    assert named.groups == ("6e+18", "1e+19", "3e+19", "1.8e+20", "nan-free", "wide")


def test_a_run_of_no_group_stands_under_none() -> None:
    """Not under the last one, which an index of -1 would mean."""
    grouped = structure(NORMAL, groups="corpus")
    strange = RUNS.assign(corpus=RUNS["corpus"].mask(RUNS.index == 3, "c0de"))
    with pytest.raises(DataError, match=r"corpus is 'c0de' in row 4; expected one of the fitted"):
        build_model(grouped, strange)
