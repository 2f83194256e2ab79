"""What training costs on the machine at hand: `python -m fashionjax.bench --help`."""
