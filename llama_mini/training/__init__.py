"""Training: one recipe, one loop, and runs that can be stopped and continued."""

from llama_mini.training.run.loop import Trainer, train
from llama_mini.training.run.metrics import Update
from llama_mini.training.run.report import Summary, summarize
from llama_mini.training.run.settings import TrainSettings

__all__ = ["Summary", "TrainSettings", "Trainer", "Update", "summarize", "train"]
