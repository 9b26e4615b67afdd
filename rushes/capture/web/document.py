"""The page as one document: its style and scripts stand in it, and its policy allows these alone."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files

PARTS = {
    "style.css": "style",
    "sculpture.js": "script",
    "head.js": "script",
    "calibration.js": "script",
    "page.js": "script",
}


@functools.cache
def document() -> tuple[bytes, str]:
    """The page, and its Content-Security-Policy.

    Nothing is fetched but state and pictures from the same server; scripts and styles are allowed by their hashes.
    """
    folder = files("rushes.capture.web").joinpath("page")
    html = folder.joinpath("index.html").read_text(encoding="utf-8")
    hashes: dict[str, list[str]] = {"style": [], "script": []}
    for name, tag in PARTS.items():
        text = folder.joinpath(name).read_text(encoding="utf-8")
        html = html.replace(f"<!-- {name} -->", f"<{tag}>{text}</{tag}>")
        hashes[tag].append(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")
    policy = (
        f"default-src 'none'; style-src {' '.join(hashes['style'])}; script-src {' '.join(hashes['script'])}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html.encode(), policy
