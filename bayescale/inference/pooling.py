"""Free parameters that differ between groups of runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm

from bayescale.inference.groups import BETWEEN, CENTRED
from bayescale.inference.structure import Structure
from bayescale.priors import Prior


def prior_variable(name: str, prior: Prior, data: Mapping[str, Any], of: str, **dims: Any) -> Any:
    """A variable with a prior whose numbers are among the data, under the name of a parameter.

    Parameters
    ----------
    name : str
        Name of the variable.
    prior : Prior
        Its distribution.
    data : mapping
        Data of the model, among them the numbers of the prior.
    of : str
        The parameter under which they are kept.
    **dims
        Dims or shape of the variable.
    """
    numbers = {key: data[f"prior_{of}_{key}"] for key in prior.parameters}
    return getattr(pm, prior.distribution.name)(name, **numbers, **dims)


def partial_parameter(
    structure: Structure, name: str, prior: Prior, data: Mapping[str, Any], parts: tuple[str, ...]
) -> Any:
    """Values of the groups, pooled partially.

    Parameters
    ----------
    structure : Structure
        With groups.
    name, prior
        The parameter, and the prior of the mean of its groups.
    data : mapping
        Data of the model.
    parts : tuple of str
        Dim of its parts; empty without parts.

    Returns
    -------
    (group, ...) tensor
        In the model under the parameter's name; beside it its ``_mean``, ``_sd``, ``_common``.
    """
    scatter, groups = structure.law.groups.between.get(name, BETWEEN), len(structure.groups)
    mean = prior_variable(f"{name}_mean", prior, data, name, dims=parts or None)
    between = prior_variable(f"{name}_sd", scatter, data, f"{name}_sd")
    transform = pm.modelcontext(None).rvs_to_transforms[mean]
    # A simplex has one coordinate less on the sampling scale than it has parts.
    free = len(prior.parts) - (transform is not None and transform.ndim_supp > 0)
    shape = (free,) if parts else ()
    off = between / np.sqrt(groups) * pm.Normal(f"{name}_mean_z", 0.0, 1.0, shape=shape)
    pm.Deterministic(
        f"{name}_common", _shift_on_sampling_scale(transform, mean, mean, off), dims=parts or None
    )
    unit = between**CENTRED
    offset = pm.ZeroSumNormal(f"{name}_offset", unit, shape=(*shape, groups))
    value = _shift_on_sampling_scale(transform, mean, mean, between / unit * offset.T)
    return pm.Deterministic(name, value, dims=(structure.by, *parts))


def pooled_variables(model: pm.Model) -> list[Any]:
    """Deterministics of partial pooling, which are kept like free parameters."""
    return [
        variable
        for variable in model.deterministics
        if f"{variable.name.removesuffix('_common')}_common" in model.named_vars
    ]


def _shift_on_sampling_scale(transform: Any, variable: Any, centre: Any, shift: Any) -> Any:
    """Values shifted on the scale on which PyMC samples a variable.

    Parameters
    ----------
    transform : transform of PyMC, or None
        Of the variable.
    variable : tensor
        A random variable, whose numbers the transform may need.
    centre, shift : tensor
        Values on the variable's own scale, and by how much they move on the sampling scale.
    """
    if transform is None:
        return centre + shift
    settings = variable.owner.inputs
    return transform.backward(transform.forward(centre, *settings) + shift, *settings)
