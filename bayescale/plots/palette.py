"""Colours that people with any colour vision can tell apart.

References
----------
Okabe and Ito (2008), https://jfly.uni-koeln.de/color/, for the colours of categories.
"""

import matplotlib
from matplotlib.colors import Colormap, ListedColormap

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLACK = "#000000"
GREY = "#5F5F5F"

CATEGORIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""For groups and claims, in this order."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X")
"""Beside the colours, so that a picture printed in grey is still read."""


def compute_colours() -> Colormap:
    """Colours from little to much compute, without the yellow that vanishes on white."""
    return ListedColormap(matplotlib.colormaps["viridis"].resampled(256).colors[:225])  # type: ignore[attr-defined]
