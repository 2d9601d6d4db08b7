"""The type of the fixture that loads public tables."""

from collections.abc import Callable

import pandas as pd

PublicTable = Callable[..., pd.DataFrame]
