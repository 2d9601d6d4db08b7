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
    submodules=["datasets", "likelihoods", "models", "plots", "priors"],
    submod_attrs={
        # What a person states.
        "spec.law": ["Law", "Units", "Groups", "Optimum", "Drift", "Clustering"],
        "spec.columns": ["Column", "POSITIVE", "AMOUNT", "PROPORTION", "REAL"],
        "priors.prior": ["Distribution", "Prior"],
        "spec.claim": ["Claim", "ClaimData", "Objective"],
        "spec.likelihood": ["Likelihood", "Family"],
        "spec.series": ["Series"],
        "spec.compute": ["Cost", "SIX_ND", "serving_cost", "transformer_cost"],
        "validation.choices": ["Choice"],
        "inference.record": ["Sampling"],
        "validation.sweep": ["Parallel", "sweep"],
        # What there is to do, and what comes of it.
        "runs.read": ["read_runs"],
        "fitting.fit": ["fit"],
        "fitting.record": ["Fit"],
        "fitting.load": ["load"],
        "fitting.curve_ends": ["curve_ends"],
        "posterior.convergence": ["Verdict"],
        "diagnostics.diagnose": ["Diagnosis", "diagnose"],
        "diagnostics.influence": ["influence"],
        "diagnostics.power_scaling": ["prior_sensitivity"],
        "validation.rolling_origin": ["update_drift"],
        "validation.backtest": ["Backtest", "backtest"],
        "validation.calibrate": ["Calibration", "calibrate"],
        "validation.bootstrap": ["Bootstrap", "bootstrap"],
        "validation.compare": ["Comparison", "compare"],
        "validation.multiverse": ["multiverse"],
        "auditing.claim_files": ["read_claims"],
        "auditing.audit": ["audit"],
        "auditing.record": ["Audit"],
        "auditing.catalogue": ["audit_published"],
        "reporting.report": ["report"],
        "reporting.record": ["Report"],
        "errors": ["BayescaleError", "ConvergenceError", "DataError", "LawError"],
    },
)
