"""Likelihoods by the names they go by on the shell and in saved files."""

from collections.abc import Callable, Mapping
from inspect import signature
from math import inf

from bayescale.errors import LawError
from bayescale.law import Law
from bayescale.likelihood import (
    LikelihoodFactory,
    autoregressive,
    errors_in_variables,
    normal,
    normal_variance_function,
    student_t,
    student_t_unlogged,
    variance_function,
    with_errors,
)
from bayescale.shares import SHARES
from bayescale.spelling import settings_of, spelled

LIKELIHOODS: dict[str, LikelihoodFactory] = {
    "normal_variance_function": normal_variance_function,
    "variance_function": variance_function,
    "student_t": student_t,
    "normal": normal,
    "errors_in_variables": errors_in_variables,
    "student_t_unlogged": student_t_unlogged,
    **SHARES,
}

READING: dict[str, Callable[..., LikelihoodFactory]] = {
    "autoregressive": autoregressive,
    "with_errors": with_errors,
}
"""Those that read columns of the table, by what stands before their settings."""


def likelihood_named(name: str) -> LikelihoodFactory:
    """Look up a likelihood by the name it goes by on the shell and in saved files.

    Raises
    ------
    LawError
        If there is none of that name, or its settings are not what it takes.

    Examples
    --------
    >>> likelihood_named("autoregressive:by=run,order=step")(("tokens",)).title
    'Normal on the log response, correlated along step within each run'
    """
    if name in LIKELIHOODS:
        return LIKELIHOODS[name]
    try:
        kind, settings = settings_of(name)
        return _with_settings(READING[kind], settings)
    except (KeyError, ValueError, TypeError) as error:
        written = ", ".join([*LIKELIHOODS, *map(_usage, READING)])
        raise LawError(
            f"unknown likelihood {name!r}; expected one of {written}. "
            "Choose one of these, or pass your own function to fit()."
        ) from error


def _with_settings(
    reading: Callable[..., LikelihoodFactory], settings: Mapping[str, str]
) -> LikelihoodFactory:
    """One that reads columns; settings that have a number by default are numbers."""
    usual = {key: each.default for key, each in signature(reading).parameters.items()}
    return reading(
        **{
            key: _number(text) if isinstance(usual.get(key), float) else text
            for key, text in settings.items()
        }
    )


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < inf:
        raise ValueError(f"{text} is no number of zero or more")
    return value


def _usage(kind: str) -> str:
    """How a likelihood that reads columns is written."""
    taken = signature(READING[kind]).parameters.items()
    columns = {key: "COLUMN" for key, each in taken if each.default is each.empty}
    numbers = "".join(f"[,{key}=NUMBER]" for key, _ in taken if key not in columns)
    return spelled(kind, **columns) + numbers


def name_or_default(likelihood: LikelihoodFactory | None, law: Law) -> str:
    """What a fit with it, or without saying, is called where fits are kept."""
    return "default" if likelihood is None else likelihood(law.inputs).name
