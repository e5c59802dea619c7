"""FCS files: bytes to `Events`, and back.

A file is opened (`source`), its HEADER says where TEXT is (`header`, `segments`), TEXT becomes keywords (`text`,
`keywords`), keywords become the layout of an event (`layout`), channels with their scale (`channels`), a spillover
matrix (`spilltext`), all three once for files that say the same of them (`panels`), and facts of the acquisition
(`acquisition`). Where DATA lies is proved, not believed (`offsets`), and what stands before and after it is looked at
(`datasets`, `checksum`). DATA itself waits in the file and is read chunk by chunk (`chunks`; `digits` where it is
written as text) to numbers as they are stored (`stored`) or scaled (`linear`); `events` has them. `reader` tells this
in order. A file that is named by its URL is copied first (`remote`). Whoever needs the file's digest beside its events
reads it once for both (`digested`).

Whatever is odd becomes a `Finding` (`findings`) with a stable code from one `catalogue`; whatever leaves the
values in doubt is refused with an `FcsError`. `writer` writes files that this reader, and others, read back exactly.
"""

from immunoprofile.fcs.acquisition import Acquisition
from immunoprofile.fcs.catalogue import ERRORS, FINDINGS, PASSING
from immunoprofile.fcs.channels import Channel
from immunoprofile.fcs.digested import DigestedEvents
from immunoprofile.fcs.events import Events
from immunoprofile.fcs.findings import Finding, Strictness
from immunoprofile.fcs.reader import read_fcs, read_fcs_datasets
from immunoprofile.fcs.remote import FcsFile, RemoteFile, locate_file, version_of
from immunoprofile.fcs.source import access_error, digest_of_fcs
from immunoprofile.fcs.writer import ChannelSpec, write_fcs

__all__ = [
    "ERRORS",
    "FINDINGS",
    "PASSING",
    "Acquisition",
    "Channel",
    "ChannelSpec",
    "DigestedEvents",
    "Events",
    "FcsFile",
    "Finding",
    "RemoteFile",
    "Strictness",
    "access_error",
    "digest_of_fcs",
    "locate_file",
    "read_fcs",
    "read_fcs_datasets",
    "version_of",
    "write_fcs",
]
