"""What a dataset holds and what is wrong with it: `python -m fashionjax.data doctor`.

`survey` measures every example once; `statistics`, `duplicates`, `problems` and
`people` work on its arrays alone; `summary` puts their numbers together, `page` shows
them.
"""
