"""What makes a trained model cheaper to apply, without changing what it computes."""

from fashionjax.inference.batches import batch_sizes, plan_batches
from fashionjax.inference.folding import FoldedModel, fold_batch_norm

__all__ = ["FoldedModel", "batch_sizes", "fold_batch_norm", "plan_batches"]
