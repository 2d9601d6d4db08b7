"""Pictures of results already computed, one module a question.

Each function takes a fit or a result, draws on the axes given or on the current ones, and returns
them. Uncertainty is always drawn, runs lie on top, and extrapolation is marked. For traces,
forests, ranks and LOO-PIT use ArviZ with ``fit.tree``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "calibration": ["plot_calibration"],
        "claims": ["plot_claims"],
        "coverage": ["plot_by_distance", "plot_coverage"],
        "influence": ["plot_influence"],
        "isoflop": ["plot_slices"],
        "multiverse": ["plot_multiverse"],
        "optimum": ["plot_optimum"],
        "pair": ["plot_pair"],
        "power_scaling": ["plot_psense_dist", "plot_psense_quantities"],
        "residuals": ["plot_residuals"],
        "runs": ["plot_runs"],
    },
)
