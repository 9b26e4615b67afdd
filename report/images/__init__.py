"""Charts and contact sheets, as PNG or SVG."""
