"""Where reference data lie, and how hard hypothesis looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED = CHECKOUT.parent / "shared" / "data"

# Kernels compile on first use, so no deadline; seeds are fixed so that a run can be repeated.
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("commit", deadline=None, derandomize=True, max_examples=40, suppress_health_check=_QUIET)
settings.register_profile("long", deadline=None, max_examples=2000, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("IMMUNOPROFILE_HYPOTHESIS", "commit"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The reference data beside the checkout; tests that need them skip where they are absent."""
    if not SHARED.is_dir():
        pytest.skip("reference data not found: ../shared/data")
    return SHARED


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout under test."""
    return CHECKOUT
