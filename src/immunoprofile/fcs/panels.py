"""What keywords say of the channels, worked out once: files of one cytometer and one day say the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from immunoprofile.fcs.channels import Channel, Scaling, read_channels, read_scalings
from immunoprofile.fcs.findings import Inspection
from immunoprofile.fcs.layout import Layout, read_layout
from immunoprofile.fcs.spilltext import read_spillover_text
from immunoprofile.spillover import Spillover

_MOST = 8
"""Panels remembered: a study has few, and looking through many takes as long as reading one anew."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The channels of a file: how they lie in an event, what they are called, and how they spill."""

    layout: Layout
    channels: tuple[Channel, ...]
    scalings: tuple[Scaling, ...]
    spillover: Spillover | None


class _Asked(Mapping[str, str]):
    """Keywords that keep what was asked of them, answers that there is no such keyword among it."""

    def __init__(self, keywords: Mapping[str, str]) -> None:
        self._keywords = keywords
        self.answers: dict[str, str | None] = {}
        self.names: list[str] | None = None
        """All names, where somebody looked through them."""

    def __getitem__(self, key: str) -> str:
        self.answers[key] = self._keywords.get(key)
        return self._keywords[key]

    def __iter__(self) -> Iterator[str]:
        self.names = list(self._keywords)
        return iter(self.names)

    def __len__(self) -> int:
        return len(list(self))


@dataclass(frozen=True, slots=True)
class _Known:
    """A panel, and what it rests on: whoever asks the same and is answered the same comes to the same."""

    version: str
    count: int
    keys: Sequence[str]
    values: Sequence[str | None]
    names: Sequence[str] | None
    panel: Panel

    def fits(self, keywords: Mapping[str, str], version: str, count: int) -> bool:
        return (
            (version, count) == (self.version, self.count)
            and list(map(keywords.get, self.keys)) == self.values
            and (self.names is None or list(keywords) == self.names)
        )


_KNOWN: deque[_Known] = deque(maxlen=_MOST)


def read_panel(keywords: Mapping[str, str], version: str, count: int, inspection: Inspection) -> Panel:
    """Layout, channels, scales and spillover of a data set, as its keywords declare them.

    Parameters
    ----------
    count
        Channels, as ``$PAR`` has it.

    Raises
    ------
    FcsError
        They cannot be read, or contradict each other.

    Notes
    -----
    A panel is remembered by the answers to all that was asked of its keywords, and only where nothing was odd: of a
    panel with findings each file tells its own.
    """
    known = next((k for k in tuple(_KNOWN) if k.fits(keywords, version, count)), None)
    if known is not None:
        return known.panel
    asked, noted = _Asked(keywords), inspection.n_noted
    layout = read_layout(asked, version, count, inspection)
    channels = read_channels(asked, version, layout, inspection)
    scalings = read_scalings(asked, channels, inspection)
    panel = Panel(layout, channels, scalings, read_spillover_text(asked, channels, inspection))
    if inspection.n_noted == noted:
        answers = asked.answers
        _KNOWN.appendleft(_Known(version, count, list(answers), list(answers.values()), asked.names, panel))
    return panel
