"""Published coefficients of broken power laws: those of one curve with one break.

The paper shows curves and errors of extrapolations, and no coefficients. Those of four-digit
addition are in a script of the authors, which simulates that curve: they are the minimum of the
paper's objective, squared errors of log(1 + y), over the 14 smaller sets, to eight digits.
"""

from collections.abc import Mapping

from bayescale.spec.claim import Claim, ClaimData

ADDITION = Claim(
    label="Caballero et al., addition",
    values={
        "E": 0.41388453071629455,
        "A": 2.2772722897737556,
        "alpha": 0.055077348404973955,
        "c[1]": 5.662903816010331,
        "d[1]": 612.5836172918001,
        "f[1]": 0.059193036393742314,
    },
    runs=14,
    reference="Caballero et al. (2022), arXiv:2210.14891, noiseless_simulation.py of its "
    "repository; figure 4",
    data=ClaimData(
        table="addition",
        columns={"x": "examples", "y": "loss"},
        without=(14, 15, 16),
        held_out="addition",
        where={"part": "held out"},
    ),
)

CLAIMS: Mapping[int, tuple[Claim, ...]] = {1: (ADDITION,)}
"""By number of breaks."""
