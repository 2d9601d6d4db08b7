"""Published estimates for repeated data: Muennighoff et al. on C4.

Only R_D and R_N were fitted to these runs, by a Huber loss, with the other numbers fixed; those are
of other models, which Hoffmann et al. trained on C4.
"""

import numpy as np

from bayescale.spec.claim import Claim, ClaimData

PAPER = "Muennighoff et al. (2023), arXiv:2305.16264"
EXPONENT = 0.3526596
CODE = {
    "E": float(np.exp(0.6254804)),
    "A": float(np.exp(6.255414)),
    "B": float(np.exp(7.3049974)),
    "alpha": EXPONENT,
    "beta": EXPONENT,
    "R_D": 15.387756,
    "R_N": 5.309743,
}
MADE_FROM = (
    "54 runs of Hoffmann et al. for all but R_D and R_N, and for these 182 of its own runs, which "
    "no column marks"
)
# The run that the paper compares its own allocation with.
BUDGET = 6 * 8.67e9 * 178e9
UNIQUE = {"unique_tokens": 25e9}

CLAIMS = (
    Claim(
        label="Muennighoff et al., code",
        values=CODE,
        runs=182,
        budget=BUDGET,
        at=UNIQUE,
        method="parametric fit",
        made_from=MADE_FROM,
        reference=f"{PAPER}, appendices A and B, and README of its repository",
        data=ClaimData(table="datablations_contour"),
    ),
    Claim(
        label="Muennighoff et al., rounded",
        values={
            "E": 1.87,
            "A": 521.0,
            "B": 1488.0,
            "alpha": 0.353,
            "beta": 0.353,
            "R_D": 15.4,
            "R_N": 5.3,
        },
        runs=182,
        budget=BUDGET,
        at=UNIQUE,
        method="parametric fit",
        made_from=MADE_FROM,
        reference=f"{PAPER}, eqs. 17 and 20",
        data=ClaimData(table="datablations_contour"),
    ),
    Claim(
        label="Muennighoff et al., allocation",
        values={"N_opt": 6.8e9, "D_opt": 2.27e11},
        budget=BUDGET,
        at=UNIQUE,
        method="parametric fit",
        made_from=MADE_FROM,
        reference=f"{PAPER}, README of its repository, grid search",
        data=ClaimData(table="datablations_contour"),
    ),
    Claim(
        label="Muennighoff et al., code, other tabulation",
        values=CODE,
        runs=182,
        budget=BUDGET,
        at=UNIQUE,
        method="parametric fit",
        made_from=MADE_FROM,
        reference=f"{PAPER}, appendices A and B, and README of its repository",
        data=ClaimData(table="datablations_sldbench"),
    ),
)
