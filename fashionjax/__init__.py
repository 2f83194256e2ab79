"""Clothing parsing in JAX and Flax."""
