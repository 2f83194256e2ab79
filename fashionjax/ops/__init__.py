"""Functions from arrays to arrays, without parameters."""
