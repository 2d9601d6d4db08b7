"""Simulation-based calibration: whether an interval holds as often as it says.

Truths are drawn from the prior, or from the posterior of a fit; runs are simulated from each at the
places of a design, and fitted as a user would. If model and sampler are right, the place of the
truth among the draws of its posterior is uniform, for every quantity.

Free parameters are measured in units of the runs, among them the middle of the responses. Here
these units are those of the design in all simulations, since a prior that follows the simulated
responses is not the one the truth was drawn from.

References
----------
Talts et al. (2018), arXiv:1804.06788; Modrak et al. (2023), doi:10.1214/23-BA1404.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayescale.checking import refuse_constant
from bayescale.draws import SAMPLE_DIMS
from bayescale.errors import DataError
from bayescale.law import FOUND, Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.likelihoods import name_or_default
from bayescale.ranking import Array, Simulator, fixed_structure, placed
from bayescale.runs import digest, runs_for
from bayescale.sampling import Settings
from bayescale.simulators import as_modelled, drawn_truths, truths_like
from bayescale.sweeps import ERROR, sweep

if TYPE_CHECKING:
    from bayescale.fitting import Fit

MASSES = (0.5, 0.8, 0.9, 0.95)
LIMITS = 0.99
"""Probability that a coverage is within its binomial limits if it is right."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Where truths lie in the posteriors of runs simulated from them.

    Made by `calibrate`.

    Parameters
    ----------
    law : str
        Name of the law.
    tree : DataTree
        Group ``prior_sbc``: for each quantity the share of draws below the truth, one chain whose
        ``draw`` is a simulation. ``az.plot_ecdf_pit(calibration.tree)`` draws it.
    remarks : DataFrame
        Simulations that could not be fitted, or whose fit is not to be trusted, and why. The first
        are not in the tree; the second are.
    """

    law: str
    tree: xr.DataTree
    remarks: pd.DataFrame

    @property
    def places(self) -> xr.Dataset:
        """The share of draws below the truth."""
        return self.tree["prior_sbc"].to_dataset()

    def trusted(self) -> "Calibration":
        """The same without the simulations that are remarked on.

        Fits that are hard to sample are hard for a reason: what is left out is not a random part.
        """
        places = self.places
        kept = ~places["draw"].isin(self.remarks["simulation"].to_numpy())
        tree = xr.DataTree.from_dict({"prior_sbc": places.isel(draw=kept.to_numpy())})
        return replace(self, tree=tree, remarks=self.remarks.iloc[:0])

    def coverage(self, *, masses: tuple[float, ...] = MASSES) -> pd.DataFrame:
        """How often central intervals hold the truth.

        Returns
        -------
        DataFrame
            A row a quantity and mass: ``covered``, its binomial standard error ``se``, and whether
            it is ``within`` the limits that hold `LIMITS` of the binomial distribution.
        """
        rows = [
            {"quantity": name, "mass": mass, **_coverage(values.to_numpy().ravel(), mass)}
            for name, values in self.places.items()
            for mass in masses
        ]
        return pd.DataFrame(rows).set_index(["quantity", "mass"])

    def uniformity(self, *, mass: float = 0.95) -> pd.DataFrame:
        """Whether places are uniform: inside ArviZ's simultaneous band for their ECDF.

        Returns
        -------
        DataFrame
            A row a quantity: ``inside`` the band of this mass, and how far outside at most
            (``excess``, in probability; negative inside).
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
    truth: "Fit | None" = None,
    simulator: Simulator = as_modelled,
    likelihood: LikelihoodFactory | None = None,
    clusters: str | None = FOUND,
    simulations: int = 300,
    draws: int = 250,
    tune: int = 500,
    chains: int = 2,
    path: str | PathLike[str] | None = None,
    jobs: int = -1,
    random_seed: int = 0,
    progress: bool = False,
) -> Calibration:
    """Simulate runs from known truths, fit them, and see where the truths lie.

    Parameters
    ----------
    law : Law
        What to simulate and fit.
    design : DataFrame
        Where the runs are: the law's inputs, and the columns that make clusters. If it has the
        response as well, its middle is that of the simulations; otherwise 1.
    truth : Fit, optional
        A fit of this law, from whose posterior the truths are drawn. By default they are drawn from
        the prior.
    simulator : callable
        ``simulator(structure, truth, design, rng)`` gives responses (`bayescale.simulators`).
    likelihood, clusters
        As for `fit`: what the simulated runs are fitted with.
    simulations : int
        How many.
    draws, tune, chains : int
        As for `fit`.
    path, jobs, random_seed, progress
        As for `sweep`.

    Returns
    -------
    Calibration

    Raises
    ------
    DataError
        If the design cannot be used.
    """
    table = _design(law, design)
    made = fixed_structure(law, table, likelihood, clusters)
    if made.likelihood.series is not None:  # only what a fit takes is simulated
        taken = made.likelihood.series.taken(table, (*law.inputs, law.response))
        table = table[taken].reset_index(drop=True)
        made = fixed_structure(law, table, likelihood, clusters)
    truths = (
        drawn_truths(made, table, simulations, random_seed)
        if truth is None
        else truths_like(made, truth.posterior, simulations, random_seed)
    )
    settings = Settings(draws=draws, tune=tune, chains=chains)
    what = {"law": law, "likelihood": likelihood, "clusters": clusters, "design": table}
    named = (
        f"{law.name}, {simulator.__name__}, {name_or_default(likelihood, law)}, {clusters}, "
        f"{digest(table)[:12]}, {chains} x ({tune} + {draws})"
    )
    each = [truths.isel(draw=[k]) for k in range(simulations)]
    tasks = [
        (
            f"{named}, truth {_fingerprint(one)}: {k}",
            {**what, "simulator": simulator, "truth": one, "settings": settings},
        )
        for k, one in enumerate(each)
    ]
    rows = sweep(placed, tasks, path=path, jobs=jobs, random_seed=random_seed, progress=progress)
    return _collected(law, rows)


def _design(law: Law, design: pd.DataFrame) -> pd.DataFrame:
    """The design in standard columns, with a response that only says where the middle is."""
    filled = design if law.response in design else design.assign(**{law.response: 1.0})
    table = runs_for(law, filled)
    refuse_constant(table, law.varying, law.name)
    return table


def _fingerprint(truth: xr.Dataset) -> str:
    """What tells truths from other priors, fits and seeds apart."""
    values = b"".join(truth[name].to_numpy().tobytes() for name in sorted(map(str, truth)))
    return sha256(values).hexdigest()[:12]


def _collected(law: Law, rows: pd.DataFrame) -> Calibration:
    rows = rows.reset_index(names="simulation")
    doubt = rows.get("doubt", pd.Series("", index=rows.index))
    remarks = rows.assign(remark=rows[ERROR].where(rows[ERROR].notna(), doubt))
    good = rows[rows[ERROR].isna()]
    if good.empty:
        raise DataError(
            f"no simulation could be fitted ({rows[ERROR].iloc[0]}); expected one at least. "
            "Mend what it says."
        )
    places = pd.DataFrame(good["places"].to_list())
    data = xr.Dataset(
        {name: (SAMPLE_DIMS, column.to_numpy()[None]) for name, column in places.items()},
        {"chain": [0], "draw": good["simulation"].to_numpy()},
    )
    return Calibration(
        law=law.name,
        tree=xr.DataTree.from_dict({"prior_sbc": data}),
        remarks=remarks.loc[remarks["remark"] != "", ["simulation", "remark"]],
    )


def _coverage(places: Array, mass: float) -> dict[str, Any]:
    count = int((abs(places - 0.5) < mass / 2).sum())
    low, high = stats.binom.interval(LIMITS, len(places), mass)
    return {
        "covered": count / len(places),
        "se": float(np.sqrt(mass * (1 - mass) / len(places))),
        "within": bool(low <= count <= high),
    }
