"""Moving tensors from mapped files to a device."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`. On the CPU it is itself, still lying in its mapped file."""
    return tensor.to(device)
