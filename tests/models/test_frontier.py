"""The power law of optima against weighted least squares and printed numbers."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from bayescale.fitting.fit import fit
from bayescale.inference.structure import default_likelihood
from bayescale.likelihoods import NORMAL, with_errors
from bayescale.models import FRONTIER
from bayescale.models.size_and_data.frontier import per_hundred
from tests.tables import PublicTable

ERRORS = np.array([0.05, 0.1, 0.2, 0.05, 0.1, 0.2])


def optima(errors: np.ndarray) -> pd.DataFrame:
    """Optima at six budgets, off a power law by their errors times fixed standard scores."""
    flops = np.geomspace(1e18, 1e23, 6)
    off = errors * np.array([0.3, -1.2, 0.8, 0.5, -0.4, 1.1])
    return pd.DataFrame({"params": 0.1 * flops**0.5 * np.exp(off), "flops": flops})


def test_known_errors_and_the_laws_own_add_in_squares() -> None:
    likelihood = with_errors("params_log_sd", sigma=0.2)
    parameters = likelihood.scatter(np.e, {"params_log_sd": np.array([0.3, 0.0])}, sigma=0.4)
    assert_allclose(parameters["mu"], 1.0)
    assert_allclose(parameters["sigma"], [0.5, 0.4])


def test_errors_are_used_where_the_table_has_them() -> None:
    table = optima(ERRORS)
    assert default_likelihood(FRONTIER, table) is NORMAL
    measured = default_likelihood(FRONTIER, table.assign(params_log_sd=ERRORS))
    assert measured is with_errors("params_log_sd", 0.2)


def test_optima_count_by_their_errors() -> None:
    """As in weighted least squares, with the law's own scatter at its posterior mean square."""
    table = optima(ERRORS).assign(params_log_sd=ERRORS)
    fitted = fit(FRONTIER, table, random_seed=4)
    own = float((fitted.posterior["sigma"] ** 2).mean())
    x, y = np.log(table["flops"]), np.log(table["params"])
    slope, _ = np.polyfit(x, y, 1, w=1 / np.sqrt(ERRORS**2 + own))
    unweighted, _ = np.polyfit(x, y, 1)
    a = fitted.posterior["a"]
    # Nearer to the weighted line than to the other, and by less than half of its sd off.
    assert abs(float(a.mean()) - slope) < 0.5 * float(a.std())
    assert abs(float(a.mean()) - slope) < abs(float(a.mean()) - unweighted)


def test_a_hundred_times_the_compute() -> None:
    """28.8 times the params by Kaplan's exponent, ten times by that of a half."""
    assert_allclose(per_hundred(np.array([0.73, 0.5])), [28.8, 10.0], atol=0.05)


def test_henighan_exponents_span_the_printed_range() -> None:
    exponents = [c.values["a"] for c in FRONTIER.claims if c.label.startswith("Henighan")]
    assert (min(exponents), max(exponents)) == (0.64, 0.75)


def test_optima_of_a_public_condition_are_fitted_as_they_are(public_table: PublicTable) -> None:
    table = public_table("porian_rw_tuned_optima")
    fitted = fit(FRONTIER, table, random_seed=1, draws=500, chains=2)
    slope, _ = np.polyfit(np.log(table["flops"]), np.log(table["params"]), 1)
    a = fitted.posterior["a"]
    assert abs(float(a.mean()) - slope) < 0.5 * float(a.std())  # their errors are nearly equal
