"""How runs scatter about a law, one family a module.

`LIKELIHOODS` has every likelihood by the name that the shell and saved files use. Likelihoods with
settings, `autoregressive` and `with_errors`, are functions; `likelihood_named` reads their names.
"""

from collections.abc import Callable
from inspect import signature
from math import inf

from bayescale.errors import LawError
from bayescale.likelihoods.curves import autoregressive
from bayescale.likelihoods.losses import (
    ERRORS_IN_VARIABLES,
    NORMAL,
    NORMAL_VARIANCE_FUNCTION,
    STUDENT_T,
    STUDENT_T_UNLOGGED,
    VARIANCE_FUNCTION,
    with_errors,
)
from bayescale.likelihoods.proportions import BETA, BETA_BINOMIAL, BINOMIAL
from bayescale.spec.likelihood import Likelihood
from bayescale.spec.settings import name_with_settings, read_settings

__all__ = [
    "BETA",
    "BETA_BINOMIAL",
    "BINOMIAL",
    "ERRORS_IN_VARIABLES",
    "LIKELIHOODS",
    "NORMAL",
    "NORMAL_VARIANCE_FUNCTION",
    "STUDENT_T",
    "STUDENT_T_UNLOGGED",
    "VARIANCE_FUNCTION",
    "WITH_SETTINGS",
    "autoregressive",
    "likelihood_named",
    "with_errors",
]

LIKELIHOODS: dict[str, Likelihood] = {
    likelihood.name: likelihood
    for likelihood in (
        NORMAL_VARIANCE_FUNCTION,
        VARIANCE_FUNCTION,
        STUDENT_T,
        NORMAL,
        ERRORS_IN_VARIABLES,
        STUDENT_T_UNLOGGED,
        BETA_BINOMIAL,
        BINOMIAL,
        BETA,
    )
}
"""Every likelihood without settings, by name."""

WITH_SETTINGS: dict[str, Callable[..., Likelihood]] = {
    "autoregressive": autoregressive,
    "with_errors": with_errors,
}
"""Functions that return a likelihood from settings, by the name that precedes the settings."""


def likelihood_named(name: str) -> Likelihood:
    """Look up a likelihood by the name that the shell and saved files use.

    Parameters
    ----------
    name : str
        A key of `LIKELIHOODS`, or a name with settings such as
        ``"autoregressive:by=run,order=step"``.

    Returns
    -------
    Likelihood

    Raises
    ------
    LawError
        If there is no such likelihood, or it does not take these settings.

    Examples
    --------
    >>> likelihood_named("autoregressive:by=run,order=step").title
    'Normal on the log response, correlated along step within each run'
    """
    if name in LIKELIHOODS:
        return LIKELIHOODS[name]
    try:
        kind, texts = read_settings(name)
        parameters = signature(WITH_SETTINGS[kind]).parameters
        settings: dict[str, str | float] = dict(texts)
        for key in settings.keys() & parameters.keys():
            # A setting whose default is a number is a number.
            if isinstance(parameters[key].default, float):
                number = float(texts[key])
                if not 0 <= number < inf:
                    raise ValueError(f"{texts[key]} is no number of zero or more")
                settings[key] = number
        return WITH_SETTINGS[kind](**settings)
    except (KeyError, ValueError, TypeError) as error:
        known = [*LIKELIHOODS]
        for kind, function in WITH_SETTINGS.items():
            options = signature(function).parameters.values()
            required = {
                option.name: "COLUMN" for option in options if option.default is option.empty
            }
            optional = [
                f"[,{option.name}=NUMBER]" for option in options if option.name not in required
            ]
            known.append(name_with_settings(kind, **required) + "".join(optional))
        raise LawError(
            f"unknown likelihood {name!r}; expected one of {', '.join(known)}. "
            "Choose one of these, or pass a Likelihood to fit()."
        ) from error
