"""The checker that tests run every annotated function with: beartype, where a numpy number will do for Python's."""

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

_NUMBERS = FrozenDict({int: int | np.integer, float: float | int | np.floating | np.integer, bool: bool | np.bool_})
check = beartype(conf=BeartypeConf(hint_overrides=_NUMBERS))
