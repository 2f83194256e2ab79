"""Outputs of the public implementations, and the scripts that made them.

`make_NAME.py` needs torch and the library it is named after; it writes one
`fixtures/REFERENCE.npz` for each reference. Tests need neither: weights and images are
drawn by NumPy from seeds and names (`draw.py`), and only sampled outputs are stored.
"""
