"""Running a bundle's graphs: sessions, limits, first use, latency, and the check of a machine."""
