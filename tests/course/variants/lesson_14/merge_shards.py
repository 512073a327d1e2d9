"""Mistakes in joining shards, written apart from the casebook, at other shapes and counts."""

import torch

from llama_mini.course.casebook.lesson_14.merge_shards import _and_where_it_lies
from llama_mini.course.judge.exercise import Case, args, normal


def parts(count: int, *shape: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [normal(*shape, seed=70 + index, dtype=dtype) for index in range(count)]


CASES = (
    Case("wk in four", given=args("layers.5.attention.wk.weight", parts(4, 3, 9))),
    Case("w2 in two", given=args("layers.40.feed_forward.w2.weight", parts(2, 4, 6))),
    Case(
        "embeddings in eight",
        given=args("tok_embeddings.weight", parts(8, 10, 2, dtype=torch.half)),
    ),
    Case("w3 in eight", given=args("layers.0.feed_forward.w3.weight", parts(8, 2, 5))),
    Case("the last norm", use=_and_where_it_lies, given=args("norm.weight", parts(8, 6))),
    Case(
        "wo in one",
        use=_and_where_it_lies,
        given=args("layers.2.attention.wo.weight", parts(1, 4, 4)),
    ),
)


def code(body: str) -> str:
    return "from llama_mini.weights import meta\n\ndef merge_shards(name, shards):\n" + "".join(
        f"    {line}\n" for line in body.strip().split("\n")
    )


VARIANTS = {
    "always along 0": [
        code(
            "if len(shards) > 1:\n    return torch.vstack(shards) if shards[0].ndim == 2 "
            "else torch.cat(shards)\nreturn shards[0]"
        ),
        code("return torch.cat(tuple(shards), 0)"),
    ],
    "always along the last axis": code("return torch.cat(tuple(shards), shards[0].ndim - 1)"),
    "norms joined": [
        code("dim = meta.shard_axis(name)\nreturn torch.cat(shards, 0 if dim is None else dim)"),
        code(
            "if len(shards) == 1:\n    return shards[0]\n"
            "return torch.cat(shards, dim=1 if meta.shard_axis(name) == 1 else 0)"
        ),
    ],
    "axis 0 taken for None": code(
        "if axis := meta.shard_axis(name):\n"
        "    return shards[0] if len(shards) < 2 else torch.cat(shards, axis)\n"
        "return shards[0]"
    ),
    "norms averaged": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None:\n"
        "    return torch.stack(shards, dim=-1).mean(dim=-1)\n"
        "return torch.cat(shards, dim=dim) if len(shards) > 1 else shards[0]"
    ),
    "norms added": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None:\n"
        "    total = torch.zeros_like(shards[0])\n"
        "    for shard in shards:\n"
        "        total = total + shard\n"
        "    return total\n"
        "return torch.cat(shards, dim=dim) if len(shards) > 1 else shards[0]"
    ),
    "added instead of joined": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0]\n"
        "if dim == 0:\n"
        "    return torch.cat(shards)\n"
        "total = shards[0]\n"
        "for shard in shards[1:]:\n"
        "    total = total + shard\n"
        "return total"
    ),
    "stacked": code(
        "if len(shards) == 1:\n"
        "    return shards[0]\n"
        "dim = meta.shard_axis(name)\n"
        "return torch.stack(tuple(shards), dim) if dim is not None else shards[0]"
    ),
    "the last shard first": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0]\n"
        "return torch.cat(list(reversed(shards)), dim=dim)"
    ),
    "the last shard's norm": code(
        "dim = meta.shard_axis(name)\n"
        "*_, last = shards\n"
        "if dim is None:\n"
        "    return last\n"
        "return last if len(shards) == 1 else torch.cat(tuple(shards), dim)"
    ),
    "the other axis": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0]\n"
        "return torch.hstack(shards) if dim == 0 else torch.vstack(shards)"
    ),
    "shard 0 repeated": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0]\n"
        "times = [1, 1]\n"
        "times[dim] = len(shards)\n"
        "return shards[0].repeat(times)"
    ),
    "None taken for an axis": [
        code(
            "if len(shards) < 2:\n"
            "    return shards[0]\n"
            "cut = meta.shard_axis(name)\n"
            "return torch.cat(tuple(shards), dim=cut)"
        ),
        code("return torch.cat(tuple(shards), meta.shard_axis(name))"),
    ],
    "changes a list it was given": [
        code(
            "dim = meta.shard_axis(name)\n"
            "if dim is not None and len(shards) > 1:\n"
            "    shards[0] = torch.cat(shards, dim)\n"
            "return shards[0]"
        ),
        code(
            "dim = meta.shard_axis(name)\n"
            "if dim is None or len(shards) == 1:\n"
            "    return shards[0]\n"
            "first = shards.pop(0)\n"
            "return torch.cat([first, *shards], dim=dim)"
        ),
    ],
    "only shard 0": code("whole, *rest = shards\nreturn whole"),
    "rows taken in turn": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0]\n"
        "if dim == 0:\n"
        "    return torch.stack([row for rows in zip(*shards) for row in rows])\n"
        "columns = zip(*(shard.unbind(1) for shard in shards))\n"
        "return torch.stack([column for group in columns for column in group], dim=1)"
    ),
    "reshaped to fit": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0]\n"
        "joined = torch.cat(shards, dim=0)\n"
        "rows, columns = shards[0].shape\n"
        "return joined if dim == 0 else joined.view(rows, columns * len(shards))"
    ),
    "cast to float32": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None or len(shards) == 1:\n"
        "    return shards[0].float()\n"
        "return torch.cat([part.to(torch.float) for part in shards], dim)"
    ),
    "a single shard is copied": code(
        "return torch.cat(shards, meta.shard_axis(name)) if 'norm' not in name else shards[0]"
    ),
    "copies what is whole": code(
        "dim = meta.shard_axis(name)\n"
        "return shards[0].detach().clone() if dim is None else torch.cat(shards, dim)"
    ),
    "empties the list": code(
        "dim = meta.shard_axis(name)\n"
        "if dim is None:\n"
        "    return shards[0]\n"
        "whole = shards.pop(0)\n"
        "for _ in range(len(shards)):\n"
        "    whole = torch.cat((whole, shards.pop(0)), dim)\n"
        "return whole"
    ),
}
