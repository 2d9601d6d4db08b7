"""Estimates of the annealing law: its constants on the curves of the multi-power law.

They are recomputed by least squares on log losses of `cosine_24000` and `constant_24000`, with the
rise of the rate counted; nobody printed them.
"""

from bayescale.spec.claim import Claim, ClaimData

# Rows of each table; the two curves are the first 342 of them.
ROWS = {"25m": 2059, "100m": 2103, "400m": 2103}
# Decay, size, and L_0, A, alpha, C.
FITS = (
    (0.999, "25m", (3.174, 0.498, 0.538, 0.405)),
    (0.999, "100m", (2.789, 0.592, 0.455, 0.480)),
    (0.999, "400m", (2.531, 0.645, 0.425, 0.574)),
    (0.995, "400m", (2.514, 0.665, 0.410, 2.75)),
)
DIGITS = {"L_0": 3, "A": 3, "alpha": 3, "C": 3}

LUO = tuple(
    Claim(
        label=f"least squares, {size.upper()}, decay {decay:g}",
        values=dict(zip(("L_0", "A", "alpha", "C"), values, strict=True)),
        digits={**DIGITS, "C": 2} if values[-1] > 1 else DIGITS,
        made_from="every row of two curves",
        method=f"decay {decay:g}",
        reference="recomputed from the curves of Luo et al. (2025), arXiv:2503.12811",
        status="recomputed",
        data=ClaimData(table=f"multi_power_law_{size}", without=tuple(range(342, ROWS[size]))),
    )
    for decay, size, values in FITS
)
