# %% [markdown]
# # 14 · Loading the full weights
#
# **100 minutes, in two halves · under 1 GB of memory, 200 MB of disk while it runs · comes after 08 · no GPU, no network**
#
# > *65 billion numbers lie in eight files. How do they become the model you wrote?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## Whose code runs
#
# What you load in this lesson runs on your own code, wherever you have passed an exercise. That must be
# settled before a model is built.

# %%
overlay.apply()

# %% [markdown]
# ## A model that has something to lose
#
# The real files are 13 to 131 GB, and need a licence. So you make your own: a small LLaMA, written in
# **exactly** Meta's layout, with the same names, the same cuts and the same side files. What reads it
# reads the real ones.
#
# Random weights would do for comparing numbers. But a damaged model should *sound* damaged, so this one
# learns for some seconds from a text that every Python brings along: the reference of the language.

# %%
import shutil
import tempfile
from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch.nn import functional as F

from llama_mini import ModelConfig, Transformer
from llama_mini.tokenizer.sentencepiece import train_tokenizer

torch.set_num_threads(1)  # a model this small is faster on one core

temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # gone when the kernel stops
place = Path(temporary.name)


def fresh(name):
    """A path in `place` with nothing there yet, however often a cell runs."""
    if (place / name).exists():
        shutil.rmtree(place / name)
    return place / name


texts = [topics[title] for title in sorted(topics)]
tokenizer = train_tokenizer(texts, place / "tokenizer.model", vocab_size=512)
text = torch.tensor([token for topic in tokenizer.encode_batch(texts) for token in topic])
held_out, text = text[-2048:].view(16, 128), text[:-2048]

config = ModelConfig(dim=64, n_layers=2, n_heads=8, vocab_size=512, multiple_of=64)
torch.manual_seed(0)
model = Transformer(config)
optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95))
for step in range(400):
    optimizer.param_groups[0]["lr"] = 6e-3 * min(1, step / 20) * (1 - step / 400)
    starts = torch.randint(len(text) - 65, (16,))
    batch = torch.stack([text[start : start + 65] for start in starts])
    loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
model.half().float().eval()  # the numbers as float16 can hold them: that is what Meta stored


@torch.no_grad()
def nats_by_position(model):
    """The loss on held-out text, for each position of 127."""
    logits = model(held_out[:, :-1])
    return F.cross_entropy(logits.transpose(1, 2), held_out[:, 1:], reduction="none").mean(0)


right_loss = nats_by_position(model).mean().item()
print(f"{right_loss:.2f} nats per token on text it has not seen; knowing nothing, 6.24")

# %% [markdown]
# Now write it as Meta would have for two GPUs, and look at what there is:

# %%
from llama_mini.weights.formats.meta.writer import write_meta

two = write_meta(
    fresh("two"), config, model.state_dict().items(), 2, tokenizer_file=place / "tokenizer.model"
)
for file in sorted(two.iterdir()):
    print(f"{file.stat().st_size:>9,} bytes  {file.name}")
print()
print((two / "params.json").read_text())
print((two / "checklist.chk").read_text())

shards = [torch.load(file, weights_only=True) for file in sorted(two.glob("*.pth"))]
for name, tensor in model.state_dict().items():
    if name.startswith(("tok", "layers.0", "norm", "output")):
        parts = " and ".join(str(tuple(shard[name].shape)) for shard in shards)
        print(f"{name:34} {tuple(tensor.shape)!s:10} = {parts}")

# %% [markdown]
# Every matrix lies in two halves. Some are cut across, some along. The norms are there twice. Each file
# also holds `rope.freqs`, the rotary frequencies of lesson 04. They can be computed, so the loader leaves
# them out: these by name, and nothing else.
#
# ## What happens without a loader
#
# **You start Meta's program on one GPU.** It was written for as many processes as there are files, each
# with one of them. It compares the two numbers before it loads any of them:


# %%
def as_meta_began(folder, world_size=1):
    files = sorted(folder.glob("*.pth"))
    assert world_size == len(files), (
        f"Loading a checkpoint for MP={len(files)} but world size is {world_size}"
    )


try:
    as_meta_began(two)
except AssertionError as error:
    print("AssertionError:", error)

# %% [markdown]
# So 13B asks for two GPUs and 65B for eight, even where one would have the room.
#
# **You join the halves yourself**, one below the other:

# %%
joined = {name: torch.cat([shard[name] for shard in shards]) for name in model.state_dict()}
try:
    Transformer(config).load_state_dict(joined)
except RuntimeError as error:
    print("\n".join(str(error).split("\n")[:5]), "\n\t…")

# %% [markdown]
# That shouts, so it is harmless. Now somebody makes the shapes fit, with `reshape`, and takes the first
# copy of the norms. And nothing complains any more:

# %%
made_to_fit = {
    name: joined[name][: len(tensor)] if tensor.ndim == 1 else joined[name].reshape(tensor.shape)
    for name, tensor in model.state_dict().items()
}
gibberish = Transformer(config).eval()
print(gibberish.load_state_dict(made_to_fit))

from llama_mini.generation import generate


def writes(model, prompt="The expression is", count=40):
    tokens = torch.tensor([tokenizer.encode(prompt)])
    drawn = generate(model, tokens, count, 0.5, generator=torch.Generator().manual_seed(0))
    return " ".join(tokenizer.decode(drawn[0].tolist()).split())


for who, it in (("as trained", model), ("made to fit", gibberish)):
    print(f"{who:12} {nats_by_position(it).mean():.2f} nats   {writes(it)}")

# %% [markdown]
# Worse than knowing nothing. All keys matched, all shapes matched, and almost every number of `wo`, `w2`
# and the embeddings stands where another should: four in ten of all.
#
# **You hold everything twice.** All shards in memory, then the joined tensors, then the model: 65B in 16
# bits is 131 GB once. You will measure this below, and do without.
#
# ## The idea in plain words
#
# Why was it cut at all? The 131 GB of 65B do not fit on one A100 of 80 GB, the GPU it was trained on. Why
# like *this*? Because each GPU should do as much as it can before it must talk to the others.
#
# Think of the feed-forward layer as an office. `w1` and `w3` make 22,016 hidden numbers; `w2` reads them
# and writes the answer. Give each of eight clerks 2,752 hidden numbers: the **rows** of `w1` and `w3`
# that make them. Each clerk works alone, SiLU included. And the answer? Each clerk keeps the **columns**
# of `w2` which read *their own* numbers, and gets an answer that lacks what the others know. Add the
# eight answers: done. One talk at the end, none in between.
#
# Attention is the same with heads in place of hidden numbers: whole heads of `wq`, `wk`, `wv`, and the
# columns of `wo` that read those heads. So the rule has two halves:
#
# - Who **makes** something new is cut by outputs: axis 0 of a weight `(out, in)`. The head `output` is
#   one of these: it makes logits, and each shard makes those of a part of the vocabulary.
# - Who **reads** what was made in shares is cut by inputs: axis 1.
#
# Two remain. The embeddings `(vocab, dim)` are a table, not a product. Meta cut every token's vector,
# axis 1, so that each GPU looks up its part of it. (Llama 3 cuts the table by tokens instead.) And a norm
# is one short vector: everybody has all of it.
#
# A trap of words: papers write $xA$ and call the first cut *column parallel*, the second *row parallel*.
# `nn.Linear` stores $A$ transposed, so the columns of the paper are the **rows**, axis 0, of the weight.
#
# ## The mathematics
#
# Cut the hidden numbers into $S$ blocks: $W_1$ and $W_3$ by rows, $W_2$ by columns.
#
# $$W_1 = \begin{pmatrix} W_1^{(1)} \\ \vdots \\ W_1^{(S)} \end{pmatrix}, \qquad
# W_2 = \begin{pmatrix} W_2^{(1)} & \cdots & W_2^{(S)} \end{pmatrix}$$
#
# SiLU and the product $\odot$ act on each hidden number alone, so a block of them needs nothing of the
# other blocks, and the matrix product with $W_2$ is a sum over hidden numbers:
#
# $$W_2\big(\mathrm{silu}(W_1 x) \odot W_3 x\big)
# = \sum_{s=1}^{S} W_2^{(s)}\big(\mathrm{silu}(W_1^{(s)} x) \odot W_3^{(s)} x\big)$$
#
# One sum over GPUs. Cut the other way round, each GPU would hold a *part of each* hidden number. That
# fails at the bend, as $\mathrm{silu}(a + b) \ne \mathrm{silu}(a) + \mathrm{silu}(b)$, and at $\odot$, as
# $(a + b)(c + d) \ne ac + bd$. Both by number:

# %%
layer = model.layers[0].feed_forward
w1, w2, w3 = layer.w1.weight, layer.w2.weight, layer.w3.weight
x = torch.randn(5, config.dim, generator=torch.Generator().manual_seed(1))

with torch.no_grad():
    whole = layer(x)
    by_rows = sum(
        (F.silu(x @ rows1.T) * (x @ rows3.T)) @ columns2.T
        for rows1, rows3, columns2 in zip(w1.chunk(8), w3.chunk(8), w2.chunk(8, 1), strict=True)
    )
    by_columns = sum(
        (F.silu(part @ columns1.T) * (part @ columns3.T)) @ w2.T
        for part, columns1, columns3 in zip(
            x.chunk(8, 1), w1.chunk(8, 1), w3.chunk(8, 1), strict=True
        )
    )
for cut, answer in (("as Meta cut it", by_rows), ("the other way", by_columns)):
    print(f"{cut:15} error {(answer - whole).norm() / whole.norm():.0e} of the answer's size")

# %% [markdown]
# The first error is rounding. The second is most of the answer.
#
# ## The naive code
#
# Two halves of one small matrix, plain lists. If rows were cut, put the rows below each other. If
# columns were cut, continue each row:

# %%
matrix = [[1, 2, 3, 4], [5, 6, 7, 8]]

top, bottom = [[1, 2, 3, 4]], [[5, 6, 7, 8]]
left, right = [[1, 2], [5, 6]], [[3, 4], [7, 8]]

print("axis 0:", top + bottom == matrix)
print("axis 1:", [one + other for one, other in zip(left, right, strict=True)] == matrix)
print("wrong: ", left + right, "← four rows; reshaped it would read 1 2 5 6 / 3 4 7 8")

# %% [markdown]
# With tensors, `torch.cat(list_of_tensors, dim=…)` joins along an axis that is there already.
# (`torch.stack` makes a new one.) It always copies, even if the list has one tensor only. Remember that
# when you write the exercise: 7B is one shard, and copying it would take its 13.5 GB once more.
#
# And names are strings with dots in them; the last but one part says which module:

# %%
a, b = torch.tensor([[1, 2], [5, 6]]), torch.tensor([[3, 4], [7, 8]])
print(tuple(torch.cat([a, b], dim=1).shape), tuple(torch.stack([a, b], dim=1).shape))
print(
    "layers.10.attention_norm.weight".split("."), "attention" in "layers.10.attention_norm.weight"
)

# %% [markdown]
# The second line has a trap in it for you.
#
# ## A picture you can move
#
# Pick a tensor, a size and a number of shards. Each colour is one shard's block. On the right, how large
# a shard file is; the black marks are the size of a shard with Meta's number of them.

# %%
import ipywidgets as widgets
import matplotlib as mpl

from llama_mini import CONFIGS
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer
from llama_mini.weights import meta
from llama_mini.weights.shapes import parameter_shapes

META_SHARDS = {"7B": 1, "13B": 2, "30B": 4, "65B": 8}
SHAPES = {size: dict(parameter_shapes(CONFIGS[size])) for size in META_SHARDS}


def part_of(name, shape, count):
    """The shape of a tensor in each of `count` shards."""
    axis = meta.shard_axis(name)
    return tuple(n // count if place == axis else n for place, n in enumerate(shape))


def numbers(shape):
    return torch.Size(shape).numel()


def numbers_in_a_shard(size, count):
    return sum(numbers(part_of(name, shape, count)) for name, shape in SHAPES[size].items())


IN_A_SHARD = {
    (size, count): numbers_in_a_shard(size, count) for size in META_SHARDS for count in (1, 2, 4, 8)
}


def draw_blocks(axes, name, shape, part, count):
    """The matrix, with a coloured block for each shard; a norm as that many copies."""
    height, width = shape if len(shape) == 2 else (shape[0], shape[0] // 12)
    axis = meta.shard_axis(name)
    for shard in range(count):
        color = mpl.colormaps["viridis"]((shard + 0.5) / count)
        ink = "black" if (shard + 0.5) / count > 0.6 else "white"
        if axis == 0:
            corner, size = (0, shard * part[0]), (width, part[0])
        elif axis == 1:
            corner, size = (shard * part[1], 0), (part[1], height)
        else:
            corner, size = (shard * 2 * width, 0), (width, height)
        axes.add_patch(mpl.patches.Rectangle(corner, *size, facecolor=color, edgecolor="white"))
        middle = (corner[0] + size[0] / 2, corner[1] + size[1] / 2)
        narrow = min(size) < 0.06 * height
        axes.text(*middle, shard, ha="center", va="center", color=ink, fontsize=6 if narrow else 9)
    across = width if axis is not None else (2 * count - 1) * width
    axes.set(xlim=(-0.02 * across, 1.02 * across), ylim=(1.02 * height, -0.02 * height))
    axes.set_aspect("equal")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([0, width] if axis is not None else [])
    axes.set_yticks([0, height])


def draw_cut(shards, size, tensor):
    name = tensor if tensor in SHAPES[size] else f"layers.0.{tensor}"
    shape, axis = SHAPES[size][name], meta.shard_axis(name)
    part = part_of(name, shape, shards)
    figure, (block, bars) = figures.subplots(
        1, 2, width=8.2, height=3.6, gridspec_kw={"width_ratios": [1, 1.1]}
    )
    draw_blocks(block, name, shape, part, shards)
    how = "whole in every shard" if axis is None else f"cut along axis {axis}"
    each, how = (" each", how) if shards > 1 else ("", "in one piece")
    figure.suptitle(f"{size}: {' × '.join(map(str, part))}{each}, {how}", fontsize=11)
    if len(shape) == 1:
        block.set(xlabel="copies", ylabel="dim")
    elif name.startswith("tok"):
        block.set(xlabel="dim", ylabel="vocab")
    else:
        block.set(xlabel="in", ylabel="out")

    gigabytes = {name: 2 * IN_A_SHARD[name, shards] / 1e9 for name in META_SHARDS}
    bars.barh(list(gigabytes), gigabytes.values(), color=figures.COLORS[5])
    for row, (name_of_size, count) in enumerate(META_SHARDS.items()):
        chosen = 2 * IN_A_SHARD[name_of_size, count] / 1e9
        bars.plot([chosen, chosen], [row - 0.4, row + 0.4], color="black", lw=2)
    bars.set(xlim=(0, 140), xlabel="GB in a shard (black: in Meta's files)")
    bars.grid(axis="y", visible=False)
    bars.invert_yaxis()
    return figure, (
        f"{name} of {size}, {' × '.join(map(str, shape))}, shards: {shards}, {how}, "
        f"{' × '.join(map(str, part))}{each}, {2 * numbers(part) / 1e6:.3g} MB. A shard of everything: "
        + ", ".join(f"{name} {value:.1f} GB" for name, value in gigabytes.items())
        + "."
    )


Explorer(
    draw_cut,
    shards=widgets.SelectionSlider(options=[1, 2, 4, 8], value=4),
    size=widgets.Dropdown(options=list(META_SHARDS), value="30B"),
    tensor=widgets.Dropdown(
        options=[
            "attention.wq.weight",
            "attention.wo.weight",
            "feed_forward.w1.weight",
            "feed_forward.w2.weight",
            "tok_embeddings.weight",
            "output.weight",
            "ffn_norm.weight",
        ],
        value="feed_forward.w2.weight",
    ),
)

# %% [markdown]
# Compare `w1` with `w2`: the cut turns by a quarter. And look at the black marks: with Meta's numbers of
# shards, a file has 13 to 16 GB whatever the size.
#
# ## The four sizes, file by file
#
# A model on the *meta device* has shapes and no numbers, so 65B costs nothing. These are the parts that
# one shard of each size holds:

# %%
from llama_mini.empty import empty_model

MODELS = {size: empty_model(CONFIGS[size]) for size in META_SHARDS}

print(f"{'':16}" + "".join(f"{size + ', ' + str(n):>14}" for size, n in META_SHARDS.items()))
for name in MODELS["7B"].state_dict():
    if name.startswith(("tok", "layers.0.", "norm", "output")):
        shapes = [
            part_of(name, MODELS[size].state_dict()[name].shape, count)
            for size, count in META_SHARDS.items()
        ]
        label = name.removesuffix(".weight").split(".")[-1]
        print(f"{label:16}" + "".join(f"{'×'.join(map(str, shape)):>14}" for shape in shapes))

# %% [markdown]
# ### Meta's own number
#
# Can that be checked without the files? Their sizes in bytes are known. Float16 takes two bytes; count
# what the rule puts into one shard, norms in full, and compare:

# %%
PUBLISHED_BYTES = {
    "7B": 13_476_939_516,
    "13B": 13_016_334_699,
    "30B": 16_265_763_099,
    "65B": 16_323_959_449,
}

print("      2 × numbers      published file     over")
for size, count in META_SHARDS.items():
    ours = 2 * sum(
        numbers(part_of(name, tensor.shape, count))
        for name, tensor in MODELS[size].state_dict().items()
    )
    published = PUBLISHED_BYTES[size]
    print(f"{size:4} {ours:>14,} {published:>18,} {published - ours:>8,} bytes")

# %% [markdown]
# What is left over is 56 to 236 kB a file: the list of names, the padding between tensors, and the
# `rope.freqs`, 64 numbers or 128 bytes each time they are stored. Had the
# norms been cut too, 65B's remainder would be 2.5 MB. So the sizes confirm what is cut and what is not.
# Of the *axis* they say nothing; that is in the code that Meta's model is built from, fairscale's
# parallel layers.
#
# ## The small files: params.json, checklist.chk
#
# Meta's `params.json` has 101 bytes (yours 96), and two traps.
#
# **`vocab_size` is −1.** The program asks the tokenizer. A model built with −1 rows fails at once.
#
# **`norm_eps` is not the same in all sizes.** Lesson 03 proved it from the published MD5 of this file:
# 65B has 10⁻⁵, the others 10⁻⁶. Many loaders write 10⁻⁶ for all. (And llama.cpp takes 10⁻⁵ for the mark
# of Llama 2, so by that rule 65B is one.) Here is a second proof. The `checklist.chk` beside the
# weights lists the MD5 of each file, and its own MD5 is published as well. Write `params.json`, hash it,
# write the checklist, hash that:

# %%
import dataclasses
import hashlib

from llama_mini.weights.formats.meta.params_json import params_text

# The eight shards of 65B, and the checklist over them.
MD5_OF_SHARDS = """
9deae67e2e7b5ccfb2c738f390c00854 0c4b00c30460c3818bd184ee949079ee 847194df776dd38f8ae9ddcede8829a1
3b6c8adcb5654fd36abab3206b46a0f1 68d61d1242597ad92616ec31b8cb6b4c 7f71259eaee2b906aa405d8edf39925f
0574e26b6891ab2cb0df7340d773fe9b e5d9790df955270b836aec79462ead22
""".split()
MD5_OF_CHECKLIST = "3fc3ef08e79a16becf367ad9d570d400"


def md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


print(params_text(CONFIGS["65B"]), "\n")
for eps in (1e-6, 1e-5):
    params = params_text(dataclasses.replace(CONFIGS["65B"], norm_eps=eps))
    lines = [f"{sum_}  consolidated.{i:02}.pth\n" for i, sum_ in enumerate(MD5_OF_SHARDS)]
    checklist = md5("".join(lines) + f"{md5(params)}  params.json\n")
    agrees = "← published" if checklist == MD5_OF_CHECKLIST else ""
    print(f"norm_eps {eps:.0e}: params.json {md5(params)}, checklist.chk {checklist} {agrees}")

# %% [markdown]
# One digit in one line, and every hash after it is another.
#
# ### What the checklist is for
#
# A missing shard is noticed by counting. Two shards whose names were exchanged have equal shapes: before
# the model runs, only a checksum can tell. Try both.

# %%
from llama_mini import load


def attempt(path, **options):
    """Load, and say what became of it."""
    try:
        loaded, _ = load(path, precision="fp32", **options)
    except (ValueError, OSError) as error:
        message = str(error).replace(f"{place}/", "")
        return f"{type(error).__name__}: {message}"
    return f"loads; {nats_by_position(loaded.eval()).mean():.2f} nats"


one_missing = shutil.copytree(two, fresh("incomplete"))
(one_missing / "consolidated.01.pth").unlink()

swapped = shutil.copytree(two, fresh("swapped"))
(swapped / "consolidated.00.pth").rename(swapped / "third name")
(swapped / "consolidated.01.pth").rename(swapped / "consolidated.00.pth")
(swapped / "third name").rename(swapped / "consolidated.01.pth")

print("as written:       ", attempt(two))
print("one missing:      ", attempt(one_missing))
print("swapped:          ", attempt(swapped))
print("swapped, verified:", attempt(swapped, verify=True))

# %% [markdown]
# Verifying reads every byte, and 131 GB take minutes, so it is not done unasked; the loader says
# *unchecked*. Do it once after a download.
#
# ## A file that runs when you look at it
#
# A `.pth` file is a zip archive of raw numbers and one *pickle*, which says where each tensor lies. A
# pickle is not data. It is a program for a little machine, and one of its instructions is *call this
# function with these arguments*. Here is a poisoned checkpoint. We read its program, and do not run it:

# %%
import pickletools
import zipfile


class Poison:
    def __reduce__(self):  # says how to rebuild the object: call this, with that
        return print, ("This could have been any command on your machine.",)


poisoned = shutil.copytree(two, fresh("poisoned"))
torch.save({"tok_embeddings.weight": Poison()}, poisoned / "consolidated.00.pth")

with zipfile.ZipFile(poisoned / "consolidated.00.pth") as archive:
    (program,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
    for instruction, argument, _ in pickletools.genops(archive.read(program)):
        if instruction.name in ("GLOBAL", "BINUNICODE", "REDUCE"):
            print(f"{instruction.name:11} {argument if argument is not None else ''}")

# %% [markdown]
# `GLOBAL` fetches a function, `REDUCE` calls it. In place of `print` could stand a function that deletes
# your files, and it would be called on *opening*, before any check of yours. `torch.load` with
# `weights_only=True` has a short list of functions that tensors need, and refuses everything else:

# %%
print(attempt(poisoned))

# %% [markdown]
# This course never loads in any other way. `safetensors`, the format of Hugging Face, has no program in
# it at all: a JSON header and numbers.
#
# ## Half way
#
# A good place to stop for today. Meta's files hold no secret any more:
#
# - A matrix that makes something new is cut along axis 0, one that reads what was made in shares along axis
#   1; embeddings are cut along `dim`, and norms not at all.
# - `params.json` and `checklist.chk` are small and decisive: ε stands in one, and only the other notices
#   shards that changed places.
# - A pickle is a program. Load with `weights_only=True`, or do not load.
#
# The exercises `shard_axis` and `merge_shards` can be solved now. The second half is about everything around
# the files: other layouts, memory, speed, and a load with your code. It goes on with the model from above, so
# if you come back to a new kernel, run the cells up to here first (*Run → Run All Above Selected Cell*).
#
# ## Two layouts of the same weights
#
# The same LLaMA is also published in Hugging Face's layout. The numbers are equal, with two differences.
# The **names** are others, and the **rows** of `wq` and `wk` stand in another order, because the rotary
# code there pairs each number with the one half a head further on (lesson 04).

# %%
from llama_mini.weights.huggingface import huggingface_name

print("Meta" + " " * 36 + "Hugging Face")
for name, _ in parameter_shapes(dataclasses.replace(config, n_layers=1)):
    print(f"{name:39} {huggingface_name(name)}")

# %% [markdown]
# Two of them invite mistakes. `w2` is *down*, the way back, as $W_2$ is in Shazeer's formula, and `w3` is
# *up*, which came later (lesson 06): the numbers are not the order of use. And `post_attention_layernorm`
# comes after attention, which means *before* the feed-forward layer: it is `ffn_norm`.
#
# Names that match nothing should stop you. LLaMA has no biases, so a `q_proj.bias` says that this is
# another model; older files also hold a `rotary_emb.inv_freq`, which can be computed.
#
# This package writes the folder that `transformers` opens, and reads it. There and back, the same
# logits:

# %%
from llama_mini.weights.formats.huggingface.writer import write_huggingface

theirs = write_huggingface(
    fresh("hugging face"), config, model.state_dict().items(), tokenizer=tokenizer
)
print(*sorted(file.name for file in theirs.iterdir()), sep=", ")
loaded, _ = load(theirs, precision="fp32")
with torch.no_grad():
    print("logits equal bit for bit:", torch.equal(loaded.eval()(held_out), model(held_out)))

# %% [markdown]
# ## What a mistake sounds like
#
# Here you can make every mistake of this lesson, and hear what the model says. The weights are cut into
# shards, put together wrongly, and loaded without a complaint. The picture has the loss at each position
# of a text, and above it what the model writes.

# %%
import itertools

from llama_mini import rope


def cat_wrong_axis(parts, shape):
    return torch.cat(parts, dim=0).reshape(shape)


def merged_wrongly(mistake, count):
    """All weights, cut into `count` shards and put together with one mistake."""
    merged = {}
    for name, tensor in model.state_dict().items():
        axis = meta.shard_axis(name)
        parts = [tensor] * count if axis is None else list(tensor.chunk(count, axis))
        if mistake == "shards in the wrong order":
            parts.reverse()
        if mistake == "shard 0 in place of all":
            parts = parts[:1] * count
        if mistake == "wo and w2 joined along axis 0" and name.endswith(("wo.weight", "w2.weight")):
            merged[name] = cat_wrong_axis(parts, tensor.shape)
        elif mistake == "Llama 3's cut of the embeddings" and name.startswith("tok_embeddings"):
            merged[name] = cat_wrong_axis(parts, tensor.shape)
        elif mistake == "rows of wq, wk as Hugging Face has them" and name.endswith(
            ("wq.weight", "wk.weight")
        ):
            merged[name] = rope.interleaved_to_half(tensor, config.n_heads)
        else:
            merged[name] = meta.merge_shards(name, parts)
    if mistake == "w1 and w3 exchanged":
        for name in [name for name in merged if "w1" in name]:
            other = name.replace("w1", "w3")
            merged[name], merged[other] = merged[other], merged[name]
    return merged


EDGES = [0, 1, 2, 4, 8, 16, 32, 64, 127]
BLOCKS = list(itertools.pairwise(EDGES))
LABELS = [str(a) if b - a == 1 else f"{a}–{b - 1}" for a, b in BLOCKS]
mistaken = Transformer(config).eval()
right_curve = nats_by_position(model)


def by_block(curve):
    return [curve[a:b].mean().item() for a, b in BLOCKS]


def draw_mistake(shards, mistake):
    mistaken.load_state_dict(merged_wrongly(mistake, shards))
    curve = nats_by_position(mistaken)
    said = writes(mistaken, count=12)
    figure, axes = figures.subplots(height=3.6)
    axes.axhline(6.24, color="0.6", lw=1, ls="--")
    axes.text(7.2, 5.5, "knowing nothing", color="0.4", ha="right", fontsize=9)
    axes.plot(LABELS, by_block(right_curve), "o-", color=figures.COLORS[0], label="right")
    axes.plot(LABELS, by_block(curve), "s-", color=figures.COLORS[1], label=mistake)
    axes.set(ylim=(0, 16), xlabel="position in the text", ylabel="loss (nats per token)")
    axes.legend(loc="upper right", ncols=2)
    shown = "".join(letter if letter.isascii() and letter.isprintable() else "·" for letter in said)
    axes.set_title(f"writes: {shown[:70]}", fontsize=10, family="monospace", parse_math=False)
    return figure, (
        f"{mistake}, {shards} shards: {curve.mean():.2f} nats per token where {right_loss:.2f} is right; "
        "by position "
        + ", ".join(f"{label}: {n:.1f}" for label, n in zip(LABELS, by_block(curve), strict=True))
        + f". It writes: {shown}"
    )


Explorer(
    draw_mistake,
    shards=widgets.SelectionSlider(options=[2, 4, 8], value=2),
    mistake=widgets.Dropdown(
        options=[
            "shards in the wrong order",
            "shard 0 in place of all",
            "wo and w2 joined along axis 0",
            "Llama 3's cut of the embeddings",
            "rows of wq, wk as Hugging Face has them",
            "w1 and w3 exchanged",
        ]
    ),
)

# %% [markdown]
# The upper four shout. Listen to the last two. With the **rows** in the other order the first position is
# exact and the text still has words in it; the model knows *which* tokens came before, and mixes up
# *where*. With **gate** and **up** exchanged, the loss hardly rises. That is so because this model is young:
# near zero $\mathrm{silu}(a)\,b$ is about $ab/2$, the same both ways. Trained for 4,000 updates in place of 400, it
# went from 1.73 to 4.96 nats with the two exchanged; SmolLM2-135M-Instruct, on the sentence at the end of this
# lesson, from 3.05 to 26.5. One sample proves nothing either way: the undamaged model stumbles, too. So the tests
# of this course compare logits, at late positions.
#
# ## GGUF: everything in one file
#
# llama.cpp's format holds the settings, the tokenizer and the tensors in one file, mostly in fewer bits.
# Names are a third dialect, `blk.0.attn_q` for `layers.0.attention.wq`; rows stand in Meta's order.
# Write your model at 16, 8 and 4 bits, and read it back:

# %%
from importlib.util import find_spec

GGUF_NAMES = {
    "tok_embeddings": "token_embd", "norm": "output_norm", "output": "output",
    "attention_norm": "attn_norm", "ffn_norm": "ffn_norm",
    "wq": "attn_q", "wk": "attn_k", "wv": "attn_v", "wo": "attn_output",
    "w1": "ffn_gate", "w2": "ffn_down", "w3": "ffn_up",
}  # fmt: skip


def write_gguf(path, kind):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(len(w1))
    writer.add_head_count(config.n_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    for name, tensor in model.state_dict().items():
        *block, layer, weight = name.split(".")
        prefix = f"blk.{block[1]}." if block else ""
        dtype = gguf.GGMLQuantizationType[kind if tensor.ndim == 2 else "F32"]
        packed = gguf.quants.quantize(tensor.numpy(), dtype)
        writer.add_tensor(f"{prefix}{GGUF_NAMES[layer]}.{weight}", packed, raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


if find_spec("gguf") is None:
    print("The package gguf is not installed; `make setup` installs it.")
else:
    import gguf

    for kind in ("F16", "Q8_0", "Q4_0"):
        path = write_gguf(place / f"{kind}.gguf", kind)
        print(f"{kind:5} {path.stat().st_size:>9,} bytes: {attempt(path)}")

# %% [markdown]
# Eight bits cost nothing in these digits, four bits little. Lesson 15 is about why.
#
# ## Plan before you load
#
# A load that fails after ten minutes for want of memory could have been refused in a millisecond: all of
# it is known beforehand. The weights take
#
# $$\text{bytes} = \frac{\text{parameters} \times \text{bits per weight}}{8}$$
#
# for a byte has eight bits. A format of 4 bits has a little more than its name says: llama.cpp's Q4_0
# stores 32 weights in 4 bits each and one scale in 16, so $4 + \frac{16}{32} = 4.5$ bits a weight.

# %%
from llama_mini.model import parameter_count

FORMATS = {"float32": 32, "16 bits": 16, "int8": 8, "Q4_0": 4.5, "4 bits": 4}
print("     " + "".join(f"{name:>10}" for name in FORMATS), "  (GB)")
for size in META_SHARDS:
    count = parameter_count(CONFIGS[size])
    print(f"{size:5}" + "".join(f"{count * bits / 8 / 1e9:10.1f}" for bits in FORMATS.values()))

# %% [markdown]
# How fast will it be? To make **one** token, every weight must travel from memory to the processor once:
# each is needed, and none stays there. At batch 1 a weight is used for one multiplication and one
# addition, far less than a processor can do in the time. So the memory decides:
#
# $$\text{tokens per second} \le \text{batch} \cdot
# \frac{\text{bytes per second}}{\text{bytes of the weights} + \text{bytes of the caches}}$$
#
# Two consequences. Half the bits are twice the speed, while the caches are small. And a *batch* of texts
# shares the one journey of the weights, so more texts at once are nearly free, until their caches (lesson
# 08), which each text has for itself, weigh as much as the weights, or the processor is busy. Here is the
# bound for 7B on a graphics card of 2.039 TB/s, and on the machine you sit at:

# %%
import time

big = torch.ones(1 << 26)  # 256 MB, more than any cache
big.sum()
fastest = float("inf")
for _ in range(3):
    start = time.perf_counter()
    big.sum()
    fastest = min(fastest, time.perf_counter() - start)
here = big.nbytes / fastest
del big

bytes_of_7b = parameter_count(CONFIGS["7B"]) * 16 / 8
print(f"one core reads {here / 1e9:.0f} GB/s here")
for where, bandwidth in (("a card of 2.039 TB/s", 2.039e12), ("one core here", here)):
    step = bytes_of_7b / bandwidth
    print(
        f"7B in 16 bits on {where}: {step * 1e3:,.1f} ms a token, {1 / step:.2f} tokens/s at most"
    )

# %% [markdown]
# Add the cache, and what is computed in between while a prompt is read, and you know whether it fits. The
# paper says that 13B runs on a single V100. These cards came with 16 and with 32 GB, and compute in float16;
# bfloat16 came with the next generation. Does it run on both?
# Then find the longest context, the largest batch and the largest model for a card of yours.

# %%
from llama_mini.visualization.plan import explore_plan

explore_plan(size="13B", precision="fp16", device="V100-32")

# %% [markdown]
# With 32 GB it fits, at batch 1. With 16 GB it needs 8 bits and a little less context (1,792 positions),
# or 4 bits. In a terminal, `llama-mini plan 13B --device V100-32` says the same with all its sums,
# `llama-mini plan` alone has the table of what fits where, and a load that cannot fit is refused before
# it begins.
#
# ## Streaming: the memory of a load
#
# The naive way holds the shards *and* what they are joined to. The better way takes one tensor at a
# time: its parts, joined, to where the model wants it. And the parts need not be read first. A file can be
# *mapped*: it then looks like memory, and the system fetches a page of it when somebody looks, and may
# forget it again. Such pages are not yours; what counts as yours is *anonymous* memory.
#
# Measure it, on 136 MB in four shards. Three ways: all shards read and joined; tensor by tensor, as the
# loader does it; and the same where each tensor leaves at once, as it does when the model lives on a GPU.

# %%
import ctypes
import gc

from llama_mini.weights.loading import open_checkpoint

n_shards = 4
medium = ModelConfig(dim=1024, n_layers=4, n_heads=16, vocab_size=8192)
generator = torch.Generator().manual_seed(0)
folder = write_meta(
    fresh("medium"),
    medium,
    (
        (name, 0.02 * torch.randn(shape, generator=generator))
        for name, shape in parameter_shapes(medium)
    ),
    n_shards,
)
on_disk = sum(file.stat().st_size for file in folder.glob("*.pth")) / 1e6


def anonymous_mb():
    """MB of memory that are this process's own; None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    # What was freed goes back to the system first, where the C library can do that.
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e6


def naive():
    """Read everything, then join everything."""
    whole, parts = {}, []
    for file in sorted(folder.glob("*.pth")):
        parts.append(torch.load(file, weights_only=True))
        yield
    for name, _ in parameter_shapes(medium):
        whole[name] = meta.merge_shards(name, [part[name] for part in parts])
        yield


def streamed(keep):
    """One tensor after the other, from mapped files."""
    checkpoint = open_checkpoint(folder)
    whole = {}
    for name in checkpoint.entries:
        tensor = checkpoint.tensor(name, torch.device("cpu"))
        if keep:
            whole[name] = tensor
        yield
        del tensor


def watch(steps):
    """Own memory above the start, after every step."""
    gc.collect()
    start = anonymous_mb()
    return [anonymous_mb() - start for _ in steps]


if anonymous_mb() is None:
    print("This system has no /proc/self/status; the picture is measured on Linux only.")
    shown = None
else:
    largest = max(2 * numbers(shape) for _, shape in parameter_shapes(medium)) / 1e6
    WAYS = {
        "read all, then join": watch(naive()),
        "tensor by tensor, kept": watch(streamed(keep=True)),
        "tensor by tensor, handed on": watch(streamed(keep=False)),
    }
    figure, axes = figures.subplots()
    for (way, curve), color in zip(WAYS.items(), (1, 0, 2), strict=True):
        share = torch.linspace(0, 1, len(curve) + 1)
        axes.plot(share.numpy(), [0.0, *curve], color=figures.COLORS[color], lw=2, label=way)
    axes.axhline(on_disk, color="0.5", lw=1, ls="--")
    axes.text(0.45, on_disk + 4, "the files", color="0.35")
    axes.set(xlabel="share of the steps done", ylabel="own memory (MB)", ylim=(-5, 2.5 * on_disk))
    axes.legend(loc="upper left")
    shown = figures.show(
        figure,
        alt=f"Own memory while {on_disk:.0f} MB, shards: {n_shards}, are loaded, at most: "
        + ", ".join(f"{way} {max(curve):.0f} MB" for way, curve in WAYS.items())
        + f". The largest tensor has {largest:.0f} MB.",
    )
shown

# %% [markdown]
# Twice the files; once; and one tensor at a time. For 65B on a GPU that is 261 GB of memory against half
# a gigabyte. Where there is one shard only, nothing has to be joined: the tensors stay views of the
# mapped file, and even *kept* costs nothing. Set `n_shards = 1` above and run the cell again.
#
# `load` in this package does exactly this: build the model on the meta device, open the files, and give
# the model one tensor after the other.
#
# ## Your code loads a model
#
# The same model in one, two, four and eight shards. Each is opened, merged by `shard_axis` and
# `merge_shards`, yours if you have passed them, and put into your Transformer. The logits must be
# equal to the last bit, because joining computes nothing:

# %%
with torch.no_grad():
    expected = model(held_out)

for count in META_SHARDS.values():
    shards_of_it = f"{count} shard{'s' if count > 1 else ''}"
    folder = write_meta(
        fresh(shards_of_it),
        config,
        model.state_dict().items(),
        count,
        tokenizer_file=place / "tokenizer.model",
    )
    loaded, its_tokenizer = load(folder, precision="fp32", verify=True)
    with torch.no_grad():
        logits = loaded.eval()(held_out)
    equal = "bit for bit" if torch.equal(logits, expected) else "NOT EQUAL"
    print(f"{shards_of_it}, {its_tokenizer.vocab_size} tokens: logits equal {equal}")

overlay.status()

# %% [markdown]
# ### The real ones
#
# Meta gave the weights of 7B to 65B on request, by a form, under a licence that forbids commercial use.
# (The code is under the GPL v3.) Since the autumn of 2023 people have reported that the form goes unanswered
# (issues 824 and 911 of `meta-llama/llama`). With the weights on your disk, this is all, for any size (30B is
# what the paper calls 33B):
#
# ```
# llama-mini plan 65B --device H100 --precision int4
# llama-mini load /path/to/65B --device cuda --precision int4 --verify
# torchrun --nproc-per-node 2 -m llama_mini load /path/to/65B --device cuda
# ```
#
# The last line spreads the model over two GPUs, however many files it lies in: each takes its half of
# every matrix, cut by the same rule.
#
# Check every download against the checklist. The weights were also passed around without permission;
# a copy from there may be anything, and you have seen what a file can do.
#
# ### A real one without a form
#
# SmolLM2-135M-Instruct by Hugging Face has LLaMA's architecture (with shared key/value heads and tied
# embeddings), was trained on far more text than anything here, and comes under Apache-2.0 in a package of
# 92.87 MB. Talk to it, on your code:
#
# ```
# llama-mini chat smollm2
# ```
#
# A lesson does not download. Once you have run that command, this cell finds the file (and takes 1.2 GB of
# memory). It reads the same weights three times: rightly, with `w1` and `w3` exchanged, and with the rows of
# queries and keys in the other order.

# %%
from llama_mini import paths

if found := sorted((paths.cache_dir() / "weights").glob("SmolLM2*.gguf")):
    smol, its_tokenizer = load(found[0])
    sentence = "Once upon a time, there was a king who had three daughters, and a river ran past his house."
    tokens = torch.tensor([its_tokenizer.encode(sentence)])
    opening = torch.tensor([its_tokenizer.encode("Once upon a time, there was")])

    def exchange(layer):
        layer.feed_forward.w1, layer.feed_forward.w3 = layer.feed_forward.w3, layer.feed_forward.w1

    @torch.no_grad()
    def nats_of_sentence():
        return F.cross_entropy(smol(tokens[:, :-1])[0], tokens[0, 1:])

    for layer in smol.layers:
        exchange(layer)
    print(f"w1 and w3 exchanged: {nats_of_sentence():.2f} nats per token")
    for layer in smol.layers:
        exchange(layer)
    for layout in ("right", "wrong"):
        if layout == "wrong":
            for layer in smol.layers:
                for weight, heads in (
                    (layer.attention.wq.weight, smol.config.n_heads),
                    (layer.attention.wk.weight, smol.config.kv_heads),
                ):
                    weight.data = rope.interleaved_to_half(weight.data, heads)
        goes_on = its_tokenizer.decode(generate(smol, opening, 20)[0].tolist())
        print(f"{layout} layout: {nats_of_sentence():.2f} nats per token; {goes_on}")
else:
    print("SmolLM2 is not here yet: `llama-mini chat smollm2` fetches it.")

# %% [markdown]
# ## What breaks if you get it wrong
#
# - **The wrong axis**: loud, until someone reshapes. Then gibberish.
# - **The wrong order**: equal shapes, no error. Before it runs, only checksums can tell.
# - **`if not axis`**: true for None, and for 0 as well.
# - **`"attention" in name`**: true for `attention_norm`. `name[9:]`: right up to layer 9.
# - **norm_eps assumed**: 65B slightly wrong, for ever. Read the file.
# - **The rows of `wq` and `wk` left as they were**: fluent for some words, then adrift.
# - **`strict=False`**: whatever was renamed stays random, and no line says so (lesson 08).
# - **`weights_only=False`**: the file may run what it likes.
#
# ## In three lines
#
# - What makes is cut by outputs, axis 0; what reads it by inputs, axis 1; so one sum joins the work.
# - Plan, map, stream: bytes and speed are known before, and no more than one tensor is ever in between.
# - Equal shapes prove nothing. Checksums prove the files, logits prove the layout.

# %% [markdown] tags=["exercise-text"]
# ## The bytes of the weights
#
# Write `weight_bytes(config, bits_per_weight=16)`: how many bytes all parameters of a model take.
#
# - `config` is a `ModelConfig`. `architecture.parameter_count(config)` (lesson 07; the cell imports
#   `llama_mini.model` by that name) counts its parameters, tied embeddings once.
# - `bits_per_weight` need not be whole: 4.5 is Q4_0. It counts for every parameter alike.
# - Return a whole number, an `int`, rounded up: half a byte needs a byte. (`math.ceil`)
# - The package's own code refuses numbers that are not above 0; yours may.
#
# 7B in 16 bits takes 13,476,831,232 bytes.

# %% tags=["exercise"] symbol="llama_mini.planning:weight_bytes" part="Plan before you load"

# %% [markdown] tags=["exercise-text"]
# ## The speed that memory allows
#
# Write `decode_tokens_per_second(config, bytes_per_second, bits_per_weight=16, batch=1, context=0,
# bytes_per_element=2)`: the tokens per second, of all texts together, that a memory of `bytes_per_second`
# allows.
#
# - One step makes one token for each of `batch` texts. For it all weights are read once, and the keys and
#   values of the `context` positions that each text has cached, `bytes_per_element` each number.
# - `weight_bytes(config, bits_per_weight)` and `kv_cache_bytes(config, batch, seq, bytes_per_element)`
#   (lesson 08) do the counting: reach them as `planning.weight_bytes` and `planning.kv_cache_bytes`. They
#   are your own code once it has passed.
# - With `context` 0 there is no cache; `kv_cache_bytes` does not take a length of 0.
# - Return a float. The package's own code refuses what makes no sense; yours may.
#
# 7B in 16 bits at 2.039 TB/s gives about 151.3. (Do not round.)

# %% tags=["exercise"] symbol="llama_mini.planning:decode_tokens_per_second" part="Plan before you load"

# %% [markdown] tags=["exercise-text"]
# ## Which way each tensor is cut
#
# Write `shard_axis(name)`: the axis along which Meta cut a parameter over its shards.
#
# - `name` is Meta's, such as `layers.0.attention.wq.weight`, `tok_embeddings.weight`, `norm.weight`. Layers
#   are numbered from 0, up to 79 in 65B.
# - Return `0` for what is cut by its outputs, `1` for what is cut by its inputs and for the embeddings
#   (along `dim`), and `None` for what every shard has whole.
# - In a layer: `attention.wq wk wv wo`, `feed_forward.w1 w2 w3`, `attention_norm`, `ffn_norm`. Around them:
#   `tok_embeddings`, `norm`, `output`. All end in `.weight`.
# - The package's own code raises `ValueError` for any other name; yours may.

# %% tags=["exercise"] symbol="llama_mini.weights.meta:shard_axis" part="The idea in plain words"

# %% [markdown] tags=["exercise-text"]
# ## Making it whole
#
# Write `merge_shards(name, shards)`: one parameter from its part in each shard.
#
# - `shards` is a list of at least one tensor, in order, all of one shape and dtype.
# - Join them along `meta.shard_axis(name)`: your own code once it has passed.
# - What is not cut, or lies in one shard, is whole already. Return **the tensor of shard 0 itself**, not a
#   copy: it may be a view of a mapped file.
# - Keep the dtype and the device. Leave the list and the tensors as they were.
# - The package's own code refuses shapes that differ; yours may.

# %% tags=["exercise"] symbol="llama_mini.weights.meta:merge_shards" part="The naive code"

# %% [markdown] tags=["exercise-text"]
# ## From Hugging Face's names to Meta's
#
# Write `meta_name(name)`: what Meta calls the parameter that Hugging Face calls `name`.
#
# - Within a block: `model.layers.3.self_attn.q_proj.weight` → `layers.3.attention.wq.weight`; `k_proj`,
#   `v_proj`, `o_proj` are `wk`, `wv`, `wo`. Under `mlp`, Meta's `feed_forward`: `gate_proj` is `w1`,
#   `up_proj` is `w3`, `down_proj` is `w2`. And `input_layernorm` is `attention_norm`,
#   `post_attention_layernorm` is `ffn_norm`.
# - Around the blocks: `model.embed_tokens` is `tok_embeddings`, `model.norm` is `norm`, `lm_head` is
#   `output`. All end in `.weight`, in both.
# - A block's number may have several digits, and stays.
# - Raise `ValueError`, with the name in it, for anything else: `….q_proj.bias`, `….rotary_emb.inv_freq`,
#   `transformer.wte.weight`. A loader that lets a name pass has lost a tensor.

# %% tags=["exercise"] symbol="llama_mini.weights.huggingface:meta_name" part="Two layouts of the same weights"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [15 · Quantization](15_quantization.ipynb): the same weights in a quarter of the room.
