"""What was published about broken power laws: numbers of one break.

Papers show curves and errors, and no coefficients; these are in the authors' repository.
"""

from collections.abc import Mapping

from bayescale.claims import Claim

CLAIMS: Mapping[int, tuple[Claim, ...]] = {}
"""By number of breaks."""
