"""Published estimates of the Chinchilla law on the runs behind it, for several counts of params."""

from bayescale.spec.claim import Claim, ClaimData, Objective

# Compute of Gopher, at which Hoffmann et al. compare.
GOPHER = 5.76e23
DIGITISED = "chinchilla"
DROPPED = (0, 1, 2, 3, 4)  # the runs of fewest tokens per parameter

RUNS = (
    Claim(
        label="Hoffmann et al., rounded",
        values={"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28},
        budget=GOPHER,
        method="approach 3",
        reference="Hoffmann et al. (2022), arXiv:2203.15556, eq. 10",
        data=ClaimData(table=DIGITISED),
    ),
    Claim(
        label="Hoffmann et al., typeset source",
        values={"A": 406.4, "B": 410.7, "E": 1.6934, "alpha": 0.33917, "beta": 0.28491},
        budget=GOPHER,
        method="approach 3",
        status="recomputed",
        reference="arXiv:2203.15556, read by the code of arXiv:2404.10102",
        data=ClaimData(table=DIGITISED),
    ),
    Claim(
        label="Hoffmann et al., approach 1",
        method="approach 1",
        values={"a": 0.50, "b": 0.50},
        digits={"a": 2, "b": 2},
        intervals={"a": (0.488, 0.502), "b": (0.501, 0.512)},
        mass=0.8,
        made_from="whole training curves, of which these runs are the last points",
        reference="arXiv:2203.15556, table 2, section 3.1",
        data=ClaimData(table=DIGITISED),
    ),
    Claim(
        label="Hoffmann et al., approach 2",
        method="approach 2",
        values={"a": 0.49, "b": 0.51},
        intervals={"a": (0.462, 0.534), "b": (0.483, 0.529)},
        mass=0.8,
        reference="arXiv:2203.15556, table 2",
        data=ClaimData(table=DIGITISED),
    ),
    Claim(
        label="Hoffmann et al., approach 3",
        method="approach 3",
        values={"a": 0.46, "b": 0.54},
        intervals={"a": (0.454, 0.455), "b": (0.542, 0.543)},
        mass=0.8,
        reference="arXiv:2203.15556, table 2",
        data=ClaimData(table=DIGITISED),
    ),
    Claim(
        label="de Vries",
        values={"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.336, "beta": 0.283},
        reference="correction used by Sardana et al. (2024), arXiv:2401.00448",
        data=ClaimData(table=DIGITISED),
    ),
    Claim(
        label="Besiroglu et al.",
        values={"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658},
        errors={
            "A": 124.52,
            "B": 1293.28,
            "E": 0.0257,
            "alpha": 0.0154,
            "beta": 0.0206,
            "a": 0.020,
        },
        intervals={
            "A": (285, 744),
            "B": (1042, 5810),
            "E": (1.769, 1.871),
            "alpha": (0.317, 0.373),
            "beta": (0.331, 0.415),
        },
        mass=0.95,
        runs=240,
        budget=GOPHER,
        reference="Besiroglu et al. (2024), arXiv:2404.10102, and its notebook for the errors "
        "(4,000 resamples)",
        data=ClaimData(table=DIGITISED, without=DROPPED),
        objective=Objective(kind="huber likelihood", delta=1e-3),
    ),
    Claim(
        label="Muennighoff et al., C4",
        values={"A": 520.8, "B": 1487.7, "E": 1.8691, "alpha": 0.35266, "beta": 0.35266},
        reference="code of Muennighoff et al. (2023), arXiv:2305.16264",
    ),
)

# Our column, then E, A, B, alpha, beta and their standard errors.
SCHAEFFER = {
    "Model Size": (
        "params",
        (
            1.8168640396247278,
            482.0057174387903,
            2085.434199583036,
            0.347813029043289,
            0.365854117270769,
        ),
        (
            0.024617715077279924,
            120.41812125284515,
            1258.9234483644718,
            0.015104930578740102,
            0.01977458083381662,
        ),
    ),
    "Reported Parameters": (
        "params_reported",
        (
            1.8097440029551988,
            452.0707773983148,
            2014.2003048449521,
            0.3440545340414133,
            0.36412671546732883,
        ),
        (
            0.02537556642041055,
            123.70074835893024,
            1302.655392406977,
            0.01522616236151023,
            0.020140021383567495,
        ),
    ),
    "Best Fit Formula Parameters": (
        "params_best_fit",
        (
            1.7974684490826933,
            437.1475756238682,
            1803.9820888373742,
            0.3418617792305516,
            0.35868940370963365,
        ),
        (
            0.023179699691976096,
            129.63343366613861,
            1352.6968808825734,
            0.01431806457112174,
            0.018859631544624045,
        ),
    ),
    "Standard Formula Parameters": (
        "params_tied",
        (
            1.8065343815772248,
            493.3762850080632,
            1786.7273974085056,
            0.35026393512966203,
            0.3581994126040722,
        ),
        (
            0.023194452701167406,
            133.3277117190174,
            1248.3061375701634,
            0.014279475349815345,
            0.01789481979102007,
        ),
    ),
}
NAMES = ("E", "A", "B", "alpha", "beta")
CONVENTIONS = tuple(
    Claim(
        label=f"Schaeffer et al., {counted}",
        values=dict(zip(NAMES, values, strict=True)),
        errors=dict(zip(NAMES, errors, strict=True)),
        runs=240,
        counts=counted,
        reference="Schaeffer et al. (2025), arXiv:2509.23963, its chinchilla_fits.csv",
        data=ClaimData(table="chinchilla_conventions", columns={"params": column}, without=DROPPED),
        objective=Objective(kind="huber likelihood", delta=1e-3),
    )
    for counted, (column, values, errors) in SCHAEFFER.items()
)
