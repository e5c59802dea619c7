"""A batch holds no more files open at its end than at its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.cohort import Hands, profile_samples
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples

OPEN = Path("/proc/self/fd")


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve samples, and after each four of them a file that cannot be read."""
    folder = tmp_path_factory.mktemp("cohort") / "c"
    study = simulate_cohort(folder, seed=3, n_subjects=4, events_per_sample=200, panels=("tbnk",))
    content = next((study.parent / "fcs").glob("*.fcs")).read_bytes()
    for i in range(15):
        (folder / f"{i}.fcs").write_bytes(content[:100] if i % 5 == 4 else content)
    rows = [f"S{i},{i}.fcs" for i in range(15)]
    (folder / "samples.csv").write_text("\n".join(["sample_id,file", *rows, ""]))
    return folder / "samples.csv"


def _n_open() -> int:
    return len(list(OPEN.iterdir()))


@pytest.mark.requirement("R-BATCH-07")
@pytest.mark.skipif(not OPEN.is_dir(), reason="this system does not list the open files of a process")
@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_run__leaves_no_file_open_and_opens_no_more_as_it_goes_on(workers: str, sheet: Path, tmp_path: Path) -> None:
    profile_samples(load_samples(sheet), "tbnk", tmp_path / "warm", Hands(2, workers))
    before, during = _n_open(), []
    hands = Hands(2, workers, progress=lambda *_: during.append(_n_open()))
    results = profile_samples(load_samples(sheet), "tbnk", tmp_path / "out", hands)
    assert len(results.failures) == 3
    assert len(during) == 15
    # Two workers may each have a file in hand at the one time and none at the other.
    assert max(during[-6:]) <= max(during[:6]) + 2
    assert _n_open() == before
