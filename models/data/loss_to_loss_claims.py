"""Published with loss to loss: two forms fitted to the runs of six training sets.

Every fit is of the loss on the training set's own validation split. The authors held out six runs
at twenty times the largest budget.
"""

from collections.abc import Iterator, Sequence

from bayescale.spec.claim import Claim, ClaimData, Objective

# Name, suffix of table and column, and runs of each training set.
CORPORA = {
    "fineweb-100b": ("FineWeb", "fineweb", 90),
    "fineweb-edu-100b": ("FineWeb-Edu", "fineweb_edu", 91),
    "proof-pile-2": ("Proof-Pile 2", "proof_pile", 86),
    "slimpajama-chunk1": ("SlimPajama", "slimpajama", 89),
    "smollm-corpus": ("SmolLM", "smollm", 89),
    "starcoder": ("StarCoder", "starcoder", 84),
}
# E, A, B, alpha, beta of E + A/N^alpha + B/D^beta.
CHINCHILLA_FORM = {
    "fineweb-100b": (
        2.1471759753034596,
        1636.5843435210331,
        4198.638775040238,
        0.4267220125012678,
        0.421205669668254,
    ),
    "fineweb-edu-100b": (
        2.002191409489778,
        2517.506177974272,
        7160.5596829948545,
        0.45401922795901956,
        0.4494721896113453,
    ),
    "proof-pile-2": (
        1.3300416858591686,
        3770.7575896035546,
        3588.0840903163994,
        0.5071265705258877,
        0.4349393065619421,
    ),
    "slimpajama-chunk1": (
        2.0068496071220574,
        2048.3539339495346,
        6018.806526520867,
        0.44091634411915875,
        0.43849091762026093,
    ),
    "smollm-corpus": (
        1.5515050666629593,
        2439.8335848803763,
        6916.032588373108,
        0.4476990309586343,
        0.4436429165235239,
    ),
    "starcoder": (
        0.862588056825541,
        7753.623416617022,
        4189.620600067792,
        0.5468235899467293,
        0.4386530199108323,
    ),
}
# E, A, B, alpha, beta of E + ((A/N)^(alpha/beta) + B/D)^beta.
KAPLAN_FORM = {
    "fineweb-100b": (
        2.1700144171656954,
        67873108.54367575,
        931025251.4924387,
        0.41072325854631786,
        0.45308760854630176,
    ),
    "fineweb-edu-100b": (
        1.9669051342679635,
        66798878.45905815,
        889955656.4320827,
        0.4128980698285724,
        0.45558129866811403,
    ),
    "proof-pile-2": (
        1.3191056383496804,
        21399832.68158203,
        329014140.4916143,
        0.45268444525949536,
        0.45522632660279727,
    ),
    "slimpajama-chunk1": (
        1.9672370351123856,
        74673473.63316469,
        1064203126.3602942,
        0.4012666686140908,
        0.43405859895007043,
    ),
    "smollm-corpus": (
        1.5340203711959466,
        77882957.0769991,
        1062913008.532086,
        0.41811955216504054,
        0.45490377291583667,
    ),
    "starcoder": (
        0.8452474567051246,
        22270138.298477136,
        377544568.1675311,
        0.4512681118187197,
        0.4715652585120178,
    ),
}


def _claims(
    form: str, names: Sequence[str], fits: dict[str, tuple[float, float, float, float, float]]
) -> Iterator[Claim]:
    """Return a claim for each fit, with the names that bayescale has for its coefficients."""
    for corpus, values in fits.items():
        name, suffix, runs = CORPORA[corpus]
        yield Claim(
            label=f"Brandfonbrener et al., {name}, {form} form",
            values=dict(zip(names, values, strict=True)),
            runs=runs,
            reference="Brandfonbrener et al. (2024), arXiv:2411.12925, opt_params_data.csv of its "
            "repository",
            data=ClaimData(
                table=f"loss_to_loss_{suffix}",
                columns={"loss": f"loss_{suffix}"},
                held_out="loss_to_loss_extrapolation",
                where={"corpus": corpus},
            ),
            objective=Objective(kind="huber", delta=1e-3),
        )


ADDITIVE = tuple(_claims("additive", ("E", "A", "B", "alpha", "beta"), CHINCHILLA_FORM))
NESTED = tuple(_claims("nested", ("E", "N_c", "D_c", "alpha_N", "alpha_D"), KAPLAN_FORM))

# Floors that the authors put into loss to loss; its other two parameters they show in figures only.
FLOORS = tuple(
    Claim(
        label=f"Brandfonbrener et al., {CORPORA[source][0]} to {CORPORA[corpus][0]}",
        values={"E_0": first[0], "E_1": second[0]},
        reference="Brandfonbrener et al. (2024), arXiv:2411.12925, opt_params_data.csv of its "
        "repository",
    )
    for source, first in CHINCHILLA_FORM.items()
    for corpus, second in CHINCHILLA_FORM.items()
    if source != corpus
)
