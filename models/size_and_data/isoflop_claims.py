"""Published estimates of the optimum on compute budgets, from parabolas and a line through them.

Porian et al. publish optima and exponents for fifteen ways to train and to count; ten of them are
the steps that lead from Kaplan's exponent to Hoffmann's. They interpolate the loss of each budget,
use its minimum, and weight minima by a bootstrap over noise that they measured with seeds.
"""

from collections.abc import Iterator, Mapping

from bayescale.spec.claim import Claim, ClaimData

HOFFMANN = Claim(
    label="Hoffmann et al., approach 2",
    values={"a": 0.49, "b": 0.51},
    intervals={"a": (0.462, 0.534), "b": (0.483, 0.529)},
    mass=0.8,
    method="approach 2",
    reference="Hoffmann et al. (2022), arXiv:2203.15556, table 2, section 3.2",
    data=ClaimData(table="isoflop_chinchilla"),
)

# Table: exponent and standard error of least squares, budgets of 6e18 to 1e21 FLOP, and rows.
PLAIN: Mapping[str, tuple[float, float, str]] = {
    "isoflop_chinchilla": (0.541, 0.020, "rows that the collectors did not set aside"),
    "isoflop_llama3": (0.500, 0.020, "all rows"),
    "isoflop_marin_comma": (0.426, 0.011, "the sweep"),
    "isoflop_marin_dclm": (0.444, 0.014, "the sweep"),
    "isoflop_marin_nemotron": (0.444, 0.011, "the sweep"),
    "isoflop_misfitting": (0.523, 0.013, "rows that were not set aside, at all budgets"),
}

# Condition of Porian et al.: exponent and its 95% interval, as in the file of their fits.
PORIAN: Mapping[str, tuple[float, float, float]] = {
    "rw_kaplan": (0.8353, 0.8235, 0.8460),
    "rw_head": (0.7065, 0.6915, 0.7169),
    "rw_warmup": (0.6020, 0.5914, 0.6173),
    "rw_cosine": (0.5715, 0.5598, 0.5885),
    "rw_tuned": (0.4969, 0.4907, 0.5045),
    "rw_attention_head": (0.7171, 0.7029, 0.7273),
    "rw_attention_warmup": (0.6223, 0.6072, 0.6320),
    "rw_attention_cosine": (0.5772, 0.5620, 0.5925),
    "rw_attention_tuned": (0.5053, 0.4962, 0.5123),
    "rw_kaplan_tuned": (0.7115, 0.7026, 0.7214),
    "owt2_kaplan": (0.8635, 0.8186, 0.8974),
    "owt2_head": (0.6985, 0.6644, 0.7245),
    "owt2_warmup": (0.6032, 0.5702, 0.6287),
    "owt2_cosine": (0.5743, 0.5423, 0.6056),
    "owt2_tuned": (0.5185, 0.4931, 0.5414),
}


def plain() -> Iterator[Claim]:
    """Claims from least squares: a parabola for each budget, then a line through the minima."""
    for table, (a, error, rows) in PLAIN.items():
        yield Claim(
            label=f"plain parabolas, {table.removeprefix('isoflop_')}",
            values={"a": a},
            errors={"a": error},
            digits={"a": 3},
            made_from=f"least squares in two stages, {rows}",
            reference="the rows of Open-Athena/scaling-law-analysis",
            status="recomputed",
            data=ClaimData(table=table),
        )


def porian(suffix: str = "") -> Iterator[Claim]:
    """Claims of Porian et al., about tables whose names end in `suffix`."""
    for condition, (a, low, high) in PORIAN.items():
        yield Claim(
            label=f"Porian et al., {condition}",
            values={"a": a},
            intervals={"a": (low, high)},
            digits={"a": 4},
            mass=0.95,
            reference="Porian et al. (2024), arXiv:2406.19146, weighted fits of its repository",
            data=ClaimData(table=f"porian_{condition}{suffix}"),
        )
