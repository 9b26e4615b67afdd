"""Monitoring of a training: its pace and time left, figures and pictures of epochs, and divergence."""
