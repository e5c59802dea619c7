"""Events: what a data set says about itself, with DATA waiting in the file until it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.acquisition import Acquisition
from immunoprofile.fcs.channels import Channel
from immunoprofile.fcs.chunks import DataPlace
from immunoprofile.fcs.findings import Finding, Inspection, Strictness
from immunoprofile.fcs.linear import read_linear, read_linear_sample, walk_linear_blocks
from immunoprofile.fcs.remote import FcsFile
from immunoprofile.fcs.source import access_error, check_unchanged, read_at, reopen_source
from immunoprofile.fcs.spilltext import recorded_spillover
from immunoprofile.fcs.stored import count_nonfinite, read_column, read_values
from immunoprofile.spillover import Spillover


@dataclass(frozen=True, eq=False)
class Events:
    """One data set of an FCS file.

    Parameters
    ----------
    path
        The file.
    version
        ``FCS2.0`` to ``FCS3.2``.
    n_events
        Events in DATA.
    channels
        In the order ``$P1`` to ``$Pn``.
    keywords
        Upper case with their ``$``, values verbatim; read-only.
    spillover
        As the file declares it; None where it declares none, or none that can be used (then `findings` say
        so).
    findings
        Everything that was odd, in the order in which the file was read.
    dataset
        Number of the data set in the file, from 1.
    acquisition
        Cytometer, serial number, begin and end, volume, lost events, voltages.
    analysis
        Keywords of the ANALYSIS segment.
    others
        First byte in the file and size of each OTHER segment; `read_other` gives their bytes.

    Notes
    -----
    Opening costs HEADER and TEXT. Whatever reads DATA opens the file anew and raises FcsAccessError or
    FcsTruncatedError where it changed since. Events are values: they may be pickled and used by several
    threads.
    """

    path: FcsFile
    version: str
    n_events: int
    channels: tuple[Channel, ...]
    keywords: Mapping[str, str] = field(repr=False)
    spillover: Spillover | None = field(repr=False)
    findings: tuple[Finding, ...]
    dataset: int
    place: DataPlace = field(repr=False)
    acquisition: Acquisition = field(default=Acquisition(), repr=False)
    analysis: Mapping[str, str] = field(default_factory=dict, repr=False)
    others: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    @property
    def n_channels(self) -> int:
        """Channels of an event."""
        return len(self.channels)

    @property
    def values(self) -> NDArray[np.generic]:
        """(n_events, n_channels) stored values after the bit mask, read anew each time.

        Unsigned integers, float32 or float64, in this machine's byte order; where channels differ, the
        smallest type that holds them all exactly.

        Raises
        ------
        FcsUnsupportedError
            No type does; `column` gives them one by one.
        """
        return read_values(self.place)

    def column(self, index: int) -> NDArray[np.generic]:
        """(n_events,) stored values of channel `index` (from 0) after the bit mask, in its own dtype."""
        return read_column(self.place, self._checked(index))

    def linear(self) -> NDArray[np.float64]:
        """(n_events, n_channels) scale values: ``$PnE``, ``$PnG`` and ``$TIMESTEP`` applied; a fresh array.

        Raises
        ------
        FcsUnsupportedError
            A 64 bit integer above 2**53 has no float64 of its own.
        """
        return read_linear(self.place)

    def linear_blocks(
        self, columns: Sequence[int], size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Scale values of some channels, block after block, for programs that walk a large file.

        Parameters
        ----------
        columns
            Channels, from 0, in the order wanted; no others are decoded.
        size
            Events in a block; the last block may be shorter.
        start, stop
            First event, and one past the last.

        Yields
        ------
        first_event, block
            The block is (len(columns), n), C-contiguous. ONE buffer is reused: copy what you keep.

        Notes
        -----
        Each call opens its own file handle, so several threads may each walk their own range.
        """
        stop = self.n_events if stop is None else stop
        if size < 1 or not 0 <= start <= stop <= self.n_events:
            raise ValueError(f"no blocks of {size} events from {start} to {stop} in {self.n_events}")
        return walk_linear_blocks(self.place, self._chosen(columns), size, start, stop)

    def linear_sample(self, columns: Sequence[int], starts: Sequence[int], size: int) -> NDArray[np.float64]:
        """Scale values of some channels in a few stretches of the file, which is opened once for all of them.

        Parameters
        ----------
        columns
            Channels, from 0, in the order wanted.
        starts
            First event of each stretch.
        size
            Events in each.

        Returns
        -------
        (n_columns, n_stretches * size) float64, one stretch behind the other.
        """
        if size < 1 or not all(0 <= start <= self.n_events - size for start in starts):
            raise ValueError(f"no stretches of {size} events at {list(starts)} in {self.n_events}")
        return read_linear_sample(self.place, self._chosen(columns), starts, size)

    def _chosen(self, columns: Sequence[int]) -> list[int]:
        chosen = list(map(int, columns))
        if chosen and not 0 <= min(chosen) <= max(chosen) < self.n_channels:
            raise IndexError(f"channels {min(chosen)} to {max(chosen)} of {self.n_channels}")
        return chosen

    def count_nonfinite(self) -> NDArray[np.int64]:
        """(n_channels, 2) NaN and infinite values of each channel; reads DATA, all of it."""
        return count_nonfinite(self.place)

    def check_data(self) -> tuple[Finding, ...]:
        """Findings that only DATA can give: NaN and infinite values, one finding a channel that has some."""
        inspection = Inspection(str(self.path), Strictness.REPORT, self.dataset)
        for channel, (n_nan, n_infinite) in zip(self.channels, self.count_nonfinite().tolist(), strict=True):
            if n_nan or n_infinite:
                what = f"holds {n_nan:,} NaN and {n_infinite:,} infinite values in {self.n_events:,} events"
                inspection.note("FCS-NONFINITE", f"channel {channel.index + 1}", what)
        return inspection.findings

    def recorded_spillover(self, detectors: Sequence[str]) -> Spillover:
        """Compensation at acquisition from ``$COMP`` or ``$DFCiTOj``; `detectors` name fluorescence detector 1, 2, ...

        Raises
        ------
        FcsFormatError, SpilloverError
            None is recorded, or none that can be a spillover matrix.
        """
        return recorded_spillover(self.keywords, detectors, str(self.path))

    def read_other(self, index: int) -> bytes:
        """Bytes of OTHER segment `index` (from 0), whose meaning only the vendor knows."""
        begin, size = self.others[index]
        with reopen_source(self.place.source) as stream:
            return read_at(stream, self.place.source, begin, size)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the whole file in hexadecimal, computed when asked for and kept."""
        source = self.place.source
        with reopen_source(source) as stream:
            try:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as problem:
                raise access_error(source.path, problem) from problem
            check_unchanged(stream, source)
        return digest

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.n_channels:
            raise IndexError(f"channel {index} of {self.n_channels}")
        return int(index)
