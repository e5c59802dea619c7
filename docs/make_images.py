"""The pictures of the documentation, from a demonstration that is run for them: python docs/make_images.py

Needs Chromium, as the tests of the report do.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from chromium import Browser, open_browser  # noqa: E402


def main() -> None:
    """Run the demonstration, open its report, and keep what it looks like."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "demo"
        subprocess.run([sys.executable, "-m", "immunoprofile", "-q", "demo", "--out", str(demo)], check=True)
        with open_browser() as browser:
            browser.open(demo / "results" / "report.html", width=1000, height=1150)
            keep(browser, "report.png", (0, 0, 1000, 1150))
            browser.run("document.querySelectorAll('details.sheet')[7].open = true; scrollTo(0, 0); 1")
            top = browser.run("document.querySelectorAll('details.sheet')[7].getBoundingClientRect().top + scrollY")
            keep(browser, "contact_sheet.png", (0, top, 1000, 620))


def keep(browser: Browser, name: str, box: tuple[float, float, float, float]) -> None:
    """Write a part of the page as PNG."""
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
    shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    (DOCS / "images" / name).write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
