"""Float32 results that are equal on every processor, so that a rendered image has the same bytes everywhere.

NumPy and OpenCV choose machine code by the processor. Sums, products, quotients and square roots are rounded alike in
all of it; exponentials, powers, angles and filters are not: a float32 result may differ in its last bit, and one value
in fifty thousand then becomes another grey level, in half of all pictures. In float64 they differ by a few units in the
53rd bit, which rounding to float32 removes but for one value in some hundred million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike


def rounded(function: Callable[..., Any], *values: ArrayLike, **options: object) -> np.ndarray:
    """Calls a function with values as float64, and rounds its result to float32."""
    exact = function(*(np.asarray(value, np.float64) for value in values), **options)
    result: np.ndarray = np.asarray(exact, np.float32)
    return result
