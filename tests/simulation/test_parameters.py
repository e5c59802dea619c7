"""The trial's numbers as data: a caller's file, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.errors import InputError
from immunoprofile.simulation import draw_trial, load_parameters, simulate_tube
from immunoprofile.simulation.reading import HERE

TEXT = (HERE / "trial.toml").read_text(encoding="utf-8")


def _write(folder: Path, old: str, new: str) -> Path:
    assert TEXT.count(old) >= 1
    file = folder / "mine.toml"
    file.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return file


def test_parameters__every_responder_if_the_file_says_so(tmp_path: Path) -> None:
    file = _write(tmp_path, "share_responders = 0.4444444444444444", "share_responders = 1.0")
    trial = draw_trial(1, 12, ("BL",), parameters=file)
    # Nobody responds at the lowest dose, and of the middle one two thirds.
    assert [s.responder for s in trial.subjects if s.dose == 2.0] == [True] * 8
    assert load_parameters().share_responders == pytest.approx(8 / 18)


def test_parameters__another_composition_is_drawn(tmp_path: Path) -> None:
    file = _write(tmp_path, 'name = "treg", share = 4.0', 'name = "treg", share = 24.0')
    tube = simulate_tube("treg", 50_000, parameters=file)
    assert tube.fraction("treg", "cd4") == pytest.approx(24 / 120, abs=5 * (0.2 * 0.8 / tube.count("cd4")) ** 0.5)


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        pytest.param("link = 0.5", "link = 2.0", ["link: Input should be less than or equal to 1 (found"], id="range"),
        pytest.param("link = 0.5", "linc = 0.5", ["link: Field required", "linc: Extra inputs"], id="two-at-once"),
        pytest.param("peak_r = 68.0", 'peak_r = "68"', ["peak_r: Input should be a valid number"], id="text"),
        pytest.param("effect_days = [0, 14,", "effect_days = [0,", ["effect_days must increase"], id="lengths"),
        pytest.param('parent = "treg"', 'parent = "tregs"', ['split of "tregs": no part of that name'], id="parent"),
        pytest.param('name = "nk"', 'name = "b"', ['part "b" is named twice'], id="twice"),
        pytest.param("[2.0, 26.0]", "[26.0, 2.0]", ["baseline_range must go from low to high"], id="range-order"),
    ],
)  # fmt: skip
def test_parameters__file_with_wrong_numbers_is_refused(
    tmp_path: Path, old: str, new: str, sentences: list[str]
) -> None:
    file = _write(tmp_path, old, new)
    with pytest.raises(InputError) as caught:
        load_parameters(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert all(sentence in str(caught.value) for sentence in sentences)
    assert caught.value.code == "SIMULATE-DATA"


def test_parameters__tree_that_does_not_end_in_the_panel_s_cells_is_refused(tmp_path: Path) -> None:
    file = _write(tmp_path, 'name = "lymph_other"', 'name = "lymph_rest"')
    with pytest.raises(
        InputError, match=r"panel tbnk: the tree of cells and the kinds that are drawn differ in lymph_"
    ):
        simulate_tube("tbnk", 10, parameters=file)
