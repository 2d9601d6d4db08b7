import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayescale.compiling import compiled_model
from bayescale.errors import LawError
from bayescale.law import Law
from bayescale.likelihood import (
    RUNS_PER_TERM,
    Likelihood,
    autoregressive,
    default_likelihood,
    normal,
    normal_variance_function,
    student_t,
    variance_function,
    with_errors,
)
from bayescale.likelihoods import likelihood_named
from bayescale.model import build_model, model_data
from bayescale.models import LAWS
from bayescale.models.chinchilla import CHINCHILLA
from bayescale.priors import Prior
from bayescale.structure import structure, units_of
from tests.designs import simulated

RUNS = simulated(CHINCHILLA, noise=0.01, seed=4, each=4).assign(
    corpus=["web", "code", "web", "maths"] * 4
)


def made(likelihood: Likelihood, **choices: object) -> object:
    return structure(CHINCHILLA, likelihood, RUNS, **choices)


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


def test_the_log_density_is_the_sum_of_what_it_is_made_of() -> None:
    """Prior, Jacobian and likelihood against scipy; constants cancel between two points."""
    plain = made(normal(CHINCHILLA.inputs))
    compiled = compiled_model(plain, RUNS)
    packed = compiled.pack(model_data(plain, RUNS))
    # level, two log ratios of the shares, alpha, beta, sigma; all but the ratios as logarithms
    points = np.array([[0.1, 0.2, -0.3, -1.0, -1.2, -4.0], [-0.1, -0.4, 0.5, -0.7, -1.5, -3.0]])
    found = [compiled.log_density(point, packed)[0] for point in points]
    assert_allclose(np.diff(found), np.diff([by_hand(point) for point in points]), rtol=1e-9)


def test_the_gradient_is_that_of_the_log_density() -> None:
    plain = made(variance_function(CHINCHILLA.inputs))
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
    likelihood = student_t(CHINCHILLA.inputs)
    whole, part = made(likelihood), structure(CHINCHILLA, likelihood, RUNS.iloc[:9])
    assert compiled_model(whole, RUNS) is compiled_model(part, RUNS.iloc[:9])


def test_other_numbers_in_a_prior_need_no_new_model() -> None:
    likelihood = student_t(CHINCHILLA.inputs)
    wider = {"alpha": Prior(pm.LogNormal, mu=0.0, sigma=2.0)}
    other = {"alpha": Prior(pm.HalfNormal, sigma=2.0)}
    assert made(likelihood, priors=wider).key == made(likelihood).key
    assert made(likelihood, priors=other).key != made(likelihood).key


def test_a_prior_that_is_replaced_is_in_the_density() -> None:
    likelihood = student_t(CHINCHILLA.inputs)
    wider = made(likelihood, priors={"alpha": Prior(pm.LogNormal, mu=0.0, sigma=2.0)})
    plain = made(likelihood)
    compiled = compiled_model(plain, RUNS)
    change = np.subtract(
        *(
            compiled.log_density(compiled.start, compiled.pack(model_data(each, RUNS)))[0]
            for each in (wider, plain)
        )
    )
    log_alpha = compiled.start[3]
    expected = stats.norm.logpdf(log_alpha, 0, 2) - stats.norm.logpdf(log_alpha, np.log(0.3), 0.6)
    assert_allclose(change, expected, rtol=1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_pooling_changes_what_is_sampled(law: Law) -> None:
    runs = simulated(law, noise=0.01, seed=4, each=6)
    runs["corpus"] = np.where(np.arange(len(runs)) % 2, "web", "code")
    by = law.by or "corpus"
    separate, *_, partial = (*law.priors, *law.priors)
    pool = dict.fromkeys(law.priors, "shared") | {separate: "separate", partial: "partial"}
    model = build_model(structure(law, normal(law.inputs), runs, by=by, pool=pool), runs)
    free = {variable.name for variable in model.free_RVs}
    assert {f"{partial}_{kind}" for kind in ("mean", "mean_z", "sd", "offset")} <= free
    assert separate in free or len(law.priors) == 1
    for name in (separate, partial):
        parts = (f"{name}_part",) if law.priors[name].parts else ()
        assert model.named_vars_to_dims[name] == (by, *parts)
    assert sorted(model.coords[by]) == sorted(runs[by].unique())


def test_a_pooled_simplex_stays_a_simplex() -> None:
    model = build_model(made(normal(CHINCHILLA.inputs), by="corpus", pool="partial"), RUNS)
    share = pm.draw(model["share"], draws=20, random_seed=9, mode="FAST_COMPILE")
    assert share.shape == (20, 3, 3)
    assert np.all(share > 0)
    assert_allclose(share.sum(axis=-1), 1.0, rtol=1e-12)
    assert np.ptp(share, axis=1).min() > 0  # groups differ


def test_partial_pooling_scatters_groups_by_the_between_sd() -> None:
    """ln alpha_group - ln alpha_common is Normal(0, alpha_sd), of each group on its own."""
    model = build_model(made(normal(CHINCHILLA.inputs), by="corpus"), RUNS)
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
        ({"priors": {"E": Prior(pm.HalfNormal, sigma=1.0)}}, ["['E']", "Coefficients follow"]),
        ({"priors": {"share": Prior(pm.HalfNormal, sigma=1.0)}}, ["'share' has parts ()"]),
        ({"pool": "partial"}, ["without groups", "by="]),
        ({"by": "corpus", "pool": {"E": "separate"}}, ["pool names ['E']", "'share'"]),
        ({"by": "corpus", "pool": "mixed"}, ["['mixed']", "shared, separate, partial"]),
    ],
    ids=["coefficient", "parts", "no by", "pooled coefficient", "kind"],
)
def test_choices_that_do_not_fit_are_refused(choices: dict[str, object], words: list[str]) -> None:
    with pytest.raises(LawError) as caught:
        made(normal(CHINCHILLA.inputs), **choices)
    assert all(word in str(caught.value) for word in words), caught.value


def test_few_runs_get_one_scale() -> None:
    """Chinchilla has 6 numbers and the variance function 7."""
    many = pd.DataFrame(index=range(RUNS_PER_TERM * 13))
    assert default_likelihood(CHINCHILLA, many) is variance_function
    assert default_likelihood(CHINCHILLA, many[1:]) is student_t
    # Clustered ones scatter normally, with one parameter less.
    assert default_likelihood(CHINCHILLA, many[2:], clustered=True) is normal_variance_function
    assert default_likelihood(CHINCHILLA, many[3:], clustered=True) is normal


def test_unknown_likelihoods_are_refused() -> None:
    with pytest.raises(LawError, match=r"unknown likelihood 'gauss'.*variance_function, student_t"):
        likelihood_named("gauss")


READING = {
    "autoregressive:by=run,order=step": autoregressive("run", "step"),
    "autoregressive:order=step,apart=50,by=run": autoregressive("run", "step", 50.0),
    "autoregressive:by=a%2C b%25=c,order=50%": autoregressive("a, b%=c", "50%"),
    "with_errors:errors=loss_log_sd": with_errors("loss_log_sd"),
    "with_errors:errors=loss_log_sd,sigma=0.2": with_errors("loss_log_sd", sigma=0.2),
}


@pytest.mark.parametrize("text", READING)
def test_likelihoods_that_read_columns_are_named_with_them(text: str) -> None:
    made, found = READING[text](("tokens",)), likelihood_named(text)(("tokens",))
    assert (found.name, found.series, {*found.columns}) == (made.name, made.series, {*made.columns})
    assert found.priors["sigma"].parameters == made.priors["sigma"].parameters
    assert likelihood_named(made.name)(("tokens",)).name == made.name


@pytest.mark.parametrize(
    "settings",
    ["", ":by=run", ":by=run,order", ":by=run,by=b,order=step", ":by=run,order=step,per=1"]
    + [f":by=run,order=step,apart={apart}" for apart in ("x", "-1", "nan", "inf")],
)
def test_such_names_with_other_settings_are_refused(settings: str) -> None:
    with pytest.raises(LawError, match=r"expected .*by=COLUMN,order=COLUMN\[,apart=NUMBER\]"):
        likelihood_named(f"autoregressive{settings}")


def test_errors_want_a_law_that_errs_too() -> None:
    with pytest.raises(LawError, match=r"sigma 0; expected a number above zero"):
        likelihood_named("with_errors:errors=loss_log_sd,sigma=0")


def test_two_thirds_of_the_scale_follow_a_quadratic_in_the_log_inputs() -> None:
    likelihood = variance_function(("params", "tokens"))
    design = {"params": np.array([0.0, 1.0, 2.0]), "tokens": np.array([0.0, -1.0, 1.0])}
    bend = (0.1, 0.2, 0.3, 0.4, 0.5)
    scale = likelihood.scatter(np.full(3, 2.0), design, sigma=0.01, tail=1.0, bend=bend)["sigma"]
    by_hand = [0.0, 0.1 - 0.2 + 0.3 - 0.4 + 0.5, 0.2 + 0.2 + 1.2 + 0.8 + 0.5]
    assert_allclose(scale / 0.01, (1 + 2 * np.exp(by_hand)) / 3, rtol=1e-12)


def test_group_labels_of_any_type_are_found() -> None:
    runs = RUNS.assign(corpus=[1, 2] * 8)
    numbered = structure(CHINCHILLA, normal(CHINCHILLA.inputs), runs, by="corpus")
    assert numbered.groups == ("1", "2")
    assert_allclose(model_data(numbered, runs)["group_index"], [0, 1] * 8)
    assert isinstance(runs, pd.DataFrame)


def test_groups_stand_in_the_order_of_their_numbers_and_then_of_their_names() -> None:
    labels = ["3e+19", "wide", "1.8e+20", "6e+18", "nan-free", "1e+19"]
    runs = RUNS.iloc[: len(labels)].assign(sweep=labels)
    made = structure(CHINCHILLA, normal(CHINCHILLA.inputs), runs, by="sweep")
    assert made.groups == ("6e+18", "1e+19", "3e+19", "1.8e+20", "nan-free", "wide")
