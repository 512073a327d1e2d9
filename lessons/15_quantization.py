# %% [markdown]
# # 15 · Quantization
#
# **120 minutes · under 1 GB of memory (2 with SmolLM2) · comes after 05; uses what 14 says of memory**
#
# > *LLaMA-65B is 130.6 GB of numbers, and a large GPU has 80. Nobody asked whether each of these numbers
# > needs 16 bits. How few will do, and what becomes of what the model says?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# You leave the weights as they were released, and look for a machine that holds them. This is how much
# room they take, and what it would be with fewer bits. Move the bits:

# %%
import ipywidgets as widgets
import torch

from llama_mini import CONFIGS, planning
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer

torch.set_num_threads(1)
SIZES = ("7B", "13B", "30B", "65B")


def draw_memory(bits):
    figure, axes = figures.subplots(height=2.8)
    sizes = [planning.weight_bytes(CONFIGS[name], bits) / 1e9 for name in SIZES]
    axes.barh(SIZES, sizes, color=figures.COLORS[0])
    for place, size in enumerate(sizes):
        note = axes.text(size + 1, place, f"{size:.1f} GB", va="center")
        note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    for capacity in (8, 24, 80):
        axes.axvline(capacity, color="0.4", ls="--", lw=1)
        axes.text(capacity + 0.8, -0.62, f"{capacity} GB", fontsize=8.5, color="0.3")
    axes.set(xlim=(0, max(150, 1.2 * max(sizes))), xlabel=f"weights at {bits:g} bits each (GB)")
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()
    told = ", ".join(f"{name} {size:.1f}" for name, size in zip(SIZES, sizes, strict=True))
    return figure, f"GB of weights at {bits:g} bits each: {told}. Lines stand at 8, 24 and 80 GB."


Explorer(draw_memory, bits=widgets.FloatSlider(16, min=2, max=32, step=0.25))

# %% [markdown]
# At 16 bits 65B needs two cards of 80 GB, and 7B does not fit into a graphics card of 8 GB. At 8 bits
# 65B fits on one large card; near 4 bits it takes half of one, and 7B fits anywhere.
#
# Memory is only half of it. Decoding one text reads all weights once for every token (lesson 14), so the
# time of a token is the bytes of the model divided by the bandwidth of the memory. Half the bytes are
# twice the speed, if the arithmetic can keep up.
#
# ## The idea in plain words
#
# Measure each weight with a ruler, and write down only the number of the nearest mark. The number is
# small and whole: it is the *code*. To read the weight back you need to know how far apart the marks are,
# the *scale*. One ruler serves many weights, so its scale hardly costs anything.
#
# All the rest of this lesson is the question which weights should share a ruler, and where its marks lie.
#
# ## The mathematics
#
# A grid with step $s$ has its marks at $s \cdot q$ for whole $q$. A weight $w$ gets the code
#
# $$q = \mathrm{round}(w / s), \qquad \hat w = s \cdot q, \qquad |\hat w - w| \le \frac{s}{2}.$$
#
# **Symmetric, or absmax.** With $b$ bits the largest code is $2^{b-1} - 1$: 127 for 8 bits, 7 for 4. Choose
# the step so that the largest weight of the group gets exactly that code:
#
# $$s = \frac{\max_j |w_j|}{2^{b-1} - 1}$$
#
# **Asymmetric, or min–max.** Let the codes run from 0 to $2^b - 1$, and the grid from the smallest weight to
# the largest. Now two numbers describe it, the step and where it begins:
#
# $$s = \frac{\max w - \min w}{2^b - 1}, \qquad z = \min w, \qquad \hat w = s \cdot q + z$$
#
# **The error to expect.** Inside one step every place is about as likely as any other. The mean square of a
# number that is uniform between $-\frac s2$ and $\frac s2$ is
#
# $$\frac 1s \int_{-s/2}^{s/2} e^2 \, de = \frac{s^2}{12}.$$
#
# So a bit more halves the step, and with it the typical error $s/\sqrt{12}$. Is that so for numbers that are
# not uniform at all? `round_trip` rounds to a grid of any number of bits, and back:

# %%
import math

from llama_mini.weights.quantized.grids import round_trip

bell = torch.randn(1, 100_000, generator=torch.Generator().manual_seed(0))

print("bits   step     error, measured   step / √12")
for bits in (8, 6, 5, 4, 3, 2):
    step = bell.abs().max().item() / (2 ** (bits - 1) - 1)
    error = (round_trip(bell, bits) - bell).pow(2).mean().sqrt().item()
    print(f"{bits:3}   {step:.4f}       {error:.4f}          {step / math.sqrt(12):.4f}")

# %% [markdown]
# Down to three bits the formula is nearly exact. At two the bell is no longer flat inside a step: most
# weights lie around the one mark at zero.
#
# ## The naive code
#
# One row, plain Python, eight bits and symmetric:


# %%
def row_to_int8(row):
    scale = max(abs(weight) for weight in row) / 127
    return [round(weight / scale) for weight in row], scale


row = [0.21, -0.04, 0.508, -0.3]
codes, scale = row_to_int8(row)
print("codes:     ", codes, " scale:", scale)
print("back again:", [round(code * scale, 6) for code in codes])

# %% [markdown]
# Check it in your head: the largest is 0.508, and 0.508 / 127 is 0.004. So 0.21 is 52.5 steps. Python's
# `round` and torch's take the *even* neighbour of a half, 52 here; so halves go up as often as down. The
# bytes: four codes of one byte and a scale of four, where the row took sixteen in float32. In a real row
# of 4,096 weights the scale is nothing.
#
# And four bits, asymmetric, for one group:


# %%
def group_to_int4(group):
    zero = min(group)
    scale = (max(group) - zero) / 15
    return [round((weight - zero) / scale) for weight in group], scale, zero


codes, scale, zero = group_to_int4([0.2, -0.1, 0.35, 0.05])
print("codes:     ", codes, f" scale: {scale:.2f}  zero: {zero}")
print("back again:", [round(code * scale + zero, 6) for code in codes])

# %% [markdown]
# `zero` is the weight that code 0 stands for. Other projects store the same grid as $(q - z') \cdot s$ with a
# *code* $z'$ that stands for weight 0, and torch's kernels store the weight of code 8. When you read
# someone's quantised file, find out first which of the three it is.
#
# ## A picture you can move
#
# 512 weights, drawn like those of a real row, and the marks of their grid. Choose the bits and the kind of
# grid. Then move the outlier: one weight of the 512 becomes that large.

# %%
weights = torch.randn(512, generator=torch.Generator().manual_seed(4)) * 0.02 + 0.004


def draw_grid(bits, kind, outlier):
    row = weights.clone()
    if outlier:
        row[100] = outlier * 0.02
    rounded = round_trip(row[None], bits, asymmetric=kind == "min–max")[0]
    ordinary = torch.arange(len(row)) != 100
    error = (rounded - row)[ordinary].pow(2).mean().sqrt() / row[ordinary].pow(2).mean().sqrt()
    used = len(rounded[ordinary].unique())
    figure, axes = figures.subplots()
    axes.hist(row.numpy(), bins=80, color="0.75")
    low, high = row.min().item(), row.max().item()
    if kind == "min–max":
        marks = torch.linspace(low, high, 2**bits)
    else:
        top = 2 ** (bits - 1) - 1
        marks = torch.arange(-top, top + 1) * (row.abs().max() / top)
    axes.vlines(marks.numpy(), -4, 0, color=figures.COLORS[1], lw=1)
    axes.set(xlabel="weight", ylabel="how many", ylim=(-5, 32))
    axes.set_title(f"{used} codes for 511 weights; error {error:.1%} of their size", fontsize=11)
    return figure, (
        f"Histogram of 512 weights over a grid ({kind}) of {bits} bits, with an outlier of "
        f"{outlier} times the usual size: the other weights share {used} codes, and their error is "
        f"{error:.1%} of their size."
    )


Explorer(
    draw_grid,
    bits=widgets.IntSlider(4, min=2, max=8),
    kind=widgets.Dropdown(options=["absmax", "min–max"], value="absmax"),
    outlier=widgets.IntSlider(0, min=0, max=40),
)

# %% [markdown]
# Without an outlier, four bits leave an error of about an eighth of the weights' size, and min–max is a
# little better than absmax: the weights are not quite centred, and absmax leaves marks on its shorter side
# unused. With an outlier of 40, the same four bits have three codes for everything else.
#
# That is the whole difficulty of quantization. **The largest weight pays for nothing and sets the price for
# all the others on its ruler.** In the words of the formula: call the *peak* of a row its largest absolute
# value divided by its root mean square. Then for absmax
#
# $$\frac{\text{error}}{\text{size}} \approx \frac{s/\sqrt{12}}{\mathrm{RMS}(w)} = \frac{\text{peak}}{(2^{b-1}-1)\sqrt{12}}.$$
#
# ## Groups
#
# So give fewer weights one ruler. If a row is cut into groups of $g$ neighbours with a scale each, an outlier
# spoils its own group only. The price: a scale of 16 bits for every $g$ weights, and a zero as well if the
# grid is asymmetric. A weight takes
#
# $$b + \frac{16}{g} \text{ bits (absmax)}, \qquad b + \frac{32}{g} \text{ bits (min–max)}.$$

# %%
from llama_mini.weights.quantized.grids import bits_per_weight, relative_error


def draw_groups(outliers, group_size):
    row = torch.randn(4096, generator=torch.Generator().manual_seed(5)) * 0.02
    places = torch.arange(outliers) * 401 % 4096
    row[places] *= 40
    size = 2**group_size
    rounded = round_trip(row[None], 4, size, asymmetric=True)[0]
    each = (rounded - row).view(-1, size).pow(2).mean(1).sqrt() / 0.02
    figure, axes = figures.subplots(height=3.0)
    edges = torch.arange(0, 4096, size)
    axes.bar(edges.numpy(), each.numpy(), width=size, align="edge", color=figures.COLORS[0], lw=0)
    axes.set(xlabel="column", ylabel="error of a group / usual size", ylim=(0, 1.8), xlim=(0, 4096))
    spoiled = (each > 0.15).float().mean().item()
    cost = bits_per_weight(4, size, asymmetric=True)
    axes.set_title(f"{cost:.3g} bits a weight; {spoiled:.0%} of the weights spoiled", fontsize=11)
    return figure, (
        f"Error of each group of {size} in a row of 4,096 weights with {outliers} outliers, at 4 bits: "
        f"{spoiled:.1%} of the weights lie in groups whose error is above 0.15 of their usual size. "
        f"A weight takes {cost:.3g} bits."
    )


Explorer(
    draw_groups,
    outliers=widgets.IntSlider(3, min=0, max=10),
    group_size=widgets.SelectionSlider(
        options=[(str(2**n), n) for n in range(4, 13)], value=12, description="group size"
    ),
)

# %% [markdown]
# 128 is the usual choice, at 4.25 bits. Groups of 32 cost 5 and are safer; llama.cpp's Q4_1 has them, and
# its Q4_0, without a zero, takes 4.5. Below 32 the scales eat what the codes save.
#
# LLM.int8() (Dettmers and others, 2022) met the outliers in another place, the *activations*: from about 6.7
# billion parameters on, a handful of dimensions have values far larger than all others. It multiplies those
# few columns in 16 bits and the rest in int8. Here we quantise weights alone, and leave activations as
# they are; for decoding that is where the bytes are.
#
# ## Real weights
#
# Now a model that was trained. The numbers below were measured on SmolLM2-135M, a LLaMA of 30 layers, by
# `python benchmarks/quantization.py smollm2`, and are in the repository. Each dot is one matrix: how large
# its peak is (the median over its rows), and what rounding changed. The lines are the formula above.

# %%
import json

from llama_mini import paths

text = (paths.project_root() / "benchmarks/results/quantization.jsonl").read_text(encoding="utf-8")
results = [json.loads(line) for line in text.splitlines()]
measured = {record["model"]: record for record in results if record["kind"] == "error"}
smollm2 = measured["SmolLM2-135M"]
print(smollm2["machine"], smollm2["versions"], smollm2["date"])

matrices = smollm2["by tensor"]
peaks = torch.tensor([matrix["median peak"] for matrix in matrices.values()])
along = torch.linspace(peaks.min(), peaks.max(), 50)

figure, axes = figures.subplots(height=3.8)
told = []
for color, scheme, top in (
    (figures.COLORS[0], "int8 absmax row", 127),
    (figures.COLORS[1], "int4 absmax row", 7),
):
    error = torch.tensor([matrix[scheme] for matrix in matrices.values()])
    axes.scatter(peaks.numpy(), error.numpy(), s=10, color=color, label=scheme)
    axes.plot(along.numpy(), (along / top / math.sqrt(12)).numpy(), color=color, lw=1)
    told.append(f"{scheme} from {error.min():.4f} to {error.max():.4f}")
grouped = torch.tensor([matrix["int4 min-max 64"] for matrix in matrices.values()])
axes.scatter(
    peaks.numpy(),
    grouped.numpy(),
    s=10,
    color=figures.COLORS[2],
    label="int4 min–max, groups of 64",
)
axes.set(yscale="log", xlabel="peak: largest weight of a row / RMS", ylabel="error / size")
axes.legend(loc="center right")
figures.show(
    figure,
    alt=f"Relative error of {len(matrices)} matrices of SmolLM2 against their peak, which is "
    f"{peaks.min():.1f} to {peaks.max():.1f}: {'; '.join(told)}; int4 min-max in groups of 64 from "
    f"{grouped.min():.4f} to {grouped.max():.4f}.",
)

# %% [markdown]
# The peak predicts most of what absmax does to a matrix. The dots lie a little above their line, for it is
# drawn with the median peak, and rows with a larger one add more than rows with a smaller one save. Now the
# same layer by layer:

# %%
KINDS = ("wq", "wk", "wv", "wo", "w1", "w2", "w3")
by_kind = {
    kind: [m["int4 absmax row"] for name, m in matrices.items() if f".{kind}." in name]
    for kind in KINDS
}
figure, axes = figures.subplots(height=3.6)
for kind, color in zip(KINDS, figures.COLORS, strict=True):
    axes.plot(by_kind[kind], color=color, marker="o", ms=3, label=kind)
axes.set(xlabel="layer", ylabel="error / size", title="int4, one absmax grid a row")
axes.legend(ncols=4)
figures.show(
    figure,
    alt="Relative error of int4 absmax by layer, mean and largest of the layers: "
    + ", ".join(f"{k} {sum(e) / len(e):.3f} and {max(e):.3f}" for k, e in by_kind.items())
    + ".",
)

# %% [markdown]
# And against bits, over all matrices together:

# %%
GRIDS = {
    "absmax, a row": "int{} absmax row",
    "min–max, a row": "int{} min-max row",
    "absmax, groups of 64": "int{} absmax 64",
    "min–max, groups of 64": "int{} min-max 64",
}
figure, axes = figures.subplots(height=3.4)
told = []
for label, scheme in GRIDS.items():
    errors = [smollm2["overall"][scheme.format(bits)] for bits in range(2, 9)]
    axes.semilogy(range(2, 9), errors, marker="o", ms=4, label=label)
    told.append(f"{label}: {errors[0]:.3f} at 2 bits, {errors[2]:.3f} at 4, {errors[6]:.4f} at 8")
axes.set(xlabel="bits of a code", ylabel="error / size")
axes.legend()
figures.show(
    figure, alt="Relative error of the weights of SmolLM2 by bits. " + "; ".join(told) + "."
)

# %% [markdown]
# Nearly straight lines on this axis: each bit halves the error. Groups and a zero together are worth about
# two thirds of a bit, to judge by 5, 6 and 7 bits. (The lowest line has a dip at 4 bits and at 8. This file of
# SmolLM2 is rounded to four bits in groups of 32 already; more on that below. Where both ends of a group of
# 64 lie in the same 32, the four-bit grid falls on the one those were rounded to; and as 255 is 17 · 15, every
# seventeenth mark of the eight-bit grid does, too.)
#
# ## What becomes of what the model says
#
# An error in the weights is not yet an error in the text. What counts is how surprised the model is by text
# it has not seen: its loss (lesson 01), which quantisation papers write as *perplexity*,
#
# $$\text{perplexity} = e^{\text{mean nats per token}}.$$
#
# It is the number of equally likely tokens among which a model would hesitate as much. A *difference* of
# losses is therefore a *ratio* of perplexities: a tenth of a nat more is 10.5 % more perplexity.
#
# First on a model small enough to train here, in seconds, on sentences that a few lines can make:

# %%
import copy
import random

from torch.nn import functional as F

from llama_mini import ModelConfig, Transformer

rng = random.Random(0)
NOUNS = ["dog", "cat", "bird", "horse", "fox", "owl", "child", "teacher", "river", "house"]
VERBS = ["see", "hear", "like", "chase", "fear", "follow"]
PLACES = ["near the water", "in the old town", "behind a hill", "at night"]


def sentence():
    several = rng.random() < 0.4
    subject = rng.choice(NOUNS)
    verb = rng.choice(VERBS)
    words = ["the", subject + "s"] if several else ["a", subject]
    words += [verb if several else verb + "s", "the", rng.choice(NOUNS)]
    return " ".join(words + rng.choice(PLACES).split() * (rng.random() < 0.5)) + " . "


characters = sorted(set("".join(sentence() for _ in range(500))))
as_ids = {character: number for number, character in enumerate(characters)}
train, held_out = (
    torch.tensor([as_ids[c] for c in "".join(sentence() for _ in range(count))])
    for count in (6000, 300)
)

torch.manual_seed(0)
model = Transformer(
    ModelConfig(
        dim=64, n_layers=3, n_heads=4, vocab_size=len(characters), hidden_dim=192, max_seq_len=64
    )
)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(200):
    starts = torch.randint(len(train) - 65, (16,))
    batch = torch.stack([train[start : start + 65] for start in starts])
    loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()


@torch.no_grad()
def perplexity(model):
    windows = held_out[: len(held_out) // 65 * 65].view(-1, 65)
    logits = model(windows[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).exp().item()


print(f"{len(characters)} characters; perplexity {perplexity(model):.4f} on unseen sentences")

# %%
PROJECTIONS = [n for n, p in model.named_parameters() if p.ndim == 2 and "tok_emb" not in n]


def rounded_model(change):
    """A copy of the model whose projections went through `change`."""
    other = copy.deepcopy(model)
    for name in PROJECTIONS:
        weight = other.get_parameter(name)
        weight.data = change(weight.data)
    return other


def perplexity_at(*grid, **options):
    return perplexity(rounded_model(lambda weight: round_trip(weight, *grid, **options)))


whole = perplexity(model)
print(f"bits   absmax, a row   min–max, groups of 32   (not rounded: {whole:.4f})")
for bits in range(8, 1, -1):
    groups = perplexity_at(bits, 32, asymmetric=True)
    print(f"{bits:3}        {perplexity_at(bits):8.4f}        {groups:8.4f}")

# %% [markdown]
# Eight bits cost nothing that can be measured. Then, somewhere between four bits and two, it falls off a
# cliff. Where the cliff is depends on the model.
#
# For larger ones the committed results have a line for each scheme: a model of the course (`mini`, trained
# as in lesson 13) and SmolLM2, both on eight documents of the validation split. The difference is in nats per
# token against the model in float32 on the same tokens, with its standard error.

# %%
for record in results:
    if record["kind"] == "perplexity":
        print(
            f"{record['model']:13} {record['scheme']:20} perplexity {record['perplexity']:8.3f}"
            f"   {record['difference']:+.4f} ± {record['standard_error']:.4f}"
        )

by_scheme = {
    (record["model"], record["scheme"]): record
    for record in results
    if record["kind"] == "perplexity"
}
before, after = by_scheme["SmolLM2-135M", "fp32"], by_scheme["SmolLM2-135M", "load int4"]
print(
    f"\nSmolLM2-135M, from fp32 to load int4: {before['perplexity']:.1f} · e^{after['difference']:.3f} = "
    f"{before['perplexity'] * math.exp(after['difference']):.1f}; measured: {after['perplexity']:.1f}"
)

# %% [markdown]
# "load int8" and "load int4" are what `load(path, precision="int4")` gives: groups of 128 or the largest that
# divides the columns (64 in most of SmolLM2, whose width is 576), scales in bfloat16, products in bfloat16.
#
# `mini` hardly notices four bits. SmolLM2 does: it goes from a perplexity of 27.4 to 39.0, which is +0.353 nats.
# Neither of them notices eight. And look at SmolLM2's "int4 min-max row" beside its "int4 absmax row": the weights
# are closer to the original, and the text is worse. (In `mini` both are close to nothing lost, and min–max is the
# better one.) The error of the weights is a guide; what counts is measured at the end.
#
# One thing to know about SmolLM2: this file of it *is* quantised already, to Q4_1, which is four bits, min–max,
# in groups of 32. Rounded once more to that same grid, no weight moves, and so "int4 min-max 32" costs
# nothing at all. Read the other lines as what a second rounding costs. The course's `mini` was never rounded
# before. That is one thing in which the two differ; perhaps SmolLM2 also loses more because it learned far
# more, and packs it into each of its weights. These lines cannot tell which.
#
# If SmolLM2 is on your disk (`llama-mini chat` fetches it), this cell measures two of its matrices
# once more:

# %%
from llama_mini.weights.loading import open_checkpoint

found = sorted((paths.cache_dir() / "weights").glob("SmolLM2*.gguf"))
if found:
    checkpoint = open_checkpoint(found[0])
    for name in ("layers.0.attention.wk.weight", "layers.0.feed_forward.w2.weight"):
        weight = checkpoint.tensor(name, torch.device("cpu")).float()
        again = relative_error(weight, round_trip(weight, 4))
        print(
            f"{name:34} int4 absmax row {again:.5f}, in the results {matrices[name]['int4 absmax row']}"
        )
else:
    print("SmolLM2 is not on this disk; the committed results above stand for it.")

# %% [markdown]
# ## What others measured on LLaMA itself
#
# Published perplexities on WikiText-2, for Meta's own weights; **not measured here**. llama.cpp's, with the bits
# that a weight takes in each format:

# %%
BITS = {"F16": 16, "Q8_0": 8.5, "Q5_1": 6, "Q5_0": 5.5, "Q4_1": 5, "Q4_0": 4.5}
PUBLISHED = {
    "7B": {"F16": 5.9066, "Q8_0": 5.9070, "Q5_1": 5.9481, "Q5_0": 5.9862, "Q4_1": 6.0912, "Q4_0": 6.1565},
    "13B": {"F16": 5.2543, "Q8_0": 5.2548, "Q5_1": 5.2706, "Q5_0": 5.2856, "Q4_1": 5.3608, "Q4_0": 5.3860},
}  # fmt: skip

figure, axes = figures.subplots(height=3.6)
for size, by_format in PUBLISHED.items():
    gigabytes = [planning.weight_bytes(CONFIGS[size], BITS[name]) / 1e9 for name in by_format]
    axes.plot(gigabytes, by_format.values(), marker="o", label=size)
    for x, name in zip(gigabytes, by_format, strict=True):
        if name in ("F16", "Q8_0", "Q4_0"):
            axes.annotate(
                name, (x, by_format[name]), (4, 5), textcoords="offset points", fontsize=9
            )
axes.set(xscale="log", xlabel="weights (GB)", ylabel="perplexity, WikiText-2")
axes.set_xticks([4, 8, 16, 26], ["4", "8", "16", "26"])
axes.minorticks_off()
axes.legend()
figures.show(
    figure,
    alt="Published perplexity against size. "
    + " ".join(
        f"{size}: " + ", ".join(f"{name} {value}" for name, value in by_format.items()) + "."
        for size, by_format in PUBLISHED.items()
    ),
)

# %% [markdown]
# Read it from below: **13B in four bits is smaller than 7B in sixteen, and better.** And the larger model loses
# less.
#
# Rounding each weight to its nearest mark, as you do here, is called RTN, round to nearest. GPTQ (Frantar and
# others, 2022) rounds the columns one by one and lets those not yet rounded make up for the error, with a
# little text to look at. What one table reports for 7B, 13B, 33B and 65B, in 16, 4 and 3 bits:
#
# | | 16 bits | 4-bit RTN | 4-bit GPTQ | 4-bit GPTQ, g128 | 3-bit RTN | 3-bit GPTQ, g128 |
# |---|---|---|---|---|---|---|
# | 7B | 5.68 | 6.29 | 6.09 | 5.85 | 25.54 | 6.61 |
# | 13B | 5.09 | 5.53 | 5.36 | 5.20 | 11.40 | 5.62 |
# | 33B | 4.10 | 4.54 | 4.45 | 4.23 | 14.89 | 4.80 |
# | 65B | 3.53 | 3.92 | 3.84 | 3.65 | 10.59 | 4.17 |
#
# (GPTQ-for-LLaMa's README; one source. g128 means groups of 128; plain rounding in groups is not in the table.
# Do not compare with llama.cpp's numbers: the two cut the text differently.) At four bits RTN costs 0.4 to 0.6
# of perplexity, GPTQ in groups 0.1 to 0.2. At three bits RTN ruins the model; GPTQ in groups costs 0.5 to 0.9.
#
# AWQ (Lin and others, 2023) finds the hundredth of the channels that activations make important and scales
# those up before rounding. NF4 (QLoRA, Dettmers and others, 2023) moves the marks to where a bell curve has its
# weights.
#
# ## The memory of 7B to 65B, once more
#
# In mid-2023 llama.cpp's README gave 13, 24, 60 and 120 GB on disk for the four models, and 3.9, 7.8, 19.5 and
# 38.5 in four bits. Which format was that, and which GB?

# %%
IN_FOUR_BITS = {"7B": 3.9, "13B": 7.8, "30B": 19.5, "65B": 38.5}
IN_SIXTEEN = {"7B": 13, "13B": 24, "30B": 60, "65B": 120}

print("         16 bits              4.5 bits          5 bits")
print("       GB     GiB  said     GB     GiB       GB     GiB  said")
for name in SIZES:
    sixteen, near_four, five = (planning.weight_bytes(CONFIGS[name], bits) for bits in (16, 4.5, 5))
    print(
        f"{name:4} {sixteen / 1e9:6.1f} {sixteen / 2**30:6.1f} {IN_SIXTEEN[name]:5}"
        f"   {near_four / 1e9:5.1f}  {near_four / 2**30:5.1f}"
        f"     {five / 1e9:5.1f}  {five / 2**30:5.1f} {IN_FOUR_BITS[name]:6}"
    )

# %% [markdown]
# Five bits a weight and GiB: within three percent of what was said. Q4_1 takes five, and so does any grid
# that adds 32 bits to each 32 weights of four, be they a scale and a zero or one scale in float32.
#
# Now ours. `load(precision="int4")` leaves embeddings and norms in bfloat16, so a weight takes a little more than
# 4.25 bits on average:

# %%
from llama_mini.model import parameter_count
from llama_mini.plan import parameters

print("        fp32    bf16    int8    int4   GB      bits a weight in int4")
for name in SIZES:
    sizes = {
        kind: parameters.stored_bytes(CONFIGS[name], kind)
        for kind in ("fp32", "bf16", "int8", "int4")
    }
    mean = 8 * sizes["int4"] / parameter_count(CONFIGS[name])
    print(f"{name:4}" + "".join(f"{size / 1e9:8.1f}" for size in sizes.values()) + f"{mean:18.2f}")

# %% [markdown]
# `llama-mini plan 65B --precision int4 --device H100` adds cache and working memory to that.
#
# While it loads, each matrix comes to the device in 16 bits, is quantised there, and is thrown away before
# the next one comes. So the 130.6 GB are never anywhere at once, and the machine that loads 65B in int4 needs
# not have room for 65B.
#
# ## Multiplying with codes
#
# All weights of a row share one scale, and one output is a sum over one row. What every term has in
# common may leave the sum:
#
# $$y_i = \sum_j x_j \, (s_i \, q_{ij}) = s_i \sum_j x_j \, q_{ij}$$
#
# The product can be taken with the codes as they are, and a row is scaled when it has become a single
# number. But there is a trap: without the scale the sum is large.

# %%
x = torch.full((1, 256), 4.0)
codes = torch.full((1, 256), 100.0)
scale = 0.001
print("float32, scale after: ", (x @ codes.T).item() * scale)
print("float16, scale after: ", (x.half() @ codes.half().T).item() * scale)
print("float16, scale before:", (x.half() @ (codes * scale).half().T).item())

# %% [markdown]
# float16 ends at 65,504. So the sum is taken in float32. The kernels do so, too: they read 8 or 4 bits, and
# add up in 32.
#
# **Why decoding gets faster.** A token passes one vector through each matrix: two operations for each
# weight, which is nothing, and every weight has to come from memory. The kernels that torch brings read the codes,
# make numbers of them in registers, and multiply. `QuantizedLinear` hands over to them. Measured now, on your
# machine, one vector through a matrix of 7B's feed-forward layer:

# %%
import time

from llama_mini.weights.quantized.linear import QuantizedLinear

weight = torch.randn(11008, 4096, generator=torch.Generator().manual_seed(0)).bfloat16()
vector = torch.randn(1, 4096, generator=torch.Generator().manual_seed(1)).bfloat16()
layers = {
    "bfloat16": torch.nn.Linear(4096, 11008, bias=False, dtype=torch.bfloat16, device="meta"),
    "int8": QuantizedLinear.from_weight(weight, "int8"),
    "int4": QuantizedLinear.from_weight(weight, "int4"),
}
layers["bfloat16"].weight = torch.nn.Parameter(weight)


@torch.no_grad()
def seconds_each(layers, vector, repeats=15):
    """Medians, measured in turn, so that a busy moment meets all of them."""
    times = {name: [] for name in layers}
    for _ in range(repeats):
        for name, layer in layers.items():
            start = time.perf_counter()
            layer(vector)
            times[name].append(time.perf_counter() - start)
    return {name: sorted(each)[repeats // 2] for name, each in times.items()}


took = seconds_each(layers, vector)
for name, layer in layers.items():
    held = weight.nbytes if name == "bfloat16" else sum(b.nbytes for b in layer.buffers())
    print(
        f"{name:9} {held / 1e6:6.1f} MB   {took[name] * 1e3:7.2f} ms"
        f"   {took['bfloat16'] / took[name]:4.1f} times as fast"
    )

# %% [markdown]
# How much faster depends on the processor, its cache and how many others use it; the bytes do not. And for many
# rows at once, as when a prompt is read? Then each weight that has arrived is used many times, and arithmetic is
# what takes the time. Before you run it: who wins?

# %%
rows = torch.randn(64, 4096, generator=torch.Generator().manual_seed(2)).bfloat16()
took = seconds_each(layers, rows, repeats=3)
for name in layers:
    print(
        f"{name:9} {took[name] * 1e3:7.1f} ms for {len(rows)} rows"
        f"   {took['bfloat16'] / took[name]:4.2f} times as fast"
    )

# %% [markdown]
# On a CPU the quantised layers do not just gain nothing here: they *lose*. Their codes must be made into numbers
# again for each block of rows, while the product in bfloat16 has the better-tuned kernel. Few bits are for
# decoding; a server that reads long prompts on a CPU keeps 16.
#
# `QuantizedLinear` uses torch's kernels in bfloat16 only: the one for int4 with groups of 32, 64, 128 or 256, on
# the CPU and on NVIDIA cards of compute capability 8.0 (A100) and above; the one for int8 on the CPU. Everywhere
# else the layer does what you would do. What the GPU's kernel gains was not measured for this lesson.
#
# ## Two codes in a byte
#
# Nothing in a computer is four bits wide. Two codes share a byte, one in its upper half and one in its lower.
# In hexadecimal each half is one digit, so you can read them:

# %%
for upper, lower in ((10, 3), (0, 15), (15, 0)):
    byte = upper * 16 + lower
    print(f"{upper:2} and {lower:2} → {byte:3} = 0x{byte:02X} = 0b{byte:08b}")

# %% [markdown]
# The operators for this: `a << 4` moves the bits up by four places, `a >> 4` down, `a & 15` keeps the lower
# four, and `a | b` lays one upon the other. They work on whole tensors:

# %%
bytes_of_four = torch.tensor([0xA3, 0x0F], dtype=torch.uint8)
print("moved down:", (bytes_of_four >> 4).tolist(), "  lower bits:", (bytes_of_four & 15).tolist())

# %% [markdown]
# ## What breaks if you get it wrong
#
# Each mistake below goes into the small model above, at four bits in groups of 32. The right one first.

# %%
from llama_mini.weights import quantization

GROUP = 32


def right(weight):
    return quantization.dequantize_int4(*quantization.quantize_int4(weight, GROUP))


def cut_off(weight):
    groups = weight.unflatten(1, (-1, GROUP))
    zero, largest = groups.aminmax(dim=-1, keepdim=True)
    step = (largest - zero) / 15
    return (((groups - zero) / step).floor() * step + zero).flatten(1)


def nibbles_swapped(weight):
    codes, scale, zero = quantization.quantize_int4(weight, GROUP)
    swapped = codes.unflatten(1, (-1, 2)).flip(-1).flatten(1)
    return quantization.dequantize_int4(swapped, scale, zero)


def scales_in_turn(weight):
    codes, scale, zero = quantization.quantize_int4(weight, GROUP)
    return codes * scale.repeat(1, GROUP) + zero.repeat(1, GROUP)


def no_zero(weight):
    codes, scale, zero = quantization.quantize_int4(weight, GROUP)
    return quantization.dequantize_int4(codes, scale, torch.zeros_like(zero))


MISTAKES = {
    "right": right,
    "cut off, not rounded": cut_off,
    "scales in turn": scales_in_turn,
    "halves of a byte swapped": nibbles_swapped,
    "zero forgotten": no_zero,
}
nats = {
    name: math.log(perplexity(rounded_model(change)) / whole) for name, change in MISTAKES.items()
}
figure, axes = figures.subplots(height=2.8)
axes.barh(list(nats), list(nats.values()), color=figures.COLORS[0])
axes.invert_yaxis()
axes.set_xscale("symlog", linthresh=1e-3)
axes.set_xlabel("nats per token lost (linear up to 0.001)")
figures.show(
    figure,
    alt="Nats per token lost by each mistake: "
    + ", ".join(f"{name} {value:.4f}" for name, value in nats.items())
    + ".",
)

# %% [markdown]
# Mixed-up bytes and a forgotten zero shout. Cutting off instead of rounding whispers: the model still talks, a
# little worse, and you blame the four bits.
#
# Two more that do not show here:
#
# - **A row of zeros** has the largest value 0, and 0/0 is NaN. As a whole number, NaN is whatever the
#   processor makes of it; as a float, it spreads to everything after it. So a row or group without extent gets
#   the scale 1, and all its codes are 0.
# - **A weight that is infinite or NaN** has no grid. A loader that does not look spreads it over a whole row;
#   ours refuses.
#
# ## In three lines
#
# - A code says which mark of a grid is nearest. The error is at most half a step, $s/\sqrt{12}$ on average,
#   and each bit halves it.
# - The largest weight sets the step for all that share its grid: hence a scale for each row in int8, and for
#   each group of 32 to 128 in int4.
# - int8 costs next to nothing. What int4 costs depends on the model, and large ones lose less; fewer bytes
#   to read is what makes decoding fast.

# %% [markdown] tags=["exercise-text"]
# ## int8: to codes
#
# Write `quantize_int8(weight)`: a symmetric grid for each row.
#
# $$s_i = \frac{\max_j |w_{ij}|}{127}, \qquad q_{ij} = \mathrm{round}(w_{ij} / s_i)$$
#
# - `weight` is `(out, in)`, in float32, bfloat16 or float16. Compute in float32 (`weight.float()`).
# - Return two tensors: the codes, `(out, in)`, `torch.int8`; and the scales, `(out, 1)`, float32. `amax(dim=1,
#   keepdim=True)` takes the largest along the columns and keeps their axis.
# - A row of zeros has scale 1. `torch.where(condition, a, b)` chooses number by number.
# - `torch.round` takes the even neighbour of a half, which is what is asked for.
# - Leave `weight` as it was, and stay on its device. The package's own code refuses NaN and infinity; yours may.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:quantize_int8" part="The mathematics"

# %% [markdown] tags=["exercise-text"]
# ## int8: and back
#
# Write `dequantize_int8(codes, scale)`: the weights that the codes stand for, $\hat w_{ij} = q_{ij} \, s_i$.
#
# - `codes` is `(out, in)` int8, `scale` is `(out, 1)`. The result is `(out, in)`, in the dtype of `scale` and on
#   the device of `codes`.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:dequantize_int8" part="The naive code"

# %% [markdown] tags=["exercise-text"]
# ## A linear layer in int8
#
# Write `int8_linear(x, codes, scale)`: the product with the codes first, the scales after.
#
# $$y_i = s_i \sum_j x_j \, q_{ij}$$
#
# - `x` is `(..., in)`, any number of dimensions before the last; `codes` is `(out, in)` int8, `scale` `(out, 1)`. The
#   result is `(..., out)`, in the dtype of `x` and on its device.
# - `x` may be one vector, `(in,)`. The result is `(out,)` then, so `(1, out)` is the wrong shape for the scales.
# - Take the product in float32 (`x.float()`, `codes.float()`), multiply each output by the scale of its row, in
#   float32 too, and cast back last.
# - The grader sees numbers, not the order in which you made them: scaling the weight first, in float32, gives the
#   same ones, and passes. But then you have made a second weight, as large as the one you wanted to be rid of.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:int8_linear" part="Multiplying with codes"

# %% [markdown] tags=["exercise-text"]
# ## int4: to codes
#
# Write `quantize_int4(weight, group_size=128)`: a grid from the smallest to the largest weight for each group.
#
# $$z = \min w, \qquad s = \frac{\max w - \min w}{15}, \qquad q = \mathrm{round}\left(\frac{w - z}{s}\right)$$
#
# - `weight` is `(out, in)`. A group is `group_size` neighbours of one row: columns 0 to `group_size - 1`, and so on.
#   `weight.unflatten(1, (-1, group_size))` is `(out, groups, group_size)`; `aminmax(dim=-1, keepdim=True)` gives
#   the smallest and the largest at once.
# - Compute in float32. Return three tensors: codes `(out, in)`, `torch.uint8`, from 0 to 15; scale and zero, both
#   `(out, groups)`, float32.
# - A group whose weights are all equal has scale 1.
# - Leave `weight` as it was, and stay on its device. The package's own code refuses a `group_size` that does not
#   divide the columns, NaN and infinity; yours may.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:quantize_int4" part="Groups"

# %% [markdown] tags=["exercise-text"]
# ## int4: and back
#
# Write `dequantize_int4(codes, scale, zero)`: $\hat w = q \, s + z$, each group with its own $s$ and $z$.
#
# - `codes` is `(out, in)` uint8, `scale` and `zero` are `(out, groups)`; all groups are equally large. The result is
#   `(out, in)`, in the dtype of `scale` and on the device of `codes`.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:dequantize_int4" part="Groups"

# %% [markdown] tags=["exercise-text"]
# ## Two codes to a byte
#
# Write `pack_int4(codes)`: neighbours along the last axis share a byte, the first of them in the upper four bits.
#
# - `codes` is `(..., n)`, uint8, from 0 to 15, with an even `n`. The result is `(..., n / 2)`, uint8, on
#   the device of `codes`.
# - 10 and 3 become 0xA3, which is 163.
# - The package's own code refuses an odd `n`; yours may.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:pack_int4" part="Two codes in a byte"

# %% [markdown] tags=["exercise-text"]
# ## And out of it
#
# Write `unpack_int4(packed)`, the inverse: upper four bits first.
#
# - `packed` is `(..., n / 2)` uint8; the result is `(..., n)` uint8, from 0 to 15, on the device of `packed`.
# - 0xA3 becomes 10 and 3. `torch.stack([a, b], dim=-1)` puts pairs side by side on a new last axis, and
#   `flatten(-2)` joins the last two axes.
#
# Once all seven have passed, `load(..., precision="int4")` quantises with your code, and `progress()` says so.

# %% tags=["exercise"] symbol="llama_mini.weights.quantization:unpack_int4" part="Two codes in a byte"

# %% [markdown]
# ## What comes next
#
# First the exercises above. This is the last lesson that there is; 16 to 18, on evaluation, fine-tuning and
# looking inside, are still to come. `progress()` says which exercises are left. If you have not trained a model
# of your own yet, [13 · Capstone](13_capstone.ipynb) does it in minutes.
