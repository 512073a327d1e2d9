"""Mistakes in the axis of a cut, written apart from the casebook, for other layers."""

from llama_mini.course.casebook.lesson_14.shard_axis import _axes
from llama_mini.course.judge.exercise import Case, args

MATRICES = "feed_forward.w3 attention.wv feed_forward.w2 attention.wo attention.wq".split()

CASES = (
    Case(
        "layers 7 and 31",
        use=_axes,
        given=args(*(f"layers.{n}.{layer}.weight" for n in (7, 31) for layer in MATRICES)),
    ),
    Case(
        "the rest",
        use=_axes,
        given=args(
            "output.weight",
            "norm.weight",
            "tok_embeddings.weight",
            "layers.4.ffn_norm.weight",
            "layers.59.attention_norm.weight",
            "layers.59.feed_forward.w1.weight",
            "layers.4.attention.wk.weight",
        ),
    ),
)


def asked(norms: str, one: str, zero: str = "", otherwise: str = "0") -> str:
    """A learner's answer that asks for the kind of layer, kind by kind."""
    return (
        "def shard_axis(name):\n"
        '    layer = name.removesuffix(".weight").rpartition(".")[2]\n'
        f"    if layer in {tuple(norms.split())!r}:\n"
        "        return None\n"
        f"    if layer in {tuple(one.split())!r}:\n"
        "        return 1\n"
        f"    if layer in {tuple(zero.split())!r}:\n"
        "        return 0\n"
        f"    return {otherwise}\n"
    )


NORMS, ONE = "attention_norm ffn_norm norm", "wo w2 tok_embeddings"

VARIANTS = {
    "everything along 0": [
        asked(NORMS, ""),
        "def shard_axis(name):\n    if 'norm' not in name:\n        return 0\n",
    ],
    "wo and w2 along 0": asked(NORMS, "tok_embeddings"),
    "w2 along 0": asked(NORMS, "wo tok_embeddings"),
    "wo along 0": asked(NORMS, "w2 tok_embeddings"),
    "w3 taken for the way back": asked(NORMS, "wo w3 tok_embeddings"),
    "the embeddings by vocabulary": asked(NORMS, "wo w2"),
    "the embeddings are not cut": asked(NORMS + " tok_embeddings", "wo w2"),
    "the output head along 1": asked(NORMS, ONE + " output"),
    "columns for axis 1": [
        asked(NORMS, "wq wk wv w1 w3 output"),
        "def shard_axis(name):\n"
        "    if 'norm' in name:\n"
        "        return None\n"
        "    return int(not any(part in name for part in ('wo', 'w2', 'tok')))\n",
    ],
    "norms along 0": [
        asked("", ONE),
        "def shard_axis(name):\n"
        "    return 1 if any(part in name for part in ('.wo.', '.w2.', 'tok_emb')) else 0\n",
    ],
    "the last norm is cut": asked("attention_norm ffn_norm", ONE),
    "attention_norm taken for attention": [
        asked("ffn_norm norm", ONE),
        "def shard_axis(name):\n"
        "    if 'wo' in name or 'w2' in name or 'tok' in name:\n"
        "        return 1\n"
        "    if 'attention' in name or 'feed' in name or 'output' in name:\n"
        "        return 0\n",
    ],
    "norms refused": [
        asked("", ONE, "wq wk wv w1 w3 output", "{}[layer]"),
        asked("", ONE, "wq wk wv w1 w3 output", "{}[layer]").replace(
            "return {}[layer]", "raise ValueError(f'no axis: {name}')"
        ),
    ],
    "-1 for what is whole": asked("", ONE, "wq wk wv w1 w3 output", "-1"),
    "one digit for the layer": [
        "import re\n"
        + asked(NORMS, ONE, "wq wk wv w1 w3 output").replace(
            "    if layer in ('wo'",
            "    block = re.match(r'layers\\.\\d\\.', name)\n"
            "    if layer[0] == 'w' and not block:\n"
            "        raise AttributeError('no block')\n"
            "    if layer in ('wo'",
        ),
        "import re\n"
        + asked(NORMS, ONE).replace(
            "    layer =",
            "    if name.startswith('layers') and not re.match('layers.[0-9][.]', name):\n"
            "        return None\n"
            "    layer =",
        ),
        asked(NORMS, ONE).replace(
            "    layer =",
            "    if name.startswith('layers') and name[8] != '.':\n"
            "        raise KeyError(name)\n"
            "    layer =",
        ),
    ],
}
