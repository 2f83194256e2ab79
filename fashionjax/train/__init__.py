"""Training: state, step, evaluation, checkpoints, logging and the loop."""
