"""What goes wrong, in four classes.

Every message has three parts: what is wrong, with the value and where it stands; what was
expected; how to mend it.
"""


class BayescaleError(Exception):
    """Anything bayescale refuses to do."""


class LawError(BayescaleError):
    """A law, prior, likelihood or claim that contradicts itself."""


class DataError(BayescaleError):
    """A table, a file or a value that cannot be used."""


class ConvergenceError(BayescaleError):
    """Draws that should not be believed."""
