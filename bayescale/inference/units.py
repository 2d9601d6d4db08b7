"""The units of free parameters, and inputs standardised by them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayescale.inference.structure import Structure
from bayescale.spec.functions import Array
from bayescale.spec.law import Law, Units

STEP = 1e-4
"""Step of the logarithm over which the slope of a law is computed."""


def units_for(structure: Structure, runs: pd.DataFrame) -> Units:
    """Units of the free parameters of a structure: its own, or those of the runs."""
    return structure.units or units_of(structure.law, runs)


def units_of(law: Law, runs: pd.DataFrame) -> Units:
    """Middle, spread and ends of the runs that a law is fitted to."""
    columns = {name: runs[name].to_numpy() for name in (*law.inputs, law.response)}
    scaled = {name: law.kind_of(name).scaled(x) for name, x in columns.items()}
    return Units(
        pivot={name: law.kind_of(name).centre(x) for name, x in columns.items()},
        # 1 where nothing varies: the standard deviation of equal numbers is not always exactly 0.
        spread={name: x.std() if np.ptp(x) > 0 else 1.0 for name, x in scaled.items()},
        lowest={name: x.min() for name, x in columns.items()},
        highest={name: x.max() for name, x in columns.items()},
    )


def standardised(
    structure: Structure, runs: pd.DataFrame, points: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Standardised logarithm of each input of the points, in units of the runs."""
    columns = {name: points[name].to_numpy() for name in structure.law.inputs}
    return design_of(structure.law, columns, units_for(structure, runs))


def slopes_of(
    law: Law, inputs: Mapping[str, Any], coefficients: Mapping[str, Any]
) -> dict[str, Any]:
    """Derivative of the response, on its scale, by the logarithm of each noisy input.

    By central differences, which run on any kind of array and are right to eight digits.

    Parameters
    ----------
    law : Law
        Which inputs are noisy, and the formula.
    inputs, coefficients : mapping
        Arguments of the formula.

    Returns
    -------
    dict of str to array
        By name, such as ``slope_loss_source``.
    """
    on = law.kind_of(law.response).forward
    slopes = {}
    for name in law.noisy_inputs:
        high, low = (
            on(law.formula(**{**inputs, name: inputs[name] * np.exp(step)}, **coefficients))
            for step in (STEP, -STEP)
        )
        slopes[f"slope_{name}"] = (high - low) / (2 * STEP)
    return slopes


def design_of(law: Law, columns: Mapping[str, Array], units: Units) -> dict[str, Array]:
    """Standardised logarithm of each input, or the plain value of one that is not positive."""
    scales = {name: law.kind_of(name).scaled for name in law.inputs}
    return {
        name: (on(columns[name]) - on(units.pivot[name])) / units.spread[name]
        for name, on in scales.items()
    }
