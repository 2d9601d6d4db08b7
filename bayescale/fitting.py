"""A law fitted to runs: the posterior with everything needed to use it, check it and keep it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from os import PathLike
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayescale import allocation, diagnosis, prediction, sampling
from bayescale.checking import check_runs
from bayescale.diagnosis import Verdict
from bayescale.errors import LawError
from bayescale.files import is_real
from bayescale.flops import SIX_ND, Cost
from bayescale.law import Law, Prior
from bayescale.likelihood import Likelihood, LikelihoodFactory, default_likelihood, student_t
from bayescale.model import Structure, build_model, observed_name, structure
from bayescale.runs import digest, read_runs
from bayescale.sampling import Settings

ROLES = ("coefficient", "derived", "noise")
FEWEST_DRAWS = 40
"""Of all chains together: the tails behind Pareto k are fitted to a fifth of them."""


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A posterior with its law, its runs and its verdict.

    Made by `fit` and by `load`.

    Parameters
    ----------
    structure : Structure
        Law, likelihood, priors and grouping.
    tree : DataTree
        Groups ``posterior``, ``sample_stats``, ``log_likelihood``, ``observed_data``,
        ``constant_data`` as ArviZ expects them, and ``loo`` and ``runs``. Dims are ``chain``,
        ``draw``, ``run`` and the grouping's own name. Every ArviZ function takes it.
    """

    structure: Structure
    tree: xr.DataTree

    @property
    def law(self) -> Law:
        """The law."""
        return self.structure.law

    @property
    def likelihood(self) -> Likelihood:
        """How runs scatter about it."""
        return self.structure.likelihood

    @cached_property
    def posterior(self) -> xr.Dataset:
        """Draws of coefficients, derived quantities, noise and free parameters."""
        return self.tree["posterior"].to_dataset()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The table of runs, in standard columns."""
        columns = self.tree["runs"].to_dataset()
        named = {unquote(str(name)): values.to_numpy() for name, values in columns.items()}
        # Text as a list, of which pandas makes the same column whatever array held it.
        numbers = "biuf"
        return pd.DataFrame(
            {n: v if v.dtype.kind in numbers else v.tolist() for n, v in named.items()}
        )

    @property
    def log_likelihood(self) -> xr.DataArray:
        """Log likelihood of each run at each draw, (chain, draw, run)."""
        return self.tree["log_likelihood"].to_dataset()[observed_name(self.structure)]

    @property
    def model(self) -> pm.Model:
        """The PyMC model, made anew from law, likelihood and runs."""
        return build_model(self.structure, self.runs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the table, and about the fit apart from convergence."""
        return tuple(json.loads(self.tree.attrs["warnings"]))

    @property
    def seconds(self) -> dict[str, float]:
        """Time spent: compile, sample, total."""
        return dict(json.loads(self.tree.attrs["seconds"]))

    @property
    def random_seed(self) -> int:
        """The seed that the draws follow from."""
        return int(self.tree.attrs["random_seed"])

    @property
    def loo(self) -> xr.Dataset:
        """Leave-one-out predictive density: ``elpd`` and ``se`` in its attributes."""
        return self.tree["loo"].to_dataset()

    @cached_property
    def verdict(self) -> Verdict:
        """Whether to trust the draws, and why not."""
        return diagnosis.convergence(
            self.posterior[[name for name in self.posterior if name not in self.law.derived]],
            self.tree["sample_stats"].to_dataset(),
            self.loo,
        )

    def summary(self, of: xr.Dataset | Sequence[str] | None = None) -> pd.DataFrame:
        """Mean, sd, interval, honesty ratio and convergence, a row for each quantity.

        Parameters
        ----------
        of : Dataset or sequence of str, optional
            Anything computed from this fit draw by draw, such as an optimum; or names in
            ``tree["posterior"]``. Coefficients, derived quantities and noise by default.

        Returns
        -------
        DataFrame
            The interval's kind and mass stand in its columns' names and follow ArviZ's settings.
            ``honesty`` above 1.3 says that the interval is too narrow; ``honest_lb`` and
            ``honest_ub`` are then a wider one.
        """
        if isinstance(of, xr.Dataset):
            return diagnosis.summary_table(of, self.log_likelihood)
        chosen = self._default_names() if of is None else list(of)
        unknown = [name for name in chosen if name not in self.posterior]
        if unknown:
            raise LawError(
                f"the posterior has no {unknown}; expected names among {list(self.posterior)}. "
                "Choose from these."
            )
        return diagnosis.summary_table(self.posterior[chosen], self.log_likelihood)

    def _default_names(self) -> list[str]:
        return [str(n) for n, values in self.posterior.items() if values.attrs["role"] in ROLES]

    def predict(
        self,
        points: pd.DataFrame | Mapping[str, Any],
        *,
        random_seed: int | None = None,
        cost: Cost = SIX_ND,
    ) -> xr.Dataset:
        """Response at new points; see `bayescale.prediction.predict`."""
        return prediction.predict(self, points, random_seed=random_seed, cost=cost)

    def optimum(self, flops: Any, *, cost: Cost = SIX_ND) -> xr.Dataset:
        """Best split of compute budgets; see `bayescale.allocation.optimum`."""
        return allocation.optimum(self, flops, cost=cost)

    def save(self, path: str | PathLike[str]) -> None:
        """Write to ``.zarr`` or ``.nc``; see `bayescale.storage.save`."""
        from bayescale.storage import save

        save(self, path)

    def __repr__(self) -> str:
        from bayescale.display import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        from bayescale.display import fit_html

        return fit_html(self)


def fit(
    law: Law,
    runs: pd.DataFrame | str | PathLike[str],
    *,
    likelihood: LikelihoodFactory | None = None,
    priors: Mapping[str, Prior] | None = None,
    by: str | None = None,
    pool: Mapping[str, str] | str | None = None,
    draws: int = 1000,
    tune: int = 800,
    chains: int = 4,
    random_seed: int | None = None,
    target_accept: float | None = None,
    sampler: str = "nutpie",
    progress: bool | Callable[[list[Any]], None] = False,
) -> Fit:
    """Fit a law to runs.

    Parameters
    ----------
    law : Law
        From `bayescale.models`, or of your own.
    runs : DataFrame or path
        Training runs; what `bayescale.read_runs` takes.
    likelihood : callable, optional
        How runs scatter (`bayescale.likelihood`). By default a variance function, or one scale
        where the runs are too few for it.
    priors : mapping of str to Prior, optional
        Replace priors of free or noise parameters, by name.
    by : str, optional
        Column that groups the runs.
    pool : mapping of str to str, or str, optional
        ``"shared"``, ``"separate"`` or ``"partial"``, for each free parameter or for all; partial
        where nothing is said.
    draws, tune, chains : int
        Draws a chain that are kept, that are thrown away first, and chains.
    random_seed : int, optional
        Drawn from the system when not given, and kept with the fit.
    target_accept : float, optional
        Higher takes smaller steps: slower, fewer divergences. By default 0.9, and where
        trajectories diverge the sampling is done anew with 0.99.
    sampler : str
        ``"nutpie"``, or ``"pymc"``, ``"numpyro"`` for `pm.sample` with that sampler.
    progress : bool or callable
        Show a progress bar, or be called with each chain's progress.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        If the table cannot be used.
    LawError
        If priors or pooling name what is not there.

    Examples
    --------
    >>> import bayescale as bs
    >>> fitted = bs.fit(bs.models.COUPLED, bs.datasets.load("simulated_isoflop"))  # doctest: +SKIP
    """
    begun = perf_counter()
    seed = _seed(random_seed)
    table = read_runs(runs, inputs=law.inputs, response=law.response)
    parameters = sum(max(len(prior.parts) - 1, 1) for prior in law.priors.values())
    doubts = list(
        check_runs(
            table, inputs=law.inputs, response=law.response, parameters=parameters, law=law.name
        )
    )
    chosen = likelihood or default_likelihood(law, len(table))
    if likelihood is None and chosen is student_t:
        doubts.append(
            f"few runs ({len(table)}): they are taken to scatter alike everywhere, since a "
            "variance function needs more. Expect intervals that are somewhat too narrow."
        )
    made = structure(law, chosen(law.inputs), table, priors=priors, by=by, pool=pool)
    settings = Settings(
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed,
        target_accept=target_accept,
        progress=progress,
    )
    _check_enough(settings)
    drawn = sampling.sample_carefully(_sampler(sampler), made, table, settings)
    fitted = _assemble(made, table, drawn, settings, doubts)
    return _finish(fitted, doubts, perf_counter() - begun, drawn.seconds)


def _seed(given: int | None) -> int:
    if given is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if not 0 <= given < 2**63:
        raise LawError(
            f"the random seed is {given}; expected a whole number from 0 to 2^63 - 1. "
            "Take any small one."
        )
    return int(given)


def _check_enough(settings: Settings) -> None:
    total = settings.draws * settings.chains
    if total < FEWEST_DRAWS:
        raise LawError(
            f"{settings.chains} chains of {settings.draws} draws are {total} in all; expected at "
            f"least {FEWEST_DRAWS}, or convergence cannot be judged. Draw more."
        )


def _sampler(name: str) -> sampling.Sampler:
    if name not in sampling.SAMPLERS:
        raise LawError(
            f"unknown sampler {name!r}; expected one of {', '.join(sampling.SAMPLERS)}. "
            "Choose one of these."
        )
    return sampling.SAMPLERS[name]


def _assemble(
    made: Structure,
    runs: pd.DataFrame,
    drawn: sampling.Sampled,
    settings: Settings,
    doubts: list[str],
) -> Fit:
    posterior = prediction.quantities(made, runs, drawn.posterior)
    log_likelihood = prediction.log_likelihood(made, posterior, runs)
    along = np.arange(len(runs))
    observed = made.likelihood.family.observed(runs[made.law.response].to_numpy())
    groups = {
        "posterior": posterior.assign_attrs(
            inference_library=drawn.library, sample_dims=list(prediction.SAMPLE_DIMS)
        ),
        "sample_stats": drawn.sample_stats,
        "log_likelihood": log_likelihood,
        "observed_data": xr.Dataset({observed_name(made): ("run", observed)}, {"run": along}),
        "constant_data": xr.Dataset(
            {name: ("run", runs[name].to_numpy()) for name in made.law.inputs}, {"run": along}
        ),
        "loo": diagnosis.leave_one_out(drawn.posterior, log_likelihood),
        "runs": _as_dataset(runs),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = _provenance(made, runs, settings, drawn)
    return Fit(made, tree)


def _as_dataset(runs: pd.DataFrame) -> xr.Dataset:
    """Keep every column, under a name and in a form that every format can hold."""
    return xr.Dataset(
        {_stored(str(name)): ("run", _plain(column)) for name, column in runs.items()}
    )


def _stored(name: str) -> str:
    """Name of a column in a saved fit: percent signs where a path or the dim ``run`` is meant."""
    for sign in "%/\\":
        name = name.replace(sign, f"%{ord(sign):02X}")
    return f"%{ord(name[0]):02X}{name[1:]}" if name == "run" or name[0] in "._" else name


def _plain(column: pd.Series) -> np.ndarray:
    """A column as plain numbers or booleans; as text, empty where missing, if it is neither."""
    if is_real(column) and column.isna().any():
        return column.to_numpy(dtype="float64", na_value=np.nan)
    if is_real(column) or (pd.api.types.is_bool_dtype(column) and not column.isna().any()):
        return np.asarray(column.to_numpy() if column.dtype.kind in "biuf" else column.tolist())
    return column.astype(object).where(column.notna(), "").map(str).to_numpy(dtype=object)


def _provenance(
    made: Structure, runs: pd.DataFrame, settings: Settings, drawn: sampling.Sampled
) -> dict[str, Any]:
    """What a reader of a saved fit needs to know, as text and numbers that any format holds."""
    priors = {
        name: {"distribution": prior.distribution.__name__, "parameters": dict(prior.parameters)}
        for name, prior in made.priors
    }
    packages = ("bayescale", "pymc", "pytensor", "nutpie", "arviz", "numpy")
    return {
        "law": made.law.name,
        "likelihood": made.likelihood.name,
        "priors": json.dumps(priors),
        "by": made.by or "",
        "pool": json.dumps(dict(made.pool)),
        "random_seed": settings.random_seed,
        "target_accept": drawn.target_accept,
        "tune": settings.tune,
        "runs_sha256": digest(runs),
        "versions": json.dumps({name: version(name) for name in packages}),
    }


def _finish(fitted: Fit, doubts: list[str], total: float, seconds: Mapping[str, float]) -> Fit:
    """Add what only shows once there are draws: dishonest intervals, and the time it took."""
    narrow = diagnosis.flagged(fitted.summary())
    if narrow:
        doubts.append(
            f"intervals of {', '.join(narrow)} are narrower than resampling the runs would give "
            f"(honesty above {diagnosis.HONEST}). Read honest_lb and honest_ub instead."
        )
    influential = diagnosis.runs_above(fitted.loo, fitted.loo.attrs["good_k"])
    if influential:
        doubts.append(
            f"runs {', '.join(map(str, influential))} are influential (Pareto k above "
            f"{fitted.loo.attrs['good_k']:.2f}): elpd_loo is approximate. Look at these runs."
        )
    tree = fitted.tree.copy()
    tree.attrs |= {
        "warnings": json.dumps(doubts),
        "seconds": json.dumps({**seconds, "total": total}),
    }
    return replace(fitted, tree=tree)
