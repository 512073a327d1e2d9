"""shard_axis: which way Meta cut each parameter over its shards."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args
from llama_mini.course.judge.snapshot import Failure, failure

_LAYERS = {
    "wq": 0, "wk": 0, "wv": 0, "wo": 1, "w1": 0, "w2": 1, "w3": 0,
    "attention_norm": None, "ffn_norm": None,
    "tok_embeddings": 1, "norm": None, "output": 0,
}  # fmt: skip
_ATTENTION = ("attention.wq", "attention.wk", "attention.wv", "attention.wo")
_FEED_FORWARD = ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3")


def _weights(layer: int, *names: str) -> list[str]:
    return [f"layers.{layer}.{name}.weight" for name in names]


def _axes(answer, *names: str) -> dict[str, int | Failure | None]:
    """The answer for each name, or that it raised."""
    found = {}
    for name in names:
        try:
            found[name] = answer(name)
        except NotImplementedError:
            raise  # nothing has been written yet
        except Exception as error:
            found[name] = failure(error)
    return found


def _table(**changed: int | None) -> str:
    """An answer that looks the layer's own name up, with some axes changed."""
    return (
        "def shard_axis(name):\n"
        f"    axes = {(_LAYERS | changed)!r}\n"
        "    return axes[name.split('.')[-2]]\n"
    )


def _rules(*lines: str) -> str:
    return "def shard_axis(name):\n" + "".join(f"    {line}\n" for line in lines)


_ENDS_IN_ONE = "if name.endswith(('wo.weight', 'w2.weight')) or 'tok_embeddings' in name: return 1"
_NORMS = "if 'norm' in name: return None"

EXERCISE = Exercise(
    symbol="llama_mini.weights.meta:shard_axis",
    lesson=14,
    minutes=10,
    difficulty=2,
    cases=(
        Case("attention", use=_axes, given=args(*_weights(0, *_ATTENTION))),
        Case("feed-forward", use=_axes, given=args(*_weights(3, *_FEED_FORWARD))),
        Case(
            "the embeddings and the output head",
            use=_axes,
            given=args("tok_embeddings.weight", "output.weight"),
        ),
        Case(
            "the norms, beside a matrix",
            use=_axes,
            given=args("norm.weight", *_weights(1, "attention_norm", "ffn_norm", "attention.wo")),
        ),
        Case(
            "layers 10 and 79",
            use=_axes,
            given=args(
                *_weights(10, *_ATTENTION, *_FEED_FORWARD, "attention_norm"),
                *_weights(79, *_ATTENTION, *_FEED_FORWARD, "ffn_norm"),
            ),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "everything along 0",
            "Every matrix is cut by its rows here. `wo` and `w2` read what the matrix before them "
            "made, of which a shard has its share only: they are cut by their inputs, axis 1. So "
            "are the embeddings, along dim.",
            _table(wo=0, w2=0, tok_embeddings=0),
            also=(_rules("return None if 'norm' in name else 0"),),
        ),
        WrongAnswer(
            "wo and w2 along 0",
            "`wo` and `w2` are cut by their inputs, axis 1. They read what wq…wv and w1, w3 made, "
            "and of that a shard has its own share only.",
            _table(wo=0, w2=0),
            also=(_rules(_NORMS, "return 1 if name.startswith('tok_') else 0"),),
        ),
        WrongAnswer(
            "w2 along 0",
            "`wo` is right, and `w2` is its like: it reads the hidden units, of which a shard has "
            "its share only. It is cut along axis 1.",
            _table(w2=0),
        ),
        WrongAnswer(
            "wo along 0",
            "`w2` is right, and `wo` is its like: it reads the heads, of which a shard has some "
            "only. It is cut along axis 1.",
            _table(wo=0),
        ),
        WrongAnswer(
            "w3 taken for the way back",
            "The way back from the hidden units is `w2`, not `w3`: w2(silu(w1 x) · w3 x). `w1` and "
            "`w3` stand side by side and are cut alike, along 0.",
            _table(w2=0, w3=1),
        ),
        WrongAnswer(
            "the embeddings by vocabulary",
            "Cutting the embeddings by tokens, axis 0, is what Llama 3 does. LLaMA 1 cuts each "
            "token's vector: axis 1, along dim.",
            _table(tok_embeddings=0),
            also=(_rules(_NORMS, "return 1 if name.endswith(('wo.weight', 'w2.weight')) else 0"),),
        ),
        WrongAnswer(
            "the embeddings are not cut",
            "You leave the embeddings whole. Each shard holds dim / shards numbers of every "
            "token's vector: axis 1.",
            _table(tok_embeddings=None),
        ),
        WrongAnswer(
            "the output head along 1",
            "The output head makes one logit a token, and each shard makes the logits of some "
            "tokens: it is cut by its outputs, axis 0. It is the embeddings that are cut along 1.",
            _table(output=1),
        ),
        WrongAnswer(
            "columns for axis 1",
            "Your 0 and 1 are the wrong way round. Papers write x·A and cut the *columns* of A; "
            "torch keeps a weight as (out, in), which is A transposed: that cut is along axis 0.",
            _table(**{name: 1 - axis for name, axis in _LAYERS.items() if axis is not None}),
        ),
        WrongAnswer(
            "norms along 0",
            "A norm's weight is not cut: every shard has all of it, so the answer is None. (Does a "
            "test such as `'.w' in name` catch it? Every name ends in `.weight`.)",
            _table(attention_norm=0, ffn_norm=0, norm=0),
            also=(
                _rules(_ENDS_IN_ONE, "return 0"),
                _rules(_ENDS_IN_ONE, "if '.w' in name: return 0", "return None"),
            ),
        ),
        WrongAnswer(
            "the last norm is cut",
            "The norms within the layers are right; the last one, `norm.weight`, is one, too. "
            "Every shard has all of it: None.",
            _table(norm=0),
            also=(_rules(_ENDS_IN_ONE, "return None if '_norm' in name else 0"),),
        ),
        WrongAnswer(
            "attention_norm taken for attention",
            "`attention_norm` begins like the attention layer, and is a norm: every shard has all "
            "of it, None. Ask for the norms first, or for a part of the name as a whole.",
            _table(attention_norm=0),
        ),
        WrongAnswer(
            "norms refused",
            "Your code raises an error for the norms. They are parameters of LLaMA, too: every "
            "shard has all of them, and the answer is None.",
            _rules(
                f"axes = { ({k: v for k, v in _LAYERS.items() if v is not None})!r}",
                "return axes[name.split('.')[-2]]",
            ),
            also=(
                _rules(
                    f"axes = { ({k: v for k, v in _LAYERS.items() if v is not None})!r}",
                    "layer = name.split('.')[-2]",
                    "if layer not in axes: raise ValueError(name)",
                    "return axes[layer]",
                ),
            ),
        ),
        WrongAnswer(
            "-1 for what is whole",
            "For what is not cut you return a number. None is asked for: -1 is an axis to torch, "
            "the last one, and whoever joins along it would join the norms.",
            _table(attention_norm=-1, ffn_norm=-1, norm=-1),
        ),
        WrongAnswer(
            "one digit for the layer",
            "Layers above 9 are not understood: 65B has 80 of them. Take all digits up to the next "
            "dot, `[0-9]+` in a pattern, or split the name at its dots.",
            _rules(
                f"axes = {_LAYERS!r}",
                "short = name[9:] if name.startswith('layers') else name",
                "return axes[short.split('.')[-2] if short[0] != '.' else short]",
            ),
            also=(
                _rules(
                    f"axes = {_LAYERS!r}",
                    "short = name[9:] if name.startswith('layers') else name",
                    "return axes.get(short.split('.')[-2] if short[0] != '.' else short)",
                ),
                _rules(
                    _NORMS,
                    "if name.startswith('layers') and name[8] != '.': raise ValueError(name)",
                    _ENDS_IN_ONE,
                    "return 0",
                ),
            ),
        ),
    ),
    alternatives=(
        Alternative("a table by the layer's own name", _table()),
        Alternative("three questions", _rules(_NORMS, _ENDS_IN_ONE, "return 0")),
        Alternative(
            "three sets",
            "def shard_axis(name: str) -> int | None:\n"
            "    *_, layer, leaf = name.split('.')\n"
            "    if layer in {'wq', 'wk', 'wv', 'w1', 'w3', 'output'}:\n"
            "        return 0\n"
            "    if layer in {'wo', 'w2', 'tok_embeddings'}:\n"
            "        return 1\n"
            "    if layer in {'attention_norm', 'ffn_norm', 'norm'}:\n"
            "        return None\n"
            "    raise ValueError(f'not a parameter of LLaMA: {name}')\n",
        ),
        Alternative(
            "a pattern for each axis",
            "import re\n\n"
            "def shard_axis(name):\n"
            "    for axis, pattern in enumerate((r'w[qkv13]|output', r'w[o2]|tok_embeddings')):\n"
            "        if re.search(rf'(^|\\.)({pattern})\\.weight$', name):\n"
            "            return axis\n"
            "    return None\n",
        ),
    ),
    hints=(
        "There are three kinds: layers that make shares of something new, layers that read such "
        "shares, and vectors so small that everybody has a copy.",
        "`name.split('.')` ends in the layer's own name and `weight`. Twelve of them matter: four "
        "and three matrices, two norms, and three around the layers.",
        "Axis 1: `wo`, `w2` and `tok_embeddings`. None: whatever has `norm` in its name. The rest: "
        "axis 0.",
    ),
)
