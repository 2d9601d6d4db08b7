"""A law whose response is an input of another law, which it is the stage of."""

from dataclasses import replace
from functools import wraps
from typing import Any

from bayescale.spec.law import Law
from bayescale.spec.law_parts import UNITS, Units


def of_response(law: Law, response: str) -> Law:
    """Return a law for another response, such as a loss that another law takes as input.

    Parameters
    ----------
    law : Law
        The law.
    response : str
        Column that it is to describe.

    Returns
    -------
    Law
        Without the claims about the law, since they are about other numbers.

    Examples
    --------
    >>> from bayescale.models import CHINCHILLA
    >>> of_response(CHINCHILLA, "bits_per_byte").response
    'bits_per_byte'
    """

    @wraps(law.coefficients)
    def coefficients(units: Units, **free: Any) -> dict[str, Any]:
        columns = (getattr(units, unit) for unit in UNITS)
        renamed = ({**values, law.response: values[response]} for values in columns)
        return law.coefficients(Units(*renamed), **free)

    return replace(
        law,
        name=f"{law.name}_of_{response}",
        response=response,
        coefficients=coefficients,
        columns={name: column for name, column in law.columns.items() if name != law.response},
        claims=(),
    )
