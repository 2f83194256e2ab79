"""The datasets: how each is prepared and read."""
