"""Neural scaling laws as PyMC models: credible intervals that hold up.

>>> import bayescale as bs
>>> runs = bs.datasets.load("pocket")
>>> fitted = bs.fit(bs.models.COUPLED, runs, random_seed=1)  # doctest: +SKIP
>>> fitted.optimum(1e14)  # doctest: +SKIP

Importing this package loads neither PyMC nor ArviZ; the first use of what needs them does.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["datasets", "flops", "likelihood", "models", "plots", "simulators"],
    submod_attrs={
        "allocation": ["optimum"],
        "auditing": ["Audit", "audit"],
        "backtesting": ["Backtest", "backtest"],
        "bootstrapping": ["Bootstrap", "bootstrap"],
        "calibration": ["Calibration", "calibrate"],
        "choices": ["Choice"],
        "claimfiles": ["read_claims"],
        "claims": ["Claim"],
        "comparison": ["Comparison", "compare"],
        "diagnosis": ["Verdict"],
        "endings": ["endings"],
        "errors": ["BayescaleError", "ConvergenceError", "DataError", "LawError"],
        "fitting": ["Fit", "fit"],
        "law": ["Law", "Units"],
        "prediction": ["predict"],
        "priors": ["Prior"],
        "published": ["audit_published"],
        "reporting": ["Report", "report"],
        "runs": ["read_runs"],
        "specifications": ["multiverse"],
        "storage": ["load"],
        "sweeps": ["sweep"],
    },
)
