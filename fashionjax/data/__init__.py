"""Datasets, label maps and the host side input pipeline. Imports no jax."""
