"""Components shared by families: batches, distillation, randomness, loading. Knows no family."""
