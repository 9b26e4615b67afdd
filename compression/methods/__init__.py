"""Ways to make a network smaller: pruning, distillation into students, quantisation, fine-tuning."""
