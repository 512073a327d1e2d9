"""Mistakes in translating names, written apart from the casebook, for other blocks."""

from llama_mini.course.casebook.lesson_14.meta_name import _named, _refused
from llama_mini.course.judge.exercise import Case, args

BLOCK = (
    "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp.gate_proj "
    "mlp.up_proj mlp.down_proj input_layernorm post_attention_layernorm"
).split()

CASES = (
    Case(
        "blocks 5 and 31",
        use=_named,
        given=args(*(f"model.layers.{n}.{layer}.weight" for n in (5, 31) for layer in BLOCK)),
    ),
    Case(
        "around",
        use=_named,
        given=args("lm_head.weight", "model.norm.weight", "model.embed_tokens.weight"),
    ),
    Case(
        "unknown",
        use=_refused,
        given=args(
            "model.layers.59.mlp.down_proj.weight",
            "model.layers.7.self_attn.o_proj.bias",
            "lm_head.bias",
            "model.layers.7.self_attn.o_proj.weight_packed",
            "model.layers.7.self_attn.q_norm.weight",
            "model.layers.7.self_attn.down_proj.weight",
            "model.layers.7.mlp.gate_proj_weight",
            "model.embed_positions.weight",
            "model.embed_tokens",
            "vision.embed_tokens.weight",
        ),
    ),
)

HEAD = """
def meta_name(name):
    proj = {"q": "attention.wq", "k": "attention.wk", "v": "attention.wv", "o": "attention.wo",
            "gate": "feed_forward.w1", "up": "feed_forward.w3", "down": "feed_forward.w2"}
    norms = {"input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm"}
    outer = {"embed_tokens": "tok_embeddings", "norm": "norm"}
"""
BODY = """
    p = name.split(".")
    if p[-1] != "weight":
        raise ValueError(name)
    if p == ["lm_head", "weight"]:
        return "output.weight"
    if p[0] != "model":
        raise ValueError(name)
    if p[1] != "layers":
        if len(p) != 3 or p[1] not in outer:
            raise ValueError(name)
        return outer[p[1]] + ".weight"
    if len(p) == 5 and p[3] in norms:
        return ".".join(["layers", p[2], norms[p[3]], "weight"])
    short = p[4].removesuffix("_proj")
    side = "mlp" if short in ("gate", "up", "down") else "self_attn"
    if short not in proj or p[3:-1] != [side, short + "_proj"]:
        raise ValueError(name)
    return ".".join(["layers", p[2], proj[short], "weight"])
"""
RIGHT = HEAD + BODY


def changed(*pairs: str) -> str:
    code = RIGHT
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in code, old
        code = code.replace(old, new)
    return code


PATTERNS = """
import re

def meta_name(name):
    for pattern, word in [
        (r"modelDOTlayersDOT(\\d+)DOTself_attnDOT([qkvo])_projDOTweight", "attention.w{}"),
        (r"modelDOTlayersDOT(\\d+)DOTmlpDOT(gate|up|down)_projDOTweight", "feed_forward.{}"),
        (r"modelDOTlayersDOT(\\d+)DOT(input|post_attention)_layernormDOTweight", "{}_norm"),
    ]:
        if m := re.fullmatch(pattern, name):
            words = dict(gate="w1", up="w3", down="w2", input="attention", post_attention="ffn")
            return f"layers.{m[1]}." + word.format(words.get(m[2], m[2])) + ".weight"
    ends = dict(embed_tokens="tok_embeddings", norm="norm", head="output")
    if m := re.fullmatch(r"(?:modelDOT|lm_)(embed_tokens|norm|head)DOTweight", name):
        return ends[m[1]] + ".weight"
    raise ValueError(name)
"""

VARIANTS = {
    "w2 and w3 in order": changed(
        '"up": "feed_forward.w3", "down": "feed_forward.w2"',
        '"up": "feed_forward.w2", "down": "feed_forward.w3"',
    ),
    "gate and up exchanged": changed(
        '"gate": "feed_forward.w1", "up": "feed_forward.w3"',
        '"gate": "feed_forward.w3", "up": "feed_forward.w1"',
    ),
    "the two norms exchanged": changed(
        '"attention_norm"', '"X"', '"ffn_norm"', '"attention_norm"', '"X"', '"ffn_norm"'
    ),
    "model. left on": changed(
        '["layers", p[2]', '["model", "layers", p[2]', "return outer[", 'return "model." + outer['
    ),
    "lstrip takes letters, not a word": """
def meta_name(name):
    table = {"self_attn": "attention", "mlp": "feed_forward", "q_proj": "wq", "k_proj": "wk",
             "v_proj": "wv", "o_proj": "wo", "gate_proj": "w1", "up_proj": "w3",
             "down_proj": "w2", "input_layernorm": "attention_norm", "lm_head": "output",
             "post_attention_layernorm": "ffn_norm", "embed_tokens": "tok_embeddings"}
    return ".".join(table.get(part, part) for part in name.lstrip("model.").split("."))
""",
    "one digit for the block": [
        changed("p[-1] !=", 'p[1] == "layers" and len(p[2]) > 1 or p[-1] !='),
        "import re\n"
        + changed(
            'p = name.split(".")',
            'p = name.split(".")\n'
            '    if p[1] == "layers" and not re.match(r"model.layers.\\d\\.", name):\n'
            '        raise ValueError("no layer")',
        ),
    ],
    ".weight is gone": changed(
        ', "weight"])', "])", '"output.weight"', '"output"', '] + ".weight"', "]"
    ),
    "self_attn and mlp stay": changed("attention.w", "self_attn.w", "feed_forward.", "mlp."),
    "lm_head is left out": changed(
        'if p == ["lm_head", "weight"]:\n        return "output.weight"\n    ', ""
    ),
    "unknown names pass": [
        RIGHT.replace("raise ValueError(name)", "return name"),
        RIGHT.replace("raise ValueError(name)", "return None"),
    ],
    "another error than ValueError": RIGHT.replace(
        "raise ValueError(name)", "raise KeyError(name)"
    ),
    "more may follow .weight": changed('p[-1] != "weight"', '"weight" not in p[-1][:6]'),
    "a dot that is any character": PATTERNS.replace("DOT", "."),
    ".weight may be missing": changed(
        'p = name.split(".")\n',
        'name = name if name.endswith(".weight") or name.count(".") > 1 else name + ".weight"\n'
        '    p = name.split(".")\n',
    ),
    "only the last word is read": [
        """
def meta_name(name):
    *_, word, leaf = [""] + name.split(".")
    names = dict(q_proj="attention.wq", k_proj="attention.wk", v_proj="attention.wv",
                 o_proj="attention.wo", gate_proj="feed_forward.w1", up_proj="feed_forward.w3",
                 down_proj="feed_forward.w2", input_layernorm="attention_norm",
                 post_attention_layernorm="ffn_norm")
    outer = dict(embed_tokens="tok_embeddings", norm="norm", lm_head="output")
    if leaf != "weight" or word not in names and word not in outer:
        raise ValueError("LLaMA has no " + name)
    if word in outer:
        return outer[word] + ".weight"
    return "layers." + name.split(".")[2] + "." + names[word] + ".weight"
""",
    ],
    "an error that does not name the parameter": RIGHT.replace(
        "raise ValueError(name)", 'raise ValueError("no such parameter")'
    ),
    "any ending becomes .weight": changed(
        'if p[-1] != "weight":\n        raise ValueError(name)\n    if p == ["lm_head", "weight"]',
        'if p[0] == "lm_head"',
    ),
}
