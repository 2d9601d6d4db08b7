"""Fits of the Chinchilla form by the authors of Gemstones: nine fits to nine sets of rows.

Those that count params without embeddings are left out, as no file has that count, and so is the
one to models of a single width, whose exponent of params is all but free.
"""

import math

from bayescale.spec.claim import Claim, ClaimData, Objective

# Their rows: table, runs, then as printed ln E, ln A, ln B, alpha, beta.
FITS = {
    "hot": (
        "gemstones_hot_to_100b",
        220,
        (0.7663168139, 5.4574988414, 14.9719740349, 0.2989180518, 0.6928331414),
    ),
    "hot_100b+": (
        "gemstones_hot",
        770,
        (0.6655226816, 4.8761769847, 12.6984060933, 0.2575546364, 0.5909317455),
    ),
    "hot_120b+_only": (
        "gemstones_hot_from_120b",
        528,
        (0.6285489014, 4.6363909827, 16.1496299229, 0.240746883, 0.7279816328),
    ),
    "cool_begin": (
        "gemstones_cool_begin",
        199,
        (0.7780585886, 5.6553600312, 14.9498664277, 0.3113852052, 0.6910945493),
    ),
    "cool_end": (
        "gemstones_cool_end",
        199,
        (0.7458889548, 5.3627962101, 14.9717677508, 0.2970133066, 0.6903991635),
    ),
    "lr_ablation_hot": (
        "gemstones_lr_ablation",
        200,
        (0.7967035756, 5.8752636648, 14.9094432032, 0.3277969208, 0.6776928797),
    ),
    "hot_sampled_like_chinchilla": (
        "gemstones_hot_like_chinchilla",
        24,
        (0.7131557174, 4.9946926692, 9.8396405924, 0.2845070338, 0.4494161333),
    ),
    "lr_ablation_hot_sampled_like_chinchilla": (
        "gemstones_lr_ablation_like_chinchilla",
        23,
        (0.781717653, 5.4124339543, 11.9513972095, 0.3138018916, 0.540820527),
    ),
    "slim_chinchilla": (
        "gemstones_slim_chinchilla",
        28,
        (0.5670625496, 5.0154675479, 9.9100065846, 0.2764406077, 0.4738182992),
    ),
}
GEMSTONES = tuple(
    Claim(
        label=f"McLeish et al., {rows}",
        values={
            "E": math.exp(log_E),
            "A": math.exp(log_A),
            "B": math.exp(log_B),
            "alpha": alpha,
            "beta": beta,
        },
        runs=runs,
        counts="total",
        reference="McLeish et al. (2025), arXiv:2502.06857, parameters_delta-4 of its repository",
        data=ClaimData(table=table),
        objective=Objective(kind="huber", delta=1e-4),
    )
    for rows, (table, runs, (log_E, log_A, log_B, alpha, beta)) in FITS.items()
)
