import arviz_stats
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import lognorm

import bayescale as bs
from bayescale.diagnostics.power_scaling import prior_sensitivity, psense_tree
from bayescale.plots import plot_psense_dist, plot_psense_quantities


def titles(collection):
    return {ax.get_title().splitlines()[0] for ax in collection.get_viz("figure").axes}


@pytest.mark.parametrize("plot", [plot_psense_dist, plot_psense_quantities])
def test_titles_have_the_name_alpha(small_fit, plot):
    assert titles(plot(small_fit, ["alpha", "E"])) == {"alpha", "E"}


def test_coefficients_and_derived_quantities_are_the_default(small_fit):
    law = small_fit.law
    assert titles(plot_psense_quantities(small_fit)) == {*law.coefficient_names, *law.derived}


def test_every_group_has_its_panels(grouped_fit):
    collection = plot_psense_quantities(grouped_fit, ["alpha"])
    shown = [ax.get_title() for ax in collection.get_viz("figure").axes]
    assert sum("code" in title for title in shown) == sum("web" in title for title in shown) == 2


def test_arguments_of_arviz_are_passed_on(small_fit):
    collection = plot_psense_quantities(small_fit, ["E"], quantities=["median"])
    assert len(collection.get_viz("figure").axes) == 1


def test_unknown_names_are_refused(small_fit):
    with pytest.raises(bs.LawError, match=r"no \['gamma'\]; expected names among"):
        plot_psense_dist(small_fit, ["gamma"])


def test_the_tree_holds_the_prior_of_every_free_parameter_of_the_law(small_fit):
    priors = psense_tree(small_fit)["log_prior"]
    assert set(priors.data_vars) == {"level", "share", "alpha_", "beta", "kappa"}


def test_the_prior_of_a_parameter_is_its_log_density(small_fit):
    prior = small_fit.law.priors["alpha"].parameters
    density = lognorm(s=prior["sigma"], scale=np.exp(prior["mu"]))
    expected = density.logpdf(small_fit.posterior["alpha"])
    assert_allclose(psense_tree(small_fit)["log_prior"]["alpha_"], expected, rtol=1e-8)


def test_the_fit_keeps_its_names(small_fit):
    tree = psense_tree(small_fit)
    assert "alpha" not in tree["posterior"]
    assert_allclose(tree["posterior"]["alpha_"], small_fit.posterior["alpha"])
    assert "log_prior" not in small_fit.tree


def test_the_table_has_the_law_s_names_and_arviz_s_numbers(small_fit):
    table = prior_sensitivity(small_fit, ["alpha", "share"])
    assert list(table.index) == ["alpha", "share[irreducible]", "share[model]", "share[data]"]
    theirs = arviz_stats.psense_summary(psense_tree(small_fit), var_names=["alpha_"])
    assert_allclose(
        table.loc["alpha", ["prior", "likelihood"]].astype(float),
        theirs.loc["alpha_", ["prior", "likelihood"]].astype(float),
    )


def test_a_group_s_row_keeps_its_group(grouped_fit):
    assert list(prior_sensitivity(grouped_fit, ["alpha"]).index) == ["alpha[code]", "alpha[web]"]
