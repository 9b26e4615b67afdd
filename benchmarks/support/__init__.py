"""The figures, data sets and peers that the benchmarks share."""
