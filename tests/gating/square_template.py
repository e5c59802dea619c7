"""Parts of a template over a square of 100 x 100 events, for the tests of validation."""

from __future__ import annotations

HEAD = """
[template]
id = "square"
version = "1"

[markers]
X = { scale = "unit" }
Y = { scale = "unit" }

[scales]
unit = { kind = "linear", t = 100 }

[compensation]
source = "none"
"""

BOX = """
[[gate]]
name = "Box"
rectangle = { X = { min = 0.2, max = 0.6 }, Y = { max = 0.5 } }
"""

STRIP = """
[[gate]]
name = "Strip"
parent = "Box"
range = { x = "X", min = 0.4 }
"""
