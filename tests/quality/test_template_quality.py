"""`[quality]` of a template: read, written, part of the digest only where it says something."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from immunoprofile.errors import TemplateSyntaxError
from immunoprofile.gating import Quality, load_template, read_gatingml, write_gatingml, write_template

OWN = Quality(time="remove", margins="off", doublets="flag")


@pytest.fixture
def template():
    return dataclasses.replace(load_template("tbnk"), quality=OWN)


def write(folder: Path, block: str) -> Path:
    source = load_template("tbnk").source
    assert source is not None
    path = folder / "t.toml"
    path.write_text(source.read_text(encoding="utf-8") + block, encoding="utf-8")
    return path


def test_quality__is_read_from_toml_and_what_is_not_said_is_flagged(tmp_path: Path) -> None:
    found = load_template(write(tmp_path, '\n[quality]\ntime = "remove"\nmargins = "off"\n'))
    assert found.quality == OWN


def test_quality__absent_keeps_the_digest_that_a_template_had(template) -> None:
    plain = dataclasses.replace(template, quality=Quality())
    assert plain.digest == load_template("tbnk").digest
    assert template.digest != plain.digest


def test_quality__toml_comes_back_equal(template, tmp_path: Path) -> None:
    write_template(template, tmp_path / "t.toml")
    back = load_template(tmp_path / "t.toml")
    assert back.quality == OWN
    assert back.digest == template.digest


def test_quality__gatingml_comes_back_equal(template, tmp_path: Path) -> None:
    write_gatingml(template, tmp_path / "t.xml")
    assert read_gatingml(tmp_path / "t.xml").quality == OWN


def test_quality__wrong_word_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(TemplateSyntaxError, match=r'quality\.time: .* Known: "off", "flag", "remove"'):
        load_template(write(tmp_path, '\n[quality]\ntime = "delete"\n'))


def test_quality__unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateSyntaxError, match=r'quality\.tme: unknown key "tme"\. Did you mean "time"\?'):
        load_template(write(tmp_path, '\n[quality]\ntme = "flag"\n'))
