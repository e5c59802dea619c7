"""Two templates compared: definitions line by line, events by where they go."""

from __future__ import annotations

from pathlib import Path

from square_template import BOX, STRIP

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import load_template
from immunoprofile.gating.validation import Moved, Shift, compare_definitions, compare_events


def pair(template_file, old: str, new: str):
    one = load_template(template_file(BOX, STRIP, name="a.toml"))
    other = load_template(template_file(BOX.replace(old, new), STRIP.replace(old, new), name="b.toml"))
    return one, other


def test_definitions__only_the_changed_gate_is_shown(template_file) -> None:
    removed, added = compare_definitions(*pair(template_file, "min = 0.4", "min = 0.5"))
    assert removed.startswith("-gate Box/Strip: rectangle ")
    assert "0.4, null" in removed
    assert "0.5, null" in added


def test_definitions__one_moved_vertex_is_one_pair_of_lines(template_file) -> None:
    """However long the outline is, the place that moved is what is read."""
    outline = [[0.1 + 0.01 * k, 0.2] for k in range(30)] + [[0.4, 0.9], [0.1, 0.9]]
    moved = [*outline[:7], [0.17, 0.123], *outline[8:]]
    gate = '[[gate]]\nname = "Drawn"\npolygon = {{ x = "X", y = "Y", vertices = {} }}\n'
    pages = (template_file(gate.format(v), name=n) for v, n in ((outline, "a.toml"), (moved, "b.toml")))
    assert compare_definitions(*map(load_template, pages)) == [
        f"-gate Drawn: polygon vertex {outline[7]}",
        "+gate Drawn: polygon vertex [0.17, 0.123]",
    ]


def test_definitions__of_one_template_do_not_differ(template_file) -> None:
    assert compare_definitions(*pair(template_file, "nothing", "else")) == []


def test_events__a_moved_cut_is_counted_by_path(template_file, square: Path) -> None:
    """The strip loses the columns 40..49 of 50 rows to the rest of its parent."""
    change = compare_events(*pair(template_file, "min = 0.4", "min = 0.5"), read_fcs(square))
    assert change.shifts == (Shift("Box/Strip", 1000, 500, 0, 500),)
    assert change.moves == (Moved("Box/Strip", "Box", 500),)


def test_events__a_moved_parent_moves_its_children(template_file, square: Path) -> None:
    """The box loses its columns 50..59 (``max = 0.5``) and so does the strip: 500 events leave both."""
    change = compare_events(*pair(template_file, "max = 0.6", "max = 0.5"), read_fcs(square))
    assert change.shifts == (Shift("Box", 2000, 1500, 0, 500), Shift("Box/Strip", 1000, 500, 0, 500))
    assert change.moves == (Moved("Box/Strip", "All events", 500),)


def test_events__a_population_of_one_template_alone_has_no_count_in_the_other(template_file, square: Path) -> None:
    change = compare_events(*pair(template_file, '"Strip"', '"Band"'), read_fcs(square))
    assert change.shifts == (Shift("Box/Strip", 1000, None, 0, 1000), Shift("Box/Band", None, 1000, 1000, 0))
    assert change.n_moved == 1000


def test_events__swapping_the_templates_swaps_gains_and_losses(template_file, square: Path) -> None:
    one, other = pair(template_file, "max = 0.6", "max = 0.7")
    there, back = compare_events(one, other, read_fcs(square)), compare_events(other, one, read_fcs(square))
    assert [(s.gained, s.lost) for s in there.shifts] == [(s.lost, s.gained) for s in back.shifts]


def test_gates_diff__prints_definitions_and_events(template_file, square: Path) -> None:
    from click.testing import CliRunner

    from immunoprofile.cli import program

    pair(template_file, "min = 0.4", "min = 0.5")
    files = [str(square.with_name(f"{n}.toml")) for n in "ab"]
    outcome = CliRunner().invoke(program, ["gates", "diff", *files, "--sample", str(square)])
    assert outcome.exit_code == 0, outcome.output
    assert "square.fcs: 1 populations change (10000 events)" in outcome.stdout
    assert "500: Box/Strip -> Box" in outcome.stdout
    same = CliRunner().invoke(program, ["gates", "diff", files[0], files[0], "--json"])
    assert '"same": true' in same.stdout
