"""How many operations a second a device could do at most, where that is known."""

import torch

# Dense products of 16-bit numbers, as the makers' data sheets print them (where they print a rate
# with sparsity, half of that). The names are part of what CUDA calls the devices.
_PEAKS_16_BIT = {
    "H200": 989e12,
    "H100 80GB HBM3": 989e12,
    "A100": 312e12,
}


def known_peak(device: torch.device, dtype: torch.dtype) -> float | None:
    """Floating-point operations a second of a device's matrix products in `dtype`, if known."""
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _PEAKS_16_BIT.items() if part in name), None)
