"""Known defects of public files are corrected by the recipe, or described on the card.

Figures are those of the sources or follow from the raw files. Reading the cards needs none of the
files, loading the tables all of them.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import least_squares

from bayescale.datasets import card
from bayescale.datasets.reading import cards
from tests.tables import PublicTable


def warns(name: str, word: str) -> bool:
    """Return whether a quirk on a card has a word."""
    return any(word in quirk for quirk in card(name).quirks)


def test_swapped_columns_are_put_right(public_table: PublicTable) -> None:
    swapped = public_table("datablations_sldbench")
    assert (swapped["unique_tokens"] <= swapped["tokens"]).all()
    assert warns("datablations_sldbench", "swapped")
    # The same runs in the other tabulation have the same tokens.
    contour = public_table("datablations_contour").merge(swapped, on="run", suffixes=("", "_too"))
    assert len(contour) > 170
    assert_allclose(contour["tokens"], contour["tokens_too"])
    assert_allclose(contour["loss"], contour["loss_too"], rtol=1e-6)


def test_rows_that_come_four_times_are_kept_once(public_table: PublicTable) -> None:
    curves = public_table("revisiting_lm")
    assert len(curves) == 229
    assert not curves.duplicated().any()
    assert warns("revisiting_lm", "four times")


def test_the_grid_of_farseer_has_every_cell_once(public_table: PublicTable) -> None:
    runs = public_table("farseer")
    assert warns("farseer", "four of its 404 rows twice")
    # Lengths are 1e9 times powers of 2^(1/4), off by at most 5 in 100,000.
    length = (4 * np.log2(runs["tokens"] / 1e9)).round()
    assert_allclose(runs["tokens"], 1e9 * 2 ** (length / 4), rtol=5e-5)
    size = runs["params"].rank(method="dense") - 1
    assert (size.nunique(), length.nunique()) == (25, 37)
    assert not pd.DataFrame({"size": size, "length": length}).duplicated().any()
    assert ((size - length) % 2 == 0).all()  # a chequerboard
    assert runs.groupby(size).size().agg(["min", "max"]).tolist() == [11, 18]
    assert_allclose((runs["tokens"] / runs["params"]).agg(["min", "max"]), [0.314, 2570], rtol=1e-3)


def test_what_laws_leave_of_farseer_is_what_its_card_says(public_table: PublicTable) -> None:
    """The card's three figures, and with them the units of params and tokens."""
    runs = public_table("farseer")
    params, tokens, log_loss = runs["params"], runs["tokens"], np.log(runs["loss"])
    at_infinity = np.exp(-0.06247 * params**0.13 + 0.12849)
    level = np.exp(230.734 * params**-0.1729 - 1.54421)
    exponent = np.exp(-1.66563 * params**0.0459 + 3.1333)
    expected = at_infinity + level * tokens**-exponent
    assert np.std(log_loss - np.log(expected)) == pytest.approx(0.0032, abs=5e-5)

    size, length = np.log(params / 1e9), np.log(tokens / 2e10)

    def residuals(values: np.ndarray[Any, Any]) -> Any:
        E, A, alpha, B, beta = values
        return np.log(E + A * np.exp(-alpha * size) + B * np.exp(-beta * length)) - log_loss

    chinchilla = least_squares(residuals, [0.4, 0.1, 0.3, 0.1, 0.3])
    assert np.std(chinchilla.fun) == pytest.approx(0.0085, abs=5e-5)
    powers = [(i, j) for i in range(6) for j in range(6 - i)]
    surface = np.column_stack([size**i * length**j for i, j in powers])
    assert surface.shape[1] == 21
    fitted = surface @ np.linalg.lstsq(surface, log_loss, rcond=None)[0]
    assert np.std(log_loss - fitted) == pytest.approx(0.0010, abs=5e-5)


def test_llama_points_come_once_and_as_losses(public_table: PublicTable) -> None:
    points = public_table("isoflop_llama3")
    assert len(points) == 133
    assert not points.duplicated(["params", "tokens", "loss"]).any()
    # The plotted numbers are 0.69 to 0.93; these are their exponentials.
    assert points["loss"].between(np.exp(0.69), np.exp(0.94)).all()


def test_a_seed_that_is_none_is_not_called_one(public_table: PublicTable) -> None:
    assert "seed" not in public_table("datablations_code")
    assert warns("datablations_code", "seed")


def test_flops_do_not_overflow(public_table: PublicTable) -> None:
    runs = public_table("gadre_c4")
    # In 64-bit integers the largest would be negative.
    assert runs["flops"].max() > 2.0**63
    assert_allclose(runs["flops"], 6 * runs["params"] * runs["tokens"], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "published"),
    # E, a, b and eta for the C4 loss, from five runs (Gadre et al. 2024, arXiv:2403.08540).
    [
        ("gadre_c4", (1.51, 141, 190, 0.121)),
        ("gadre_rpj", (1.84, 212, 367, 0.136)),
        ("gadre_rw", (1.73, 157, 246, 0.127)),
    ],
)
def test_the_published_fit_follows_from_its_five_runs(
    public_table: PublicTable, name: str, published: tuple[float, ...]
) -> None:
    runs = public_table(name)
    ratio = runs["tokens"] / runs["params"]
    anchors = (np.isclose(ratio, 20, rtol=0.03) & (runs["params"] < 5e8)) | (
        np.isclose(ratio, 320, rtol=0.03) & (runs["params"] < 2e7)
    )
    assert anchors.sum() == 5

    def residuals(values: np.ndarray[Any, Any]) -> Any:
        E, a, b, eta = values
        expected = E + (a * ratio**eta + b * ratio**-eta) * runs["flops"] ** -eta
        return (runs["loss"] - expected)[anchors]

    fitted = least_squares(residuals, published, x_scale=published, xtol=1e-12, ftol=1e-12).x
    # Half a unit of the last digit printed; b of C4 is 189.5, and printed as 190.
    assert (abs(fitted - published) < [0.005, 0.5, 0.51, 0.0005]).all(), fitted


def test_headline_runs_of_routing_are_counted_as_published(public_table: PublicTable) -> None:
    assert public_table("clark_routing")["router"].value_counts().to_dict() == {
        "RL-R": 54,
        "S-Base": 53,
        "Hash": 51,
        "Dense": 5,
    }


def test_porian_conditions_make_up_the_file() -> None:
    conditions = [name for name in cards() if name.startswith(("porian_rw", "porian_owt2"))]
    isoflop = [name for name in conditions if not name.endswith("_optima")]
    assert len(isoflop) == 15
    assert sorted(f"{name}_optima" for name in isoflop) == sorted({*conditions} - {*isoflop})
    assert sum(card(name).rows for name in isoflop) == 1745


def test_corpora_of_loss_to_loss_are_six(public_table: PublicTable) -> None:
    corpora = ("fineweb", "fineweb_edu", "proof_pile", "slimpajama", "smollm", "starcoder")
    runs = {name: public_table(f"loss_to_loss_{name}") for name in corpora}
    assert sum(map(len, runs.values())) == 529
    assert {name for name, table in runs.items() if not 84 <= len(table) <= 91} == set()


def test_published_vocabulary_constants_need_thousands(public_table: PublicTable) -> None:
    """R2 of Tao et al.'s constants with V in thousands; they are far off with V itself."""
    runs = public_table("vocab_scaling")
    runs = runs[runs["flops"] >= 2.18e17]
    loss = runs["normalised_loss"]

    def explained(vocab: pd.Series) -> float:
        log = np.log(vocab)
        per_character = 0.00639222 * log**2 - 0.15811069 * log + 1.20470122
        tokens = runs["characters"] * per_character / 1e9
        expected = (
            -5.533
            + 1.831 / (runs["params"] / 1e6) ** 0.4466
            + 0.196 / (runs["vocab_params"] / 1e6) ** 0.6707
            + 2.124 / tokens**0.4466
        )
        return 1 - float(((loss - expected) ** 2).sum() / ((loss - loss.mean()) ** 2).sum())

    assert len(runs) == 1054
    assert explained(runs["vocab_size"] / 1000) == pytest.approx(0.972, abs=0.001)
    assert explained(runs["vocab_size"]) < 0.1
