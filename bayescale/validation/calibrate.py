"""Simulation-based calibration: whether intervals hold as often as they claim.

Truths are drawn from the prior, or from the posterior of a fit; runs are simulated from each at the
inputs of a design, and fitted as a user would. If model and sampler are right, the rank of the
truth among the draws of its posterior is uniform, for every quantity.

A truth from the posterior of observed runs y is ranked among draws given y *and* the runs y_rep
that were simulated from it. Its rank is uniform, since it is itself a draw given both: a truth from
p(theta | y) and runs from p(y_rep | theta) have the joint density p(theta | y) p(y_rep | theta),
which is p(y_rep | y) p(theta | y, y_rep). Draws given y_rep alone have the prior p(theta) in place
of p(theta | y), and the truth does not come from there.

Free parameters are measured in units of the runs, among them the middle of the responses. Here
these units are those of the design in all simulations, since a prior that follows the simulated
responses is not the one that the truth was drawn from.

References
----------
Talts et al. (2018), arXiv:1804.06788; Modrak et al. (2023), doi:10.1214/23-BA1404; Säilynoja et al.
(2025), arXiv:2502.03279, for truths from a posterior.
"""

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayescale.errors import DataError, LawError
from bayescale.fitting.record import Fit
from bayescale.inference.coordinates import draw_prior
from bayescale.inference.record import Sampling
from bayescale.inference.structure import own_likelihood
from bayescale.posterior.draws import SAMPLE_DIMS
from bayescale.runs.checks import refuse_constant
from bayescale.runs.read import digest, runs_for
from bayescale.spec.law import AUTO, Law
from bayescale.spec.likelihood import Likelihood
from bayescale.validation.sbc import fixed_structure, joint_structure, rank_truth, with_units_of
from bayescale.validation.simulators import Simulator, as_modelled, choose_draws
from bayescale.validation.sweep import Parallel, seed_of_sweep, split_rows, sweep


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of truths in the posteriors of runs simulated from them.

    Returned by `calibrate`.

    Parameters
    ----------
    law : str
        Name of the law.
    tree : DataTree
        Group ``prior_sbc``: for each quantity the share of draws below the truth, one chain whose
        ``draw`` is a simulation. ``az.plot_ecdf_pit(calibration.tree)`` draws it. The seed is among
        its attributes.
    remarks : DataFrame
        Simulations that could not be fitted, or whose fit is not to be trusted, and why. The first
        are not in the tree; the second are.
    """

    law: str
    tree: xr.DataTree
    remarks: pd.DataFrame

    @classmethod
    def from_rows(cls, law: str, rows: pd.DataFrame) -> "Calibration":
        """Put the ranks of all simulations together.

        Parameters
        ----------
        law : str
            Name of the law.
        rows : DataFrame
            From a sweep of `bayescale.validation.sbc.rank_truth`.

        Returns
        -------
        Calibration
            Of the simulations that could be fitted, with remarks on the others.

        Raises
        ------
        DataError
            If no simulation could be fitted.
        """
        good, remarks = split_rows(rows, "simulation")
        places = pd.DataFrame(good["places"].to_list())
        data = xr.Dataset(
            {name: (SAMPLE_DIMS, column.to_numpy()[None]) for name, column in places.items()},
            {"chain": [0], "draw": good.index.to_numpy()},
        )
        tree = xr.DataTree.from_dict({"prior_sbc": data})
        tree.attrs["random_seed"] = rows.attrs["random_seed"]
        return cls(law, tree, remarks.reset_index())

    @property
    def places(self) -> xr.Dataset:
        """The share of draws below the truth, (chain, draw) with one draw for each simulation."""
        return self.tree["prior_sbc"].to_dataset()

    @property
    def random_seed(self) -> int:
        """The seed from which truths and simulations follow."""
        return int(self.tree.attrs["random_seed"])

    def trusted(self) -> "Calibration":
        """Leave out the simulations with remarks.

        Fits that are hard to sample are hard for a reason: what is left out is not a random part.

        Returns
        -------
        Calibration
            Of the other simulations, without remarks.
        """
        places = self.places
        kept = ~places["draw"].isin(self.remarks["simulation"].to_numpy())
        tree = self.tree.assign({"prior_sbc": xr.DataTree(places.isel(draw=kept.to_numpy()))})
        return replace(self, tree=tree, remarks=self.remarks.iloc[:0])

    def coverage(self, *, masses: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95)) -> pd.DataFrame:
        """How often central intervals hold the truth.

        Parameters
        ----------
        masses : tuple of float
            Probabilities of the intervals.

        Returns
        -------
        DataFrame
            A row for each quantity and mass: ``covered``, its binomial standard error ``se``, and
            whether it is ``within`` the limits that hold 99% of the binomial distribution.
        """
        rows = []
        for name, values in self.places.items():
            away = abs(values.to_numpy().ravel() - 0.5)
            for mass in masses:
                count = int((away < mass / 2).sum())
                low, high = stats.binom.interval(0.99, len(away), mass)
                share = {
                    "covered": count / len(away),
                    "se": float(np.sqrt(mass * (1 - mass) / len(away))),
                    "within": bool(low <= count <= high),
                }
                rows.append({"quantity": name, "mass": mass, **share})
        return pd.DataFrame(rows).set_index(["quantity", "mass"])

    def uniformity(self, *, mass: float = 0.95) -> pd.DataFrame:
        """Whether ranks are uniform: inside ArviZ's simultaneous band for their ECDF.

        Parameters
        ----------
        mass : float
            Probability of the band.

        Returns
        -------
        DataFrame
            A row for each quantity: ``inside`` the band, and how far outside at most (``excess``,
            in probability; negative inside).
        """
        from arviz_stats.ecdf_utils import ecdf_pit

        rows = {}
        for name, values in self.places.items():
            _, ecdf, low, high = ecdf_pit(values.to_numpy().ravel(), mass, n_simulations=1000)
            excess = float(np.maximum(ecdf - high, low - ecdf)[1:-1].max())
            rows[name] = {"inside": excess <= 0, "excess": excess}
        return pd.DataFrame.from_dict(rows, orient="index")


def calibrate(
    law: Law,
    design: pd.DataFrame,
    *,
    truth: Fit | None = None,
    simulator: Simulator = as_modelled,
    likelihood: Likelihood | None = None,
    clusters: str | None = AUTO,
    widened: bool = False,
    simulations: int = 300,
    sampling: Sampling = Sampling(draws=250, tune=500, chains=2),
    parallel: Parallel = Parallel(),
    random_seed: int | None = None,
) -> Calibration:
    """Simulate runs from known truths, fit them, and rank the truths among the draws.

    Parameters
    ----------
    law : Law
        What to simulate and fit.
    design : DataFrame
        Where the runs are: the law's inputs, and the columns that make clusters. If it has the
        response as well, its middle is that of the simulations; otherwise 1. With `truth`, the runs
        of that fit.
    truth : Fit, optional
        A fit of this law, from whose posterior the truths are drawn. Every refit is then one to its
        runs and the simulated ones together (posterior SBC), with its likelihood, priors and
        groups. By default truths are drawn from
        the prior, and refits are to the simulated runs.
    simulator : callable
        ``simulator(truth, rng)`` gives responses (`bayescale.validation.simulators`).
    likelihood : Likelihood, optional
        What the simulated runs are fitted with, as for `bayescale.fit`.
    clusters : str, optional
        As for `bayescale.fit`.
    widened : bool
        Rank truths among the widened draws of a fit, which its intervals come from. By default
        among those of its model, whose ranks are uniform if the sampler and the model are right.
    simulations : int
        How many.
    sampling : Sampling
        How much to sample in each fit.
    parallel : Parallel
        File of rows, number of processes, progress bar.
    random_seed : int, optional
        Everything random follows from it. Without it, that of the rows in the file, if there are
        any; else drawn from the system. Kept with the result.

    Returns
    -------
    Calibration
        Ranks of the truths, with their coverage and uniformity.

    Raises
    ------
    DataError
        If the design cannot be used, or is not the table of the fit that truths come from; or if no
        simulation can be fitted.
    LawError
        If the truth is a fit of another law, or another likelihood or other clusters are given than
        it has.

    References
    ----------
    Talts et al. (2018), arXiv:1804.06788; Säilynoja et al. (2025), arXiv:2502.03279.

    Examples
    --------
    >>> import bayescale as bs
    >>> runs = bs.datasets.load("pocket")
    >>> bs.calibrate(bs.models.COUPLED, runs).coverage()  # doctest: +SKIP
    """
    seed = seed_of_sweep(random_seed, parallel)
    table = _read_design(law, design, likelihood, clusters, truth)
    if truth is None:
        structure, joint = fixed_structure(law, table, likelihood, clusters), None
        truths = draw_prior(structure, simulations, seed)
    else:
        structure = with_units_of(truth.structure, table)
        joint = joint_structure(structure)
        # Widened draws are not those of the model, whose ranks are uniform.
        truths = choose_draws(truth.as_modelled.draws, simulations, seed)
    options = {"structure": structure, "design": table, "simulator": simulator, "joint": joint}
    title = (
        f"{law.name}, {simulator.__name__}, {structure.likelihood.name}, {clusters}, "
        f"{digest(table)[:12]}, {sampling}, {'prior' if joint is None else 'posterior'}"
        f"{', widened' if widened else ''}"
    )
    tasks = []
    for k in range(simulations):
        one = truths.isel(draw=[k])
        # Truths of other priors, fits and seeds have other names.
        values = b"".join(one[name].to_numpy().tobytes() for name in sorted(map(str, one)))
        name = f"{title}, truth {sha256(values).hexdigest()[:12]}: {k}"
        tasks.append((name, {**options, "truth": one, "sampling": sampling, "widened": widened}))
    rows = sweep(rank_truth, tasks, parallel=parallel, random_seed=seed)
    return Calibration.from_rows(law.name, rows)


def _read_design(
    law: Law,
    design: pd.DataFrame,
    likelihood: Likelihood | None,
    clusters: str | None,
    truth: Fit | None,
) -> pd.DataFrame:
    """The rows of a design that a fit takes, in standard columns; with a truth, the fit's runs."""
    # A response is only needed to know where the middle is.
    filled = design if law.response in design else design.assign(**{law.response: 1.0})
    table = runs_for(law, filled)
    refuse_constant(table, law.varying_inputs, law.name)
    if truth is not None:
        own = truth.structure
        given = (law.name, getattr(likelihood, "name", own.likelihood.name))
        if given != (own.law.name, own.likelihood.name):
            raise LawError(
                f"the truth is a fit of law {own.law.name!r} with likelihood "
                f"{own.likelihood.name!r}; expected law and likelihood {given}. Leave the "
                "likelihood out, and calibrate the law of the fit."
            )
        saved = own.clusters.saved if own.clusters else None
        if clusters not in (AUTO, saved):
            raise LawError(
                f"clusters is {clusters!r}, and the truth is a fit with clusters {saved!r}; "
                "expected the same. Leave clusters out."
            )
    fitted = truth.likelihood if truth is not None else likelihood or own_likelihood(law, table)
    if fitted is not None and fitted.series is not None:
        kept = fitted.series.kept_rows(table, (*law.inputs, law.response))
        table = table[kept].reset_index(drop=True)
    if truth is not None and digest(table) != digest(truth.runs):
        raise DataError(
            f"the design of {len(table)} runs is not the table of {len(truth.runs)} runs that the "
            "truth was fitted to; expected the same, since refits are to these runs and simulated "
            "ones together. Pass design=fit.runs."
        )
    return table
