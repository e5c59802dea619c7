"""A page of answers is sections of sentences; the terminal and the web page show the same ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A title and what stands below it, a sentence or two each."""

    title: str
    sentences: tuple[str, ...]
