"""merge_shards: the parts of a parameter, joined."""

import torch
from torch import Tensor

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _parts(count: int, *shape: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [normal(*shape, seed=10 + index, dtype=dtype) for index in range(count)]


def _and_where_it_lies(answer, name: str, shards: list[Tensor]):
    """The result, and whether it is shard 0 itself and not a copy."""
    first = shards[0]  # the answer might change the list
    whole = answer(name, shards)
    if not isinstance(whole, Tensor):
        return whole
    return {"result": whole, "no copy of shard 0": whole.data_ptr() == first.data_ptr()}


def _function(*lines: str) -> str:
    return (
        "from llama_mini.weights import meta\n\n"
        "def merge_shards(name, shards):\n"
        "    axis = meta.shard_axis(name)\n" + "".join(f"    {line}\n" for line in lines)
    )


_WHOLE = "if axis is None or len(shards) == 1: return shards[0]"
_JOIN = "return torch.cat(shards, dim=axis)"

EXERCISE = Exercise(
    symbol="llama_mini.weights.meta:merge_shards",
    lesson=14,
    minutes=10,
    difficulty=2,
    prerequisites=("shard_axis",),
    cases=(
        Case(
            "wq in two shards",
            given=args("layers.0.attention.wq.weight", _parts(2, 4, 8)),
            another_device=True,
        ),
        Case("wo in four shards", given=args("layers.11.attention.wo.weight", _parts(4, 8, 2))),
        Case("the embeddings in two", given=args("tok_embeddings.weight", _parts(2, 6, 4))),
        Case(
            "w2 in eight, bfloat16",
            given=args("layers.3.feed_forward.w2.weight", _parts(8, 6, 3, dtype=torch.bfloat16)),
            another_device=True,
        ),
        Case("the output head in two", given=args("output.weight", _parts(2, 5, 4))),
        Case(
            "a norm, which every shard has whole",
            use=_and_where_it_lies,
            given=args("layers.0.ffn_norm.weight", _parts(4, 8)),
        ),
        Case(
            "one shard, which is whole already",
            use=_and_where_it_lies,
            given=args("layers.1.feed_forward.w1.weight", _parts(1, 6, 4)),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "always along 0",
            "Everything is joined along axis 0. `shard_axis(name)` says which axis it is: for wo, "
            "w2 and the embeddings it is 1, and norms are not joined at all.",
            _function("if len(shards) == 1: return shards[0]", "return torch.cat(shards)"),
            also=(
                _function("return torch.cat(shards)"),
                _function("return shards[0] if axis is None else torch.cat(shards)"),
                _function(_WHOLE, "return torch.cat(shards)"),
            ),
        ),
        WrongAnswer(
            "always along the last axis",
            "Everything is joined along the last axis. `shard_axis(name)` says which axis it is: "
            "for wq, wk, wv, w1, w3 and the output head it is 0, and norms are not joined at all.",
            _function("if len(shards) == 1: return shards[0]", "return torch.cat(shards, dim=-1)"),
            also=(
                _function("return torch.cat(shards, dim=-1)"),
                _function("return torch.hstack(shards)"),
                _function(_WHOLE, "return torch.cat(shards, dim=-1)"),
            ),
        ),
        WrongAnswer(
            "norms joined",
            "A norm comes out as many times too long as there are shards. Where `shard_axis` is "
            "None every shard has the whole vector: take shard 0's. (`axis or 0` turns None into "
            "0.)",
            _function(
                "if len(shards) == 1: return shards[0]", "return torch.cat(shards, dim=axis or 0)"
            ),
            also=(_function("return torch.cat(shards, dim=axis or 0)"),),
        ),
        WrongAnswer(
            "axis 0 taken for None",
            "Where the axis is 0 you return shard 0 alone: `if not axis` is true for None *and* "
            "for 0. Ask `if axis is None`.",
            _function("if not axis or len(shards) == 1: return shards[0]", _JOIN),
            also=(_function("return torch.cat(shards, dim=axis) if axis else shards[0]"),),
        ),
        WrongAnswer(
            "norms averaged",
            "You take the mean over the shards' norms. They are copies of one vector, so the mean "
            "adds nothing but rounding, and hides it if the shards don't belong together: take "
            "shard 0's.",
            _function("if axis is None: return torch.stack(shards).mean(dim=0)", _WHOLE, _JOIN),
            also=(
                _function("if axis is None: return torch.stack(shards).mean(dim=0)", _JOIN),
                _function("if axis is None: return sum(shards) / len(shards)", _WHOLE, _JOIN),
            ),
        ),
        WrongAnswer(
            "norms added",
            "You add the shards' norms up. They are copies of one vector, not shares of it: take "
            "shard 0's.",
            _function("if axis is None: return torch.stack(shards).sum(dim=0)", _WHOLE, _JOIN),
            also=(_function("if axis is None: return sum(shards)", _JOIN),),
        ),
        WrongAnswer(
            "added instead of joined",
            "You add the parts of wo, w2 or the embeddings up. It is the *results* that are added "
            "when each GPU multiplies with its own part; the parts themselves stand side by side, "
            "along axis 1.",
            _function(_WHOLE, "if axis == 1: return torch.stack(shards).sum(dim=0)", _JOIN),
            also=(_function(_WHOLE, "return sum(shards) if axis == 1 else torch.cat(shards)"),),
        ),
        WrongAnswer(
            "stacked",
            "`torch.stack` makes a new axis for the shards. `torch.cat` joins along one that is "
            "there.",
            _function(_WHOLE, "return torch.stack(shards, dim=axis)"),
            also=(
                _function("if axis is None: return shards[0]", "return torch.stack(shards, axis)"),
            ),
        ),
        WrongAnswer(
            "the last shard first",
            "The shards are joined from the last to the first. Shapes fit, so nothing complains: "
            "part 0 comes first.",
            _function(_WHOLE, "return torch.cat(shards[::-1], dim=axis)"),
            also=(
                _function(
                    "if axis is None: return shards[0]", "return torch.cat(shards[::-1], axis)"
                ),
                _function(
                    "if axis is None: return shards[-1]", "return torch.cat(shards[::-1], axis)"
                ),
            ),
        ),
        WrongAnswer(
            "the last shard's norm",
            "Of a norm you return the last shard's copy. In Meta's files the copies are equal, but "
            "only shard 0's is read from disk, and what is asked for is that very tensor: "
            "`shards[0]`.",
            _function("if axis is None: return shards[-1]", _JOIN),
            also=(
                _function("if axis is None or len(shards) == 1: return shards[-1]", _JOIN),
                _function("return shards.pop() if axis is None else torch.cat(shards, axis)"),
            ),
        ),
        WrongAnswer(
            "the other axis",
            "You join along the axis that was not cut. `shard_axis(name)` is the axis to join "
            "along, as it is: 0 puts the parts below each other, 1 side by side.",
            _function(_WHOLE, "return torch.cat(shards, dim=1 - axis)"),
            also=(
                _function(
                    "if axis is None: return shards[0]", "return torch.cat(shards, 1 - axis)"
                ),
            ),
        ),
        WrongAnswer(
            "shard 0 repeated",
            "The shape is right, and every part in it is shard 0. Join the list itself: each shard "
            "has a part of its own.",
            _function(_WHOLE, "return torch.cat([shards[0]] * len(shards), dim=axis)"),
            also=(
                _function(
                    "if axis is None: return shards[0]",
                    "return torch.cat([shards[0] for _ in shards], axis)",
                ),
            ),
        ),
        WrongAnswer(
            "None taken for an axis",
            "For a norm `shard_axis` gives None, and `torch.cat` cannot join along None. A norm is "
            "not joined: where the axis is None, return `shards[0]`.",
            _function(_JOIN),
            also=(
                _function("return torch.cat(shards, axis)"),
                _function("return torch.concat(shards, dim=axis)"),
                _function("if len(shards) == 1: return shards[0]", _JOIN),
                _function(
                    "if len(shards) == 1: return shards[0]", "return torch.cat(shards, axis)"
                ),
                _function(
                    "if len(shards) == 1: return shards[0]", "return torch.concat(shards, dim=axis)"
                ),
            ),
        ),
        WrongAnswer(
            "only shard 0",
            "You return shard 0 and forget the others. That is right for norms alone.",
            _function("return shards[0]"),
        ),
        WrongAnswer(
            "rows taken in turn",
            "You take a row of each shard in turn. A shard holds its rows (or columns) in one "
            "block: all of shard 0, then all of shard 1.",
            _function(_WHOLE, "return torch.stack(shards, dim=axis + 1).flatten(axis, axis + 1)"),
        ),
        WrongAnswer(
            "reshaped to fit",
            "Where the axis is 1 you join along 0 and reshape until it fits. The shape is right "
            "and nearly every number stands in a wrong place: join along axis 1.",
            _function(
                _WHOLE,
                "whole = torch.cat(shards)",
                "return whole.reshape(len(shards[0]), -1) if axis == 1 else whole",
            ),
        ),
        WrongAnswer(
            "cast to float32",
            "The result is float32 whatever the shards are, which takes twice the memory of the "
            "file. Leave the dtype as it is.",
            _function(
                "shards = [shard.float() for shard in shards]",
                _WHOLE,
                _JOIN,
            ),
            also=(
                _function(_WHOLE, "return torch.cat(shards, dim=axis).float()"),
                _function(
                    "shards = [shard.to(torch.float32) for shard in shards]",
                    "return shards[0] if axis is None else torch.cat(shards, dim=axis)",
                ),
            ),
        ),
        WrongAnswer(
            "a single shard is copied",
            "`torch.cat` of one tensor makes a copy. The tensor may lie in a mapped file, and 7B "
            "is one shard: copying it would hold every weight twice. Return the shard itself.",
            _function("if axis is None: return shards[0]", _JOIN),
        ),
        WrongAnswer(
            "copies what is whole",
            "`clone` (or joining one part) makes a copy of what is whole already. The tensor may "
            "lie in a mapped file: return shard 0's own.",
            _function(
                "if axis is None or len(shards) == 1: return shards[0].clone()",
                _JOIN,
            ),
            also=(
                _function("return torch.cat(shards[:1] if axis is None else shards, axis or 0)"),
            ),
        ),
        WrongAnswer(
            "empties the list",
            "Your code takes parts out of the list it was given, or turns it round. Whoever called "
            "you may still need it: loop over it, or make a list of your own.",
            _function(
                "if axis is None: return shards[0]",
                "whole = shards.pop(0)",
                "while shards: whole = torch.cat([whole, shards.pop(0)], dim=axis)",
                "return whole",
            ),
        ),
    ),
    alternatives=(
        Alternative("two questions", _function(_WHOLE, _JOIN)),
        Alternative(
            "by kind of axis",
            "from llama_mini.weights.meta import shard_axis\n\n"
            "def merge_shards(name: str, shards: list[Tensor]) -> Tensor:\n"
            "    if len(shards) == 1:\n"
            "        return shards[0]\n"
            "    match shard_axis(name):\n"
            "        case None:\n"
            "            return shards[0]\n"
            "        case 0:\n"
            "            return torch.vstack(shards)\n"
            "        case 1:\n"
            "            return torch.hstack(shards)\n",
        ),
        Alternative(
            "part by part",
            _function(
                "whole = shards[0]",
                "for part in shards[1:]:",
                "    whole = whole if axis is None else torch.cat((whole, part), axis)",
                "return whole",
            ),
        ),
        Alternative(
            "into a tensor of the right size",
            _function(
                _WHOLE,
                "shape = list(shards[0].shape)",
                "width = shape[axis]",
                "shape[axis] *= len(shards)",
                "whole = shards[0].new_empty(shape)",
                "for place, part in enumerate(shards):",
                "    whole.narrow(axis, place * width, width).copy_(part)",
                "return whole",
            ),
        ),
        Alternative(
            "transposed, joined below, transposed",
            _function(
                _WHOLE,
                "if axis == 0: return torch.concat(shards)",
                "return torch.concat([part.T for part in shards]).T",
            ),
        ),
    ),
    hints=(
        "`shard_axis(name)` knows the axis. What is left to do if it says None, and what if there "
        "is one shard only?",
        "`torch.cat(parts, dim=…)` joins along an axis that exists. Two situations need no "
        "joining: a norm, and a list of one. Both return `shards[0]` itself.",
        "Ask `if axis is None or len(shards) == 1`. Not `if not axis`: 0 is an axis, and is false.",
    ),
)
