"""A local page that shows a running capture: the picture, a head driven by the units, and all figures."""
