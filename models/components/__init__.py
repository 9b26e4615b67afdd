"""What families share: batches, distillation, randomness, loading. It knows no family."""
