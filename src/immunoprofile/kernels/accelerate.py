"""The compiler's settings, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound=Callable[..., Any])


# Division by zero gives infinity or NaN as in NumPy. Fast-math stays off: it assumes that there is no NaN.
_ARITHMETIC = {"fastmath": False, "error_model": "numpy"}


def kernel(function: F) -> F:
    """Compile when first called; keep the machine code on disk; let other threads run meanwhile."""
    return cast(F, njit(cache=True, nogil=True, no_cfunc_wrapper=True, **_ARITHMETIC)(function))


def part(function: F) -> F:
    """Compile into the kernels that call it. Not to be called from Python: that door would take as long again."""
    return cast(F, njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_ARITHMETIC)(function))
