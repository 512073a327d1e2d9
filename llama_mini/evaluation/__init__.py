"""How good a model is: the likelihood it gives to a text."""

from llama_mini.evaluation.perplexity import nats_per_token, token_log_likelihoods

__all__ = ["nats_per_token", "token_log_likelihoods"]
