"""From a model's probabilities to better ones."""

from fashionjax.postprocess.dense_crf import dense_crf

__all__ = ["dense_crf"]
