# %% [markdown]
# # 07 · The Transformer
#
# **100 minutes · under 1 GB of memory · comes after 06**
#
# > *Norm, rotation, attention, feed-forward: the parts lie on the table. How are they put together so that a
# > stack of eighty of them can still be trained? And which of LLaMA's choices make a difference that one can measure?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# The obvious way to stack layers is to hand on: each takes what the one before gives. Attention averages over what
# came before, so every layer that hands on its average makes the positions more alike. Here is a fresh LLaMA of 24
# blocks, once as it is, once with layers that hand on their answer alone. 0 means that two positions have
# nothing in common, 1 that they point the same way:

# %%
import math

import torch
from torch import nn
from torch.nn import functional as F

from llama_mini import CONFIGS, KVCache, ModelConfig, Transformer, attention
from llama_mini.visualization import figures

torch.set_num_threads(1)  # models this small are faster on one core


def add(block, x, table, mask):
    return block(x, table, mask)


def hand_on(block, x, table, mask):
    x = size_one(block.attention(block.attention_norm(x), table, mask))
    return size_one(block.feed_forward(block.ffn_norm(x)))


def size_one(x):
    """Only the direction counts here: a fresh layer's answers are small, and would shrink to nothing."""
    return x / x.pow(2).mean(dim=-1, keepdim=True).sqrt()


@torch.no_grad()
def likeness(step, depth=24, length=64):
    """How alike the positions are after each block: the mean cosine of all pairs."""
    torch.manual_seed(0)
    model = Transformer(
        ModelConfig(dim=64, n_layers=depth, n_heads=4, vocab_size=256, multiple_of=32)
    )
    table, mask = (
        model._rotations(torch.device("cpu"))[:length],
        attention.causal_mask(length, length),
    )
    x = model.tok_embeddings(torch.randperm(256)[None, :length])
    found = []
    for block in [None, *model.layers]:
        x = x if block is None else step(block, x, table, mask)
        directions = F.normalize(x[0], dim=-1)
        cosines = directions @ directions.T
        found.append(cosines[~torch.eye(length, dtype=torch.bool)].mean().item())
    return found


adding, handing_on = likeness(add), likeness(hand_on)

figure, axes = figures.subplots()
axes.plot(handing_on, "s-", ms=4, color=figures.COLORS[1], label="each layer hands on its answer")
axes.plot(adding, "o-", ms=4, color=figures.COLORS[0], label="each layer adds to the stream")
axes.set(xlabel="blocks passed", ylabel="likeness of positions", ylim=(-0.05, 1.05))
axes.legend(loc="center right")
figures.show(
    figure,
    alt=f"Likeness of 64 positions over 24 blocks. Adding: {adding[0]:.2f} at first, {adding[-1]:.2f} in the end. "
    f"Handing on: {handing_on[0]:.2f}, {handing_on[4]:.2f} after four blocks, {handing_on[-1]:.2f} in the end.",
)

# %% [markdown]
# Where layers hand on, the text has become one single vector, many times over, long before the top. Where they
# add, every position keeps what it was and gains what it heard.
#
# ## The idea in plain words
#
# Every token has one vector that runs from the bottom to the top, the *residual stream*. It starts as the token's
# embedding. A layer never replaces it. It reads a copy, brought to size 1 by RMSNorm, thinks, and *adds* its
# answer. Attention and feed-forward take turns; one of each is a *block*.
#
# At the top, one last norm, and a matrix that compares the stream with every word of the vocabulary. The best
# match is the likeliest next token. All positions do this at once.
#
# ## The mathematics
#
# For block $\ell$, with the stream $x^{(\ell)}$:
#
# $$\begin{aligned} h &= x^{(\ell)} + \mathrm{Attention}\bigl(\mathrm{RMSNorm}(x^{(\ell)})\bigr) \\
# x^{(\ell+1)} &= h + \mathrm{FeedForward}\bigl(\mathrm{RMSNorm}(h)\bigr) \end{aligned}$$
#
# Each norm has weights of its own. Note that the second line reads $h$, not $x$. Around the $L$ blocks:
#
# $$x^{(0)} = E[\mathrm{token}], \qquad \mathrm{logits} = W_{\mathrm{out}}\,\mathrm{RMSNorm}(x^{(L)})$$
#
# This is *pre-norm*: the norm stands before the layer, on a side road. The first Transformer was *post-norm*,
# $x \leftarrow \mathrm{Norm}(x + \mathrm{Layer}(x))$, with the norm on the main road. You will see below what that
# costs. In LLaMA $W_{\mathrm{out}}$ is a matrix of its own; many small models *tie* it to $E$, which saves $V \cdot d$
# parameters.
#
# ## The naive code
#
# The whole architecture with the parts left out, for one vector in plain Python. Here `norm` and the layers are
# any functions from a list to a list:


# %%
def residual_stack(x, layers, norm):
    for layer in layers:
        x = [old + new for old, new in zip(x, layer(norm(x)), strict=True)]
    return norm(x)


def unit(x):
    return [value / math.sqrt(sum(v * v for v in x) / len(x)) for value in x]


residual_stack(
    [3.0, 4.0],
    layers=[lambda x: [x[1], 0.0], lambda x: [0.0, -2 * x[0]]],
    norm=unit,
)

# %% [markdown]
# Check it in your head: [3, 4] has size 3.54, so the first layer reads [0.85, 1.13] and adds 1.13 to the first
# number: [4.13, 4]. The second reads that at size 1, [1.02, 0.98], and takes 2.03 off the second number. The last
# norm brings [4.13, 1.97] to size 1.
#
# ## How the stream begins: a picture you can move
#
# A new model's weights are random numbers. How large should they be? The stream is a sum of $2L$ answers, so its
# size depends on the size of each and on how many there are. Choose a standard deviation for the weights, and a
# depth. Orange: all matrices alike. Blue: those two that write to the stream, `wo` and `w2`, smaller by $\sqrt{2L}$,
# as GPT-2 had it (Radford et al. 2019) and as this course's models begin. Meta did not publish how LLaMA began.

# %%
import ipywidgets as widgets

from llama_mini.visualization.explore import Explorer

DEEPEST = 24
torch.manual_seed(0)
deep = Transformer(
    ModelConfig(dim=64, n_layers=DEEPEST, n_heads=4, vocab_size=256, multiple_of=32)
).eval()
standard = {name: torch.randn_like(p) for name, p in deep.named_parameters() if p.ndim == 2}
some_tokens = torch.randint(256, (1, 16))


@torch.no_grad()
def stream_sizes(std, depth, smaller_writers):
    for name, values in standard.items():
        writes = smaller_writers and name.endswith(("wo.weight", "w2.weight"))
        deep.get_parameter(name).copy_(values * (std / math.sqrt(2 * depth) if writes else std))
    table, mask = deep._rotations(some_tokens.device)[:16], attention.causal_mask(16, 16)
    x = deep.tok_embeddings(some_tokens)
    sizes = [x.pow(2).mean().sqrt().item()]
    for layer in deep.layers[:depth]:
        x = layer(x, table, mask)
        sizes.append(x.pow(2).mean().sqrt().item())
    return sizes


def draw_stream(std, depth):
    figure, axes = figures.subplots()
    ends = []
    for smaller, color, label in [
        (False, 1, "all matrices alike"),
        (True, 0, "wo and w2 smaller by √(2·depth)"),
    ]:
        sizes = stream_sizes(std, depth, smaller)
        ends.append((sizes[0], sizes[-1]))
        axes.semilogy(sizes, "o-", ms=3, color=figures.COLORS[color], label=label)
    axes.set(xlabel="blocks passed", ylabel="size of the stream (RMS)", ylim=(1e-3, 1e3))
    axes.legend(loc="upper left")
    return figure, (
        f"Size of the stream over {depth} blocks, weights with standard deviation {std:g}. It begins at "
        f"{ends[0][0]:.3g}. All matrices alike: it ends at {ends[0][1]:.3g}; with wo and w2 smaller, at "
        f"{ends[1][1]:.3g}."
    )


Explorer(
    draw_stream,
    std=widgets.SelectionSlider(options=[0.005, 0.01, 0.02, 0.05, 0.1, 0.2], value=0.1),
    depth=widgets.SelectionSlider(options=[3, 6, 12, 24], value=24),
)

# %% [markdown]
# With large weights and nothing scaled, the answers drown the embedding: what enters at the bottom hardly
# matters at the top. With the smaller writers, growth depends little on the depth, so one recipe serves
# shallow models and deep ones.
#
# There is a cheap test of any beginning. A model that knows nothing should give every token the same chance,
# which is a loss of $\ln V$. A first loss far above that means confident nonsense that training must unlearn:

# %%
config = ModelConfig(dim=128, n_layers=4, n_heads=4, vocab_size=4096, multiple_of=32)
first_tokens = torch.randint(4096, (4, 65), generator=torch.Generator().manual_seed(1))


def first_loss(std):
    torch.manual_seed(0)
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if std is not None and parameter.ndim == 2:
                parameter.normal_(std=std)
        logits = model(first_tokens[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), first_tokens[:, 1:].flatten()).item()


print(f"ln V                          {math.log(4096):6.2f}")
print(f"as this course begins         {first_loss(None):6.2f}")
for std in (0.1, 0.3, 1.0):
    print(f"all matrices with std {std:<4}    {first_loss(std):6.2f}")

# %% [markdown]
# ## Chunks and the cache
#
# In training the model reads a whole text at once. In use it reads a prompt, then one new token after another,
# and the keys and values of what it has read lie in a `KVCache`. The model must then behave as if nothing had
# happened. Say 5 positions are cached and 3 tokens come in:
#
# - they stand at positions 5, 6, 7, so they are rotated by rows 5 to 7 of the table, not 0 to 2;
# - they may see 8 keys: `attention.causal_mask(3, 8)`;
# - layer number `i` gets its own share of the cache, `cache.layer(i)`, and writes into it;
# - when *all* layers have written, `cache.advance(3)` counts the new positions, once.
#
# `cache.length` says how many are there already. A single token may look at everything, so it needs no mask;
# with one, the result is the same.

# %%
torch.manual_seed(0)
small = Transformer(
    ModelConfig(dim=64, n_layers=3, n_heads=4, vocab_size=256, multiple_of=32)
).eval()
tokens = torch.randint(256, (1, 12))

with torch.no_grad():
    whole = small(tokens)
    cache = KVCache(small.config, batch_size=1, max_seq_len=12)
    parts = []
    for chunk in tokens.split([5, 3, 1, 3], dim=1):
        parts.append(small(chunk, cache=cache))
        print(f"read {chunk.shape[1]}, the cache now holds {cache.length}")

print(f"largest difference to reading all at once: {(torch.cat(parts, 1) - whole).abs().max():.0e}")

# %% [markdown]
# Every mistake of the four above is silent as long as there is no cache. That is why the check below reads in
# chunks.
#
# ## What breaks if you get it wrong
#
# Two mistakes with Python's lists, each in a stack of three layers that should have 60 parameters:


# %%
class InAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(4, 4) for _ in range(3)]


class ThreeTimesTheSame(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4)] * 3)


for kind in (InAList, ThreeTimesTheSame):
    print(f"{kind.__name__:18} {sum(p.numel() for p in kind().parameters())} parameters")

# %% [markdown]
# The first hides its layers from torch: no optimizer sees them, no `state_dict` holds them. The second has one
# layer, three times. Both run. Count parameters, always.
#
# Others leave the count alone. Take a small model with given weights, and read how far its logits move:

# %%
import copy


class Rewired(nn.Module):
    """The parts of a block, put together by another rule."""

    def __init__(self, block, rule):
        super().__init__()
        self.block, self.rule = block, rule

    def forward(self, x, table, mask=None, cache=None):
        b = self.block
        return self.rule(x, b, lambda read: b.attention(read, table, mask, cache))


def parallel(x, b, attend):
    return x + attend(b.attention_norm(x)) + b.feed_forward(b.ffn_norm(x))


def post_norm(x, b, attend):
    x = b.attention_norm(x + attend(x))
    return b.ffn_norm(x + b.feed_forward(x))


def from_the_copy(x, b, attend):
    x = b.attention_norm(x)
    x = b.ffn_norm(x + attend(x))
    return x + b.feed_forward(x)


def exchanged(x, b, attend):
    x = x + b.feed_forward(b.ffn_norm(x))
    return x + attend(b.attention_norm(x))


WIRINGS = {
    "feed-forward reads x, not h": parallel,
    "norms on the main road": post_norm,
    "the copy is added to, not the stream": from_the_copy,
    "feed-forward first": exchanged,
}

torch.manual_seed(1)
given = Transformer(
    ModelConfig(dim=64, n_layers=4, n_heads=4, vocab_size=256, multiple_of=32)
).eval()
with torch.no_grad():
    for parameter in given.parameters():
        if parameter.ndim == 1:
            parameter.uniform_(0.5, 1.5)
        else:
            parameter.normal_(std=parameter.shape[1] ** -0.5)
    right = given(tokens)
    moved = {}
    for name, rule in WIRINGS.items():
        wrong = copy.deepcopy(given)
        wrong.layers = nn.ModuleList(Rewired(layer, rule) for layer in wrong.layers)
        moved[name] = ((wrong(tokens) - right).norm() / right.norm()).item()
    wrong = copy.deepcopy(given)
    wrong.norm = nn.Identity()
    moved["no last norm"] = ((wrong(tokens) - right).norm() / right.norm()).item()

figure, axes = figures.subplots(height=2.8)
axes.barh(list(moved), list(moved.values()), color=figures.COLORS[0])
axes.invert_yaxis()
axes.set_xlabel("change of the logits, as a share of their size")
figures.show(
    figure,
    alt="How far the logits of a small model move for each wrong wiring, as a share of their size: "
    + ", ".join(f"{name} {share:.2f}" for name, share in moved.items())
    + ".",
)

# %% [markdown]
# The first one deserves a word: a *parallel* block is no nonsense. PaLM and GPT-J are built that way, and train
# well. It is only not LLaMA, and LLaMA's weights do not fit it.
#
# ## Meta's own numbers
#
# A model on torch's *meta device* has every shape and no numbers, so even 65B can be built on a laptop. Build all
# four and count, part by part:

# %%
PARTS = {
    "tok_embeddings": "embeddings",
    "output": "output head",
    "attention": "attention",
    "feed_forward": "feed-forward",
}


def counted(config):
    """Parameters of a model, by the part they are in."""
    with torch.device("meta"):
        model = Transformer(config)
    counts = dict.fromkeys([*PARTS.values(), "norms"], 0)
    for name, parameter in model.named_parameters():
        part = next((PARTS[piece] for piece in name.split(".") if piece in PARTS), "norms")
        counts[part] += parameter.numel()
    return counts


SAID_IN_THE_PAPER = {"7B": 6.7, "13B": 13.0, "30B": 32.5, "65B": 65.2}
FAMILY = {name: counted(CONFIGS[name]) for name in SAID_IN_THE_PAPER}

for name, counts in FAMILY.items():
    total = sum(counts.values())
    print(
        f"{name:4} {total:>14,}  = {total / 1e9:.2f} billion; the paper says {SAID_IN_THE_PAPER[name]}"
    )

# %% [markdown]
# Three of the four round to what Table 2 of the paper says. 65B does not: 65.29 is 65.3, where the table has 65.2.
# And the "30B" of the download folder is the paper's 33B, with 32.53 billion.
#
# Where are they? Choose a model, and a larger vocabulary:


# %%
def draw_budget(model, vocab):
    config = CONFIGS[model]
    counts = dict(FAMILY[model])
    counts["embeddings"] = counts["output head"] = vocab * config.dim
    total = sum(counts.values())
    figure, axes = figures.subplots(height=2.8)
    shares = {part: count / total for part, count in counts.items()}
    bars = axes.barh(list(shares), [100 * s for s in shares.values()], color=figures.COLORS[0])
    axes.bar_label(bars, [f" {counts[part] / 1e6:,.1f} M" for part in shares])
    axes.invert_yaxis()
    axes.set(xlabel="share of all parameters (%)", xlim=(0, 80))
    axes.set_title(f"{model} with {vocab:,} tokens: {total / 1e9:.2f} billion parameters")
    return figure, (
        f"Parameters of {model} with a vocabulary of {vocab:,}: {total:,}, of which "
        + ", ".join(f"{part} {share:.2%}" for part, share in shares.items())
        + "."
    )


Explorer(
    draw_budget,
    model=widgets.Dropdown(options=list(FAMILY), value="7B"),
    vocab=widgets.SelectionSlider(options=[8000, 32000, 64000, 128000, 256000], value=32000),
)

# %% [markdown]
# About two parts feed-forward to one part attention, at every size. With a vocabulary of 256,000, embeddings and
# output head would be a quarter of the model, which would then have 8.6 billion parameters.
#
# ## Which choices matter? The ablations
#
# The LLaMA paper names three changes to the original Transformer: pre-norm with RMSNorm, SwiGLU, rotary
# positions. It gives its sources for each, and no experiment of its own. So let us make one: undo the choices
# one at a time, and train each variant alike.
#
# | variant | differs from LLaMA in |
# |---|---|
# | LayerNorm | the mean is subtracted and a bias added, in every norm |
# | learned positions | a learned vector for each position added to the embeddings; nothing is rotated |
# | GELU MLP | two matrices and a GELU, at exactly equal parameters |
# | post-norm | the norms stand on the main road, after each addition |
#
# The model is small: 6 blocks, 64 wide, 4,096 tokens of vocabulary. It reads 400 batches of 8 × 128 tokens of the
# course's own data mix. Five seeds each. Within a seed, all variants read the same text in the same order, and start
# from the same numbers where they share parts. That makes them *pairs*: what is common to both runs drops out of
# their difference, which is then less noisy than that of two unrelated runs. The results came with the course, in `benchmarks/results/ablations.jsonl`. Delete
# that file, and `make ablations` makes all runs again:

# %%
import sys

from llama_mini import paths

sys.path.insert(0, str(paths.project_root() / "benchmarks"))
import ablations

records = ablations.read_results()
print(
    f"{len(records)} runs, {min(r['date'] for r in records)}, {records[0]['machine']}, torch {records[0]['versions']['torch']}"
)


def draw_differences(records, title):
    found = ablations.paired_differences(records)
    figure, axes = figures.subplots(height=0.9 + 0.5 * len(found))
    for place, (of_seeds, mean, half_width) in enumerate(found.values()):
        axes.plot(of_seeds, [place] * len(of_seeds), "o", color=figures.COLORS[0], alpha=0.5)
        axes.errorbar(mean, place, xerr=half_width, fmt="|", color="black", ms=16, mew=2, capsize=5)
    axes.axvline(0, color=figures.COLORS[1], lw=1.5)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set(xlabel="validation loss minus LLaMA's (nats per token)", title=title)
    return figures.show(
        figure,
        alt=f"{title}. Validation loss minus LLaMA's, mean and 95 % confidence: "
        + "; ".join(f"{v} {mean:+.3f} ± {half:.3f}" for v, (_, mean, half) in found.items())
        + ".",
    )


draw_differences(records, f"learning rate {ablations.SETTINGS.lr:g}")

# %% [markdown]
# Dots are seeds, black bars the 95 % confidence interval of the mean. Left of the orange line: better than LLaMA.
# Post-norm squeezes the others together, so look at them without it, and let the numbers give the verdict:

# %%
from IPython.display import display

display(draw_differences([r for r in records if r["variant"] != "post-norm"], "without post-norm"))


def verdicts(records):
    for variant, (of_seeds, mean, half) in ablations.paired_differences(records).items():
        verdict = "within the noise" if abs(mean) <= half else "worse" if mean > 0 else "better"
        print(f"{variant:18} {mean:+.4f} ± {half:.4f} nats, {len(of_seeds)} seeds: {verdict}")


verdicts(records)

# %% [markdown]
# An interval that contains zero means: five seeds of this size cannot tell. It does not mean that there is no
# difference. One by one:
#
# - **Learned positions** lose 0.246 ± 0.084 nats, and every one of the five pairs says so. It is the only
#   evidence for RoPE in this lesson, at a length of 128 tokens.
# - **LayerNorm** against RMSNorm: +0.001 ± 0.037, noise. What RMSNorm leaves out, the mean and the bias, is not
#   missed here. It is the cheaper of the two.
# - **The GELU layer** against SwiGLU: +0.036 ± 0.037, within the noise, if barely; all five pairs lean to SwiGLU.
#   Your run of lesson 06 may have put the gate beyond the noise, in a toy without attention. Two settings may
#   give two verdicts, and neither settles it.
#
# Post-norm came down to 6.9 and stayed 1.2 behind. Is that its nature, or our recipe? A learning rate that suits one variant may
# be wrong for another. So LLaMA and post-norm ran again from three of the seeds, at a sixth of the rate:

# %%
slow = ablations.read_results(settings=ablations.LOW_RATE)
verdicts(slow)


def mean_loss(records, variant):
    losses = [r["validation_loss"] for r in records if r["variant"] == variant]
    return sum(losses) / len(losses)


for variant in ("LLaMA", "post-norm"):
    print(
        f"{variant:10} mean validation loss {mean_loss(records, variant):.3f} at lr {ablations.SETTINGS.lr:g}, "
        f"{mean_loss(slow, variant):.3f} at lr {ablations.LOW_RATE.lr:g}"
    )

# %% [markdown]
# At the low rate post-norm does learn, and is not far behind. But both are slow there, and of the two only LLaMA
# can take the high rate. This is what people mean when they say that pre-norm is *easier to train*. Nobody tuned
# post-norm here, nor its warm-up, which may be what it wants.
#
# What these runs can say is little, and it is worth knowing how little. They are short, one size, one data set, one
# recipe that nobody tuned for any of them. What wins at 0.8 million parameters and 0.4 million tokens may draw at
# 7 billion and 1 trillion.
#
# ### One pair, on your machine
#
# The same code on other data: the source text of this course, as bytes. Two runs of 120 updates, about half a minute.

# %%
from dataclasses import replace

import llama_mini
import numpy as np
from pathlib import Path


class Text:
    """Bytes, as the training code reads tokens."""

    vocab_size, digest = 256, "the course's own source"

    def __init__(self, data):
        self.data = np.frombuffer(data, dtype=np.uint8).astype(np.uint16)

    def __len__(self):
        return len(self.data)

    def read(self, start, count):
        return self.data[start : start + count]


source = b"".join(p.read_bytes() for p in sorted(Path(llama_mini.__file__).parent.rglob("*.py")))
cut = 9 * len(source) // 10
brief = replace(ablations.SETTINGS, steps=120, warmup_steps=12, validation_windows=64)

pair = {
    variant: ablations.train(variant, 0, Text(source[:cut]), Text(source[cut:]), brief)
    for variant in ("LLaMA", "post-norm")
}
figure, axes = figures.subplots()
for (variant, run), color in zip(pair.items(), (0, 1), strict=True):
    axes.plot(run["training_loss"], color=figures.COLORS[color], label=variant)
axes.set(xlabel="update", ylabel="training loss (nats per byte)")
axes.legend()
figures.show(
    figure,
    alt="Training loss of one pair over 120 updates. Validation loss at the end: "
    + ", ".join(f"{variant} {run['validation_loss']:.2f}" for variant, run in pair.items())
    + " nats per byte.",
)

# %% [markdown]
# When this lesson was written, these two ended close together, post-norm once even a little ahead. One seed
# cannot tell; but what stayed 1.2 nats behind on 4,096 tokens trains well on 256 bytes. A verdict belongs
# to its setting.
#
# ## In three lines
#
# - A stream from bottom to top; each layer reads a normalised copy and adds its answer to the stream itself.
# - With a cache, tokens stand at positions `length`, `length + 1`, …: rows of the table and mask follow.
# - Count parameters, look at the first loss, compare in pairs over several seeds, and believe intervals, not dots.

# %% [markdown] tags=["exercise-text"]
# ## A block
#
# Write the class `TransformerBlock(config)`, a `torch.nn.Module`:
#
# $$h = x + \mathrm{Attention}(\mathrm{RMSNorm}(x)), \qquad y = h + \mathrm{FeedForward}(\mathrm{RMSNorm}(h))$$
#
# - Its parts are named as in Meta's files: `attention_norm`, `attention`, `ffn_norm`, `feed_forward`. They are
#   `norm.RMSNorm(dim, eps)`, `attention.Attention(config)` and `feedforward.FeedForward(dim, hidden)`: your own where
#   they have passed.
# - Both norms get `config.norm_eps`.
# - `hidden` is `config.hidden_dim`; where that is `None`, `feedforward.hidden_dim(config.dim, config.multiple_of)`.
# - `forward(x, table, mask=None, cache=None)`: `x` is `(batch, seq, dim)`, and so is the result. The rest goes to the
#   attention layer as it is, in this order.
# - Leave `x` as it was.

# %% tags=["exercise"] symbol="llama_mini.model:TransformerBlock" part="The mathematics"

# %% [markdown] tags=["exercise-text"]
# ## The model
#
# Write the class `Transformer(config)`, a `torch.nn.Module`.
#
# In `__init__`:
#
# - Keep the config as `self.config`.
# - Parts, named as in Meta's files: `tok_embeddings`, an `nn.Embedding` of `config.vocab_size` tokens and `config.dim`
#   numbers; `layers`, an `nn.ModuleList` of `config.n_layers` blocks (`model.TransformerBlock(config)`); `norm`, an
#   `RMSNorm` with `config.norm_eps`; `output`, an `nn.Linear` from `dim` to `vocab_size` without bias.
# - If `config.tied_embeddings`, `output` shares its weight with `tok_embeddings`: one parameter, two names.
# - At the end, `model.initialize(self)` draws the first weights.
#
# In `forward(tokens, cache=None)`:
#
# - `tokens` is `(batch, seq)`, integers; return logits `(batch, seq, vocab)` in **float32**, whatever the weights are.
# - The tokens stand at positions `start`, `start + 1`, …, where `start` is `cache.length`, or 0 without a cache.
#   Every block gets the same rows of `self._rotations(tokens.device)` (given below), and the same causal mask, on the
#   device of the tokens.
# - With a cache, block `i` gets `cache.layer(i)`. When all have written, call `cache.advance` once.
# - The package raises `ValueError` for tokens that do not fit; yours may, and is not asked to.

# %% tags=["exercise"] symbol="llama_mini.model:Transformer" given=["_rotations"] part="Chunks and the cache"

# %% [markdown] tags=["exercise-text"]
# ## Counting without building
#
# Write `parameter_count(config)`: how many numbers a Transformer of this shape learns, computed from the config alone.
#
# - Embeddings and output head have `vocab_size · dim` each. If `config.tied_embeddings`, they are one and count once.
# - A block has `wq` and `wo`, $d \times d$ each; `wk` and `wv`, which make `config.kv_heads` heads of
#   `config.head_dim`; three feed-forward matrices; and two norms.
# - The hidden width follows the same rule as in the block. There is one more norm at the end.
# - Return an `int`.
#
# For `CONFIGS["7B"]` it is 6,738,415,616.

# %% tags=["exercise"] symbol="llama_mini.model:parameter_count" part="Meta's own numbers"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [08 · Decoding](08_decoding.ipynb): how a model that only gives numbers comes to write.
