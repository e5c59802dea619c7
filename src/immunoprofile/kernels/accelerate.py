"""The compiler's settings, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile when first called; keep the machine code on disk; let other threads run meanwhile.

    Division by zero gives infinity or NaN as in NumPy. Fast-math stays off: it assumes that there is no NaN.
    """
    return cast(F, njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function))
