"""RMSNorm: keep a vector's direction, set its length (Zhang & Sennrich 2019, arXiv 1910.07467)."""

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Divide each vector by its root mean square, then scale every dimension by a learned weight.

    x (..., dim) in any floating dtype → the same shape and dtype, if the weight has that dtype too.
    `.weight` (dim,) starts at ones. The mean square is taken in float32, because squares of float16
    overflow at 256 and bfloat16 keeps only 8 bits; the result goes back to the dtype of x before
    the weight is applied. `eps` sits inside the root, so a vector of zeros stays zeros.
    Raises ValueError if the last dimension of x is not dim.
    Source: equation 4 of the paper; the order of the casts is that of Meta's LLaMA code.
    """

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1:] != self.weight.shape:
            raise ValueError(f"x must end in {len(self.weight)} dimensions; got {tuple(x.shape)}.")
        wide = x.float()
        mean_square = wide.pow(2).mean(dim=-1, keepdim=True)  # (..., 1)
        normalized = wide * torch.rsqrt(mean_square + self.eps)
        return normalized.type_as(x) * self.weight
