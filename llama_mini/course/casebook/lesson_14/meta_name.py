"""meta_name: Hugging Face's name of a parameter, in Meta's words."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_AROUND = {"model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output"}
_WITHIN = {
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.up_proj": "feed_forward.w3",
    "mlp.down_proj": "feed_forward.w2",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
}


def _block(number: int) -> list[str]:
    return [f"model.layers.{number}.{layer}.weight" for layer in _WITHIN]


def _named(answer, *names: str) -> dict[str, str]:
    """What an answer calls each name, or that it refuses it."""
    found = {}
    for name in names:
        try:
            found[name] = answer(name)
        except ValueError:
            found[name] = "ValueError"
    return found


def _refused(answer, known: str, *unknown: str) -> dict[str, str]:
    """One name that LLaMA has; of the others only whether each is refused, and how."""
    found = _named(answer, known)
    for name in unknown:
        try:
            answer(name)
            found[name] = "accepted"
        except ValueError as error:
            said = "with" if name in str(error) else "without"
            found[name] = f"refused by ValueError, {said} the name in it"
        except Exception:
            found[name] = "refused by another error"
    return found


_UNKNOWN = (
    "model.layers.0.self_attn.rotary_emb.inv_freq",
    "model.layers.0.self_attn.q_proj.bias",
    "model.layers.0.self_attn.q_proj.weight_scale",
    "model.layers.1.mlp.gate.weight",
    "model.layers.1.mlp.q_proj.weight",
    "model.layers.1.mlp.up_proj_weight",
    "model.layers.4.self_attn.norm.weight",
    "model.norm.bias",
    "model.norm",
    "encoder.norm.weight",
    "transformer.wte.weight",
)


def _looked_up(
    around: dict[str, str] = _AROUND,
    within: dict[str, str] = _WITHIN,
    block: str = 'f"layers.{number}.{within[layer]}.weight"',
    outside: str = 'f"{around[path]}.weight"',
    number: str = "[0-9]+",
    unknown: str = "raise ValueError(name)",
) -> str:
    return (
        "import re\n\n"
        "def meta_name(name):\n"
        f"    around = {around!r}\n"
        f"    within = {within!r}\n"
        f"    in_block = re.fullmatch(r'model\\.layers\\.({number})\\.(.+)\\.weight', name)\n"
        "    path = name[:-7]\n"
        "    if in_block and in_block[2] in within:\n"
        "        number, layer = in_block.groups()\n"
        f"        return {block}\n"
        "    if path in around and name.endswith('.weight'):\n"
        f"        return {outside}\n"
        f"    {unknown}\n"
    )


def _replaced(*exchanged: str, drop: str = "model.", **others: str) -> str:
    """A chain of `replace`, as many would write it; it lets through what it does not know."""
    words = {layer.split(".")[-1]: name.split(".")[-1] for layer, name in _WITHIN.items()}
    words |= {"self_attn": "attention", "mlp": "feed_forward"}
    words |= {"embed_tokens": "tok_embeddings", "lm_head": "output"} | others
    for one, other in zip(exchanged[::2], exchanged[1::2], strict=True):
        words[one], words[other] = words[other], words[one]
    # Longer words first: post_attention_layernorm must not be cut short by another's replacement.
    ordered = sorted(words.items(), key=lambda pair: -len(pair[0]))
    return (
        "def meta_name(name):\n"
        f"    name = name.replace({drop!r}, '')\n"
        f"    for theirs, ours in {ordered!r}:\n"
        "        name = name.replace(theirs, ours)\n"
        "    return name\n"
    )


def _by_last_word(block: str = "word in within", outside: str = "word in around") -> str:
    """Two tables by the last word alone; what it may stand in is asked as given."""
    within = {layer.split(".")[-1]: name for layer, name in _WITHIN.items()}
    around = {layer.split(".")[-1]: name for layer, name in _AROUND.items()}
    return (
        "def meta_name(name):\n"
        f"    around = {around!r}\n"
        f"    within = {within!r}\n"
        "    parts = name.split('.')\n"
        "    word, leaf = parts[-2:]\n"
        "    if leaf != 'weight':\n"
        "        raise ValueError(name)\n"
        f"    if {block}:\n"
        "        return f'layers.{parts[2]}.{within[word]}.weight'\n"
        f"    if {outside}:\n"
        "        return f'{around[word]}.weight'\n"
        "    raise ValueError(name)\n"
    )


def _exchanged(one: str, other: str) -> dict[str, str]:
    return _WITHIN | {one: _WITHIN[other], other: _WITHIN[one]}


_GATE, _UP, _DOWN = "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"
_IN_ORDER = _WITHIN | {_UP: "feed_forward.w2", _DOWN: "feed_forward.w3"}
_PASSES = "return name"

EXERCISE = Exercise(
    symbol="llama_mini.weights.huggingface:meta_name",
    lesson=14,
    minutes=15,
    difficulty=2,
    cases=(
        Case("the first block", use=_named, given=args(*_block(0)), points=2),
        Case("later blocks", use=_named, given=args(*_block(3), *_block(10), *_block(79))),
        Case(
            "around the blocks",
            use=_named,
            given=args(*(f"{layer}.weight" for layer in _AROUND)),
        ),
        Case(
            "names that LLaMA does not have",
            use=_refused,
            given=args("model.layers.2.self_attn.k_proj.weight", *_UNKNOWN),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "w2 and w3 in order",
            "You number gate, up and down 1, 2, 3. Meta's w3 is the second *input* matrix, up, and "
            "w2 the way back, down: w2(silu(w1 x) · w3 x).",
            _looked_up(within=_IN_ORDER),
            also=(
                _looked_up(within=_IN_ORDER, unknown=_PASSES),
                _replaced(up_proj="w2", down_proj="w3"),
            ),
        ),
        WrongAnswer(
            "gate and up exchanged",
            "Gate and up are the wrong way round, and they have the same shape, so nothing would "
            "complain. The gate, which goes through SiLU, is w1; up is w3.",
            _looked_up(within=_exchanged(_GATE, _UP)),
            also=(
                _looked_up(within=_exchanged(_GATE, _UP), unknown=_PASSES),
                _replaced("gate_proj", "up_proj"),
            ),
        ),
        WrongAnswer(
            "the two norms exchanged",
            "The norms of a block are the wrong way round. `input_layernorm` stands before "
            "attention, so it is attention_norm; `post_attention_layernorm` comes after attention, "
            "which is before the feed-forward layer: ffn_norm.",
            _looked_up(within=_exchanged("input_layernorm", "post_attention_layernorm")),
            also=(
                _looked_up(
                    within=_exchanged("input_layernorm", "post_attention_layernorm"),
                    unknown=_PASSES,
                ),
                _replaced("input_layernorm", "post_attention_layernorm"),
            ),
        ),
        WrongAnswer(
            "model. left on",
            "Your names still begin with `model.`. Meta's begin with `layers.`, `tok_embeddings` "
            "or `norm`.",
            _looked_up(
                around={k: f"model.{v}" if "." in k else v for k, v in _AROUND.items()},
                block='f"model.layers.{number}.{within[layer]}.weight"',
            ),
            also=(_replaced(drop="no such word"),),
        ),
        WrongAnswer(
            "lstrip takes letters, not a word",
            "`lstrip('model.')` removes the letters m, o, d, e, l and the dot from the left for as "
            "long as it finds any, so `layers` loses its l. `removeprefix('model.')` removes the "
            "word.",
            _replaced(drop="no such word").replace(
                "name.replace('no such word', '')", "name.lstrip('model.')"
            ),
        ),
        WrongAnswer(
            "one digit for the block",
            "Blocks above 9 are not understood: 65B has 80 of them. Take all digits up to the next "
            "dot, `[0-9]+` in a pattern, or split the name at its dots.",
            _looked_up(number="[0-9]"),
            also=(_looked_up(number="[0-9]", unknown="return None"),),
        ),
        WrongAnswer(
            ".weight is gone",
            "The last part is missing: Meta's names end in `.weight`, too.",
            _looked_up(
                block='f"layers.{number}.{within[layer]}"',
                outside="around[path]",
            ),
            also=(
                _looked_up(
                    block='f"layers.{number}.{within[layer]}"',
                    outside="around[path]",
                    unknown=_PASSES,
                ),
            ),
        ),
        WrongAnswer(
            "self_attn and mlp stay",
            "Only the last word is translated. Meta's layers are called `attention` and "
            "`feed_forward`, where Hugging Face says `self_attn` and `mlp`.",
            _looked_up(
                within={
                    layer: f"{layer.split('.')[0]}.{name.split('.')[1]}" if "." in layer else name
                    for layer, name in _WITHIN.items()
                }
            ),
            also=(_replaced(self_attn="self_attn", mlp="mlp"),),
        ),
        WrongAnswer(
            "lm_head is left out",
            "`lm_head.weight` stands outside of `model.`, and is forgotten easily. It is Meta's "
            "`output.weight`.",
            _looked_up(around={k: v for k, v in _AROUND.items() if k != "lm_head"}),
            also=(
                _looked_up(around=_AROUND | {"lm_head": "lm_head"}),
                _replaced(lm_head="lm_head"),
            ),
        ),
        WrongAnswer(
            "unknown names pass",
            "A name that LLaMA does not have comes back as if all were well. Whoever loads the "
            "weights would not hear of it: raise ValueError, with the name in it.",
            _looked_up(unknown=_PASSES),
            also=(_replaced(), _looked_up(unknown="return None")),
        ),
        WrongAnswer(
            "another error than ValueError",
            "A name that LLaMA does not have is refused with another error than ValueError (a "
            "failed lookup gives KeyError). Whoever loads the weights waits for a ValueError: "
            "raise one, with the name in it.",
            _looked_up(unknown="return around[path]"),
            also=(
                _looked_up(unknown="raise Exception(name)"),
                _looked_up(unknown="assert False, name"),
            ),
        ),
        WrongAnswer(
            "any ending becomes .weight",
            "The end of the name is cut off unread, so a `.bias` turns into a `.weight`. LLaMA has "
            "no biases: demand that the name ends in `.weight`.",
            _looked_up()
            .replace(r"\.weight', name", r"\.[a-z_]+', name")
            .replace("name[:-7]", "name.rpartition('.')[0]")
            .replace(" and name.endswith('.weight')", ""),
        ),
        WrongAnswer(
            "more may follow .weight",
            "What follows `.weight` is not looked at, so `q_proj.weight_scale`, which quantised "
            "files have, passes for `q_proj.weight`. `re.match` asks only how a name begins: "
            "`re.fullmatch` asks for all of it.",
            _looked_up().replace("fullmatch", "match"),
            also=(
                _looked_up()
                .replace("fullmatch", "match")
                .replace("name[:-7]", "name.partition('.weight')[0]")
                .replace("name.endswith('.weight')", "'.weight' in name"),
            ),
        ),
        WrongAnswer(
            "a dot that is any character",
            "In a pattern a dot stands for any character, so `up_proj_weight` passes for "
            r"`up_proj.weight`. A dot that means a dot is `\.`.",
            _looked_up().replace(r"\.", "."),
        ),
        WrongAnswer(
            ".weight may be missing",
            "`model.norm` passes for `model.norm.weight`. `removesuffix` takes the ending off if "
            "it is there, and says nothing if it is not: ask `name.endswith('.weight')` first.",
            _looked_up()
            .replace("name[:-7]", "name.removesuffix('.weight')")
            .replace(" and name.endswith('.weight')", ""),
            also=(
                _looked_up()
                .replace(r"(.+)\.weight', name", r"(.+?)(?:\.weight)?', name")
                .replace("name[:-7]", "name.removesuffix('.weight')")
                .replace(" and name.endswith('.weight')", ""),
            ),
        ),
        WrongAnswer(
            "only the last word is read",
            "The last word before `.weight` decides, whatever stands before it, so "
            "`encoder.norm.weight` or an `mlp.q_proj.weight` passes for a parameter of LLaMA. "
            "Compare the whole path: `self_attn.q_proj` within a block, `model.norm` outside.",
            _by_last_word(),
            also=(
                _by_last_word(block="parts[1] == 'layers' and word in within"),
                _by_last_word(outside="parts[0] == 'model' and word in around"),
                _by_last_word(
                    block="parts[1] == 'layers' and word in within",
                    outside="'layers' not in parts and word in around",
                ),
            ),
        ),
        WrongAnswer(
            "an error that does not name the parameter",
            "Unknown names are refused, and the message does not say which name it was. Among "
            "hundreds of parameters that is what one wants to know: put all of `name`, as it was "
            "given, into the ValueError.",
            _looked_up(unknown="raise ValueError('unknown name')"),
            also=(_looked_up(unknown="raise ValueError"),),
        ),
    ),
    alternatives=(
        Alternative("two tables and a pattern", _looked_up()),
        Alternative(
            "an error of one's own, which is a ValueError",
            "class NoSuchParameter(ValueError):\n"
            "    pass\n\n\n" + _looked_up(unknown="raise NoSuchParameter(f'LLaMA has no {name}')"),
        ),
        Alternative(
            "a lookup whose failure is caught",
            "def meta_name(name):\n"
            f"    around = { ({f'{k}.weight': f'{v}.weight' for k, v in _AROUND.items()})!r}\n"
            f"    within = { ({f'{k}.weight': f'{v}.weight' for k, v in _WITHIN.items()})!r}\n"
            "    if name in around:\n"
            "        return around[name]\n"
            "    try:\n"
            "        model, layers, number, layer = name.split('.', 3)\n"
            "        start = {'model.layers': f'layers.{number}'}[f'{model}.{layers}']\n"
            "        return f'{start}.{within[layer]}'\n"
            "    except (KeyError, ValueError) as error:\n"
            "        raise ValueError(f'no parameter of LLaMA: {name!r}') from error\n",
        ),
        Alternative(
            "parts between the dots",
            "def meta_name(name: str) -> str:\n"
            f"    layers = {_WITHIN!r}\n"
            f"    others = {_AROUND!r}\n"
            "    stem, _, leaf = name.rpartition('.')\n"
            "    if leaf == 'weight' and stem in others:\n"
            "        return others[stem] + '.weight'\n"
            "    parts = stem.split('.')\n"
            "    layer = '.'.join(parts[3:])\n"
            "    if leaf != 'weight' or parts[:2] != ['model', 'layers'] or layer not in layers:\n"
            "        raise ValueError(f'LLaMA has no parameter {name!r}')\n"
            "    return f'layers.{parts[2]}.{layers[layer]}.weight'\n",
        ),
        Alternative(
            "all names of all blocks",
            "def meta_name(name):\n"
            f"    known = { ({f'{k}.weight': f'{v}.weight' for k, v in _AROUND.items()})!r}\n"
            f"    for theirs, ours in {_WITHIN!r}.items():\n"
            "        for block in range(200):\n"
            "            known[f'model.layers.{block}.{theirs}.weight'] = "
            "f'layers.{block}.{ours}.weight'\n"
            "    if name not in known:\n"
            "        raise ValueError(name)\n"
            "    return known[name]\n",
        ),
        Alternative(
            "a match statement",
            "def meta_name(name):\n"
            "    attention = dict(q_proj='wq', k_proj='wk', v_proj='wv', o_proj='wo')\n"
            "    mlp = dict(gate_proj='w1', up_proj='w3', down_proj='w2')\n"
            "    match name.split('.'):\n"
            "        case ['model', 'embed_tokens', 'weight']:\n"
            "            return 'tok_embeddings.weight'\n"
            "        case ['model', 'norm', 'weight']:\n"
            "            return 'norm.weight'\n"
            "        case ['lm_head', 'weight']:\n"
            "            return 'output.weight'\n"
            "        case ['model', 'layers', i, 'self_attn', p, 'weight'] if p in attention:\n"
            "            return f'layers.{i}.attention.{attention[p]}.weight'\n"
            "        case ['model', 'layers', i, 'mlp', p, 'weight'] if p in mlp:\n"
            "            return f'layers.{i}.feed_forward.{mlp[p]}.weight'\n"
            "        case ['model', 'layers', i, 'input_layernorm', 'weight']:\n"
            "            return f'layers.{i}.attention_norm.weight'\n"
            "        case ['model', 'layers', i, 'post_attention_layernorm', 'weight']:\n"
            "            return f'layers.{i}.ffn_norm.weight'\n"
            "    raise ValueError(f'unknown parameter: {name}')\n",
        ),
    ),
    hints=(
        "A name has three parts that matter: is it in a block and in which, what is the layer "
        "called there, and does it end in `.weight`? The block's number stays as it is.",
        "Two dictionaries hold all twelve translations: nine layers within a block, and three "
        "names around the blocks. Everything else is refused.",
        "`name.removesuffix('.weight').split('.')` gives the parts. If the first two are `model` "
        "and `layers`, the third is the number and the rest, joined by dots, the layer. Watch w2 "
        "and w3: down is w2, up is w3.",
    ),
)
