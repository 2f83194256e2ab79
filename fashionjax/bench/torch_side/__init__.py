"""torch's side of `peer`: for an interpreter with torch, which needs nothing of ours.

`worker.py` is started as a script and finds the modules beside it by their names.
"""
