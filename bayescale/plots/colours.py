"""Colours that people with any colour vision can distinguish.

References
----------
Okabe and Ito (2008), https://jfly.uni-koeln.de/color/, for the colours of categories.
"""

import matplotlib
from matplotlib.colors import Colormap, ListedColormap

BLUE = "#0072B2"


VERMILION = "#D55E00"


SKY = "#56B4E9"


BLACK = "#000000"


GREY = "#5F5F5F"


CATEGORIES = (
    BLUE,
    VERMILION,
    "#009E73",  # green
    "#CC79A7",  # purple
    "#E69F00",  # orange
    SKY,
    BLACK,
)
"""For groups, methods and claims, in this order."""


MARKERS = ("o", "s", "D", "^", "v", "P", "X")
"""Used with the colours, so that a picture printed in grey can be read."""


def compute_colours() -> Colormap:
    """Colours from little to much compute, without the yellow that vanishes on white."""
    return ListedColormap(matplotlib.colormaps["viridis"].resampled(256).colors[:225])  # type: ignore[attr-defined]
