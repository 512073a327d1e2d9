"""One set of circumstances for everybody: what is judged runs the same whatever a notebook has set.

A notebook may have switched gradients off, put tensors on another device by default, or changed how
numbers are printed. The reference, the bank of mistakes and a learner's answer all run under the
settings below, and the notebook gets its own back.
"""

import contextlib
import contextvars
import copy
import os
import random
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch

_DEVICES = ("cpu", "cuda", "mps", "xpu")
_THREADS = 1
_RECURSION_LIMIT = 3_000
_entered = contextvars.ContextVar("entered", default=False)


@contextlib.contextmanager
def the_same_for_all() -> Iterator[None]:
    """Judge an answer under settings that never vary, and give back afterwards what was there.

    Those of `the_same_numbers`, and besides PyTorch's and NumPy's print options, warnings, Python's
    recursion limit, the working folder and the environment. Within itself it is `the_same_numbers`
    alone: what surrounds a block gives the rest back.
    """
    if _entered.get():
        with the_same_numbers():
            yield
        return
    entered = _entered.set(True)
    try:
        with _process(), _printing(), warnings.catch_warnings(), the_same_numbers():
            yield
    finally:
        _entered.reset(entered)


@contextlib.contextmanager
def the_same_numbers() -> Iterator[None]:
    """Compute under settings that never vary: cheap enough for every case that is run.

    PyTorch's gradient, inference and anomaly mode, autocast, default dtype and device, threads,
    precision of products and deterministic algorithms; and the random generators of PyTorch, NumPy
    and Python, begun anew.
    """
    with (
        _random_numbers(),
        _numbers(),
        _autocast(),
        torch.inference_mode(False),
        torch.enable_grad(),
        _default_device(),
    ):
        yield


@contextlib.contextmanager
def _random_numbers() -> Iterator[None]:
    generator = torch.default_generator  # torch.manual_seed would also queue work for a GPU
    before = generator.get_state(), np.random.get_state(), random.getstate()
    generator.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    try:
        yield
    finally:
        generator.set_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])


@contextlib.contextmanager
def _numbers() -> Iterator[None]:
    before = _numbers_now()
    _set_numbers(torch.float32, _THREADS, "highest", False, False, False)
    try:
        yield
    finally:
        _set_numbers(*before)


def _numbers_now() -> tuple[torch.dtype, int, str, bool, bool, bool]:
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.is_anomaly_enabled(),
    )


def _set_numbers(
    dtype: torch.dtype,
    threads: int,
    products: str,
    deterministic: bool,
    warn_only: bool,
    anomaly: bool,
) -> None:
    if (dtype, threads, products, deterministic, warn_only, anomaly) == _numbers_now():
        return
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(products)
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
    torch.autograd.set_detect_anomaly(anomaly)


@contextlib.contextmanager
def _default_device() -> Iterator[None]:
    before = torch.get_default_device()
    # The innermost device counts, so the notebook's default and its `with` blocks do not. It makes
    # every operation slower, which a search of thousands would feel: only where it is needed.
    is_cpu = before.type == "cpu"
    try:
        with contextlib.nullcontext() if is_cpu else torch.device("cpu"):
            yield
    finally:
        if torch.get_default_device() != before:
            torch.set_default_device(None if is_cpu else before)


@contextlib.contextmanager
def _autocast() -> Iterator[None]:
    before = {device: torch.is_autocast_enabled(device) for device in _DEVICES}
    try:
        for device in _DEVICES:
            torch.set_autocast_enabled(device, False)
        yield
    finally:
        for device, enabled in before.items():
            torch.set_autocast_enabled(device, enabled)


@contextlib.contextmanager
def _printing() -> Iterator[None]:
    options = torch._tensor_str.PRINT_OPTS  # torch has a setter, and no getter
    before = copy.copy(vars(options))
    torch.set_printoptions(profile="default")
    try:
        with np.printoptions(precision=8, threshold=1000, suppress=False):
            yield
    finally:
        vars(options).update(before)


@contextlib.contextmanager
def _process() -> Iterator[None]:
    limit, folder, environment = sys.getrecursionlimit(), _folder(), dict(os.environ)
    sys.setrecursionlimit(max(limit, _RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
        if folder is not None and _folder() != folder:
            os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None
