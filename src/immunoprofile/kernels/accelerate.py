"""The compiler's settings, once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No garbage collection for a while: a library that loads makes no garbage, but many objects to look through."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load_array_functions() -> None:
    """Have numba load its array functions without SciPy's linear algebra, a fifth of the time to start.

    They load it only to learn that it is there; no kernel multiplies matrices. What compiles such a call still loads
    it then.
    """
    linalg: Any = import_module("numba.np.linalg")
    load = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = load


with _nothing_collected():
    from numba import njit
    from numba.core.options import DefaultOptions

    _load_array_functions()

# Division by zero gives infinity or NaN as in NumPy. Fast-math stays off: it assumes that there is no NaN.
_ARITHMETIC = {"fastmath": False, "error_model": "numpy"}
# Whoever calls holds the arrays, so nobody inside counts who refers to them: that was two thirds of what a call with a
# whole plan cost, and a seventh of the time to compile. Such a function can make no array and return none.
# numba does not promise this option: without it kernels are slower and no less right.
_BORROWED = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}


def kernel(function: F) -> F:
    """Compile when first called; keep the machine code on disk; let other threads run meanwhile.

    It works in the arrays that it is given and makes none of its own (`allocating_kernel`).
    """
    return _compiled(function, _BORROWED)


def allocating_kernel(function: F) -> F:
    """A `kernel` that makes arrays."""
    return _compiled(function, {})


def _compiled(function: F, options: Mapping[str, Any]) -> F:
    compiled = njit(cache=True, nogil=True, no_cfunc_wrapper=True, **_ARITHMETIC, **options)(function)
    _outdated_by(compiled, _ROOM)
    return cast(F, compiled)


def part(function: F) -> F:
    """Compile into the kernels that call it. Not to be called from Python: that door would take as long again."""
    return cast(F, njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_ARITHMETIC, **_BORROWED)(function))


def spliced(function: F) -> F:
    """Put the text of a function where it is called: the only way to hand an array out of one."""
    return cast(F, njit(inline="always", **_ARITHMETIC)(function))


def _stamps(folder: Path) -> tuple[tuple[str, float, int], ...]:
    """Name, time and size of every module of a folder."""
    return tuple((p.name, p.stat().st_mtime, p.stat().st_size) for p in sorted(folder.glob("*.py")))


_ROOM = _stamps(Path(__file__).parent)


def _outdated_by(compiled: Any, stamps: tuple[Any, ...]) -> None:
    """Let code on disk be outdated by a change of any of these modules.

    numba looks at the kernel's own file alone, and would go on using what the parts of other files were before.
    """
    kept = compiled._cache._cache_file
    kept._source_stamp = (kept._source_stamp, stamps)
