"""The documents' tables beside our own: `python -m fashionjax.reproduce TABLE`.

`tables` says which runs fill which cells; `runs` makes them; `values` reads their
numbers; `page` and `text` write them down, `figures` draws.
"""
