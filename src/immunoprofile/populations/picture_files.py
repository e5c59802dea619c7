"""Where a sample's histograms lie in a results folder."""

from __future__ import annotations

import re

from immunoprofile.provenance import digest_of_bytes

PICTURES = "pictures"
"""Folder of the pictures below a results folder."""


def picture_name(sample_id: str) -> str:
    """The file of a sample below ``pictures/``: its id where that can be a file's name, else its start and a digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", sample_id)[:80].lstrip(".")
    # Names that differ in case only are one file on some systems.
    same = plain == sample_id and plain == plain.casefold()
    return f"{plain}.json" if same else f"{plain}-{digest_of_bytes(sample_id.encode())[:8]}.json"
