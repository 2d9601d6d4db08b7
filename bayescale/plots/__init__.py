"""Pictures of results already computed, one module a question.

Each takes a fit, or what a fit answered, draws on the axes given or on the current ones, and
returns them. Uncertainty is always drawn, runs lie on top, and what lies beyond the runs is
marked. Traces, forests, ranks and LOO-PIT are ArviZ's: give it ``fit.tree``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "calibration": ["plot_calibration"],
        "claims": ["plot_claims"],
        "coverage": ["plot_by_distance", "plot_coverage"],
        "frontier": ["plot_optimum"],
        "honesty": ["plot_honesty"],
        "influence": ["plot_influence"],
        "multiverse": ["plot_multiverse"],
        "posterior": ["plot_pair"],
        "residuals": ["plot_residuals"],
        "runs": ["plot_runs"],
        "slices": ["plot_slices"],
        "sensitivity": ["plot_psense_dist", "plot_psense_quantities"],
    },
)
