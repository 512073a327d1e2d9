# %% [markdown]
# # 03 · RMSNorm
#
# **30 minutes · under 1 GB of memory · comes after 00**
#
# > *A vector passes through the 80 layers of LLaMA-65B, and each one adds something to it. What keeps it from growing
# > without end? And why did LLaMA throw away half of the usual answer?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# Take a vector of 256 numbers, and let 60 random layers each add a transformed copy to it, as the
# blocks of a Transformer do. No layer is wild: each adds about as much as it is given. Watch the
# *root mean square*, the typical size of a number in the vector:
#
# $$\mathrm{RMS}(x) = \sqrt{\frac{1}{d}\sum_{i=1}^{d} x_i^2}$$

# %%
import torch

from llama_mini.visualization import figures


def rms(x):
    """The root mean square over the last dimension."""
    return x.pow(2).mean(dim=-1).sqrt()


def sizes_along_the_stack(normalize, depth=60, dim=256):
    generator = torch.Generator().manual_seed(0)
    stream = torch.randn(dim, generator=generator)
    sizes = [rms(stream).item()]
    for _ in range(depth):
        layer = torch.randn(dim, dim, generator=generator) / dim**0.5
        stream = stream + layer @ (stream / rms(stream) if normalize else stream)
        sizes.append(rms(stream).item())
    return sizes


bare, normalized = sizes_along_the_stack(False), sizes_along_the_stack(True)

figure, axes = figures.subplots()
axes.semilogy(bare, color=figures.COLORS[1], label="each layer reads the stream itself")
axes.semilogy(normalized, color=figures.COLORS[0], label="each layer reads it at size 1")
axes.set_xlabel("layer")
axes.set_ylabel("size of the stream (RMS)")
axes.legend()
figures.show(
    figure,
    alt=f"Size of the stream over 60 layers, on a logarithmic axis. Read as it is, it grows to "
    f"{bare[-1]:.1e}; read at size 1, to {normalized[-1]:.1f}.",
)

# %% [markdown]
# Without normalisation the size multiplies at every layer, and a straight line on this axis is
# exponential growth. With it the size only adds up, slowly, like a random walk.
#
# Note *where* the division sits. The stream itself is never normalised; each layer reads a
# normalised **copy**. This is *pre-norm*. The path from the first layer to the last stays a plain
# sum, along which gradients travel unhindered.
#
# ## The idea in plain words
#
# A vector has a direction and a length. Let the direction carry the meaning, and set the length to
# a known value before anybody reads it. Then give each dimension its own volume knob, learned.
#
# ## The mathematics
#
# $$\mathrm{RMSNorm}(x)_i = \frac{x_i}{\sqrt{\frac{1}{d}\sum_{j=1}^{d} x_j^2 + \varepsilon}} \cdot g_i$$
#
# $x$ is one vector of $d$ numbers, $g$ the learned weights (they start at 1), and $\varepsilon$ a
# tiny number that keeps a vector of zeros from dividing by zero.
#
# *LayerNorm*, the usual answer before, does more: it first subtracts the mean of the vector, and at
# the end adds a learned bias. Zhang and Sennrich asked in 2019 (arXiv 1910.07467) whether the
# subtraction earns its keep, and dropped it. LLaMA followed.
#
# ## The naive code
#
# One vector, plain Python, the formula from left to right:

# %%
import math


def rms_norm_of_one_vector(x, weight, eps=1e-6):
    mean_square = sum(value * value for value in x) / len(x)
    return [value / math.sqrt(mean_square + eps) * g for value, g in zip(x, weight, strict=True)]


rms_norm_of_one_vector([3.0, 4.0], weight=[1.0, 1.0])

# %% [markdown]
# Check it in your head: the squares are 9 and 16, their mean is 12.5, its root 3.54. So 3 becomes
# 0.85 and 4 becomes 1.13; the ratio of 3 to 4 is unchanged.
#
# Three things that you need for the real code, which works on many vectors at once:

# %%
from torch import nn

vectors = torch.tensor([[1.0, 3.0, 8.0], [2.0, 2.0, 2.0]])

print("one mean a vector:     ", vectors.mean(dim=-1))
print("its axis kept:         ", vectors.mean(dim=-1, keepdim=True).tolist())
print("one over a square root:", torch.rsqrt(torch.tensor(16.0)))
print("what training changes: ", nn.Parameter(torch.zeros(3)))

# %% [markdown]
# `keepdim=True` leaves an axis of length one where the mean was taken: a result of shape (2, 1) lines
# up with vectors of shape (2, 3), one number for each vector. A result of shape (2,) does not.
# `torch.rsqrt` is $1/\sqrt{x}$ in one step. And an `nn.Parameter` is a tensor that a module knows to
# be its own: assign it to an attribute in `__init__`, and it is trained, stored and cast with the
# module. A plain tensor is not.
#
# ## A picture you can move
#
# In two dimensions all of it can be seen. Each grey dot is a vector; a line leads to where the
# normalisation sends it. Choose the norm, and move the offset, which shifts all dots up and to the
# right.

# %%
import ipywidgets as widgets

from llama_mini.visualization.explore import Explorer

cloud = torch.randn(60, 2, generator=torch.Generator().manual_seed(1))


def normalize_points(points, kind):
    if kind == "LayerNorm":
        points = points - points.mean(dim=-1, keepdim=True)
    return points * torch.rsqrt(points.pow(2).mean(dim=-1, keepdim=True) + 1e-6)


def draw_cloud(norm, offset):
    before = cloud + offset
    after = normalize_points(before, norm)
    figure, axes = figures.subplots(width=5.4, height=5.0)
    for start, end in zip(before, after, strict=True):
        axes.plot(*torch.stack([start, end]).T.numpy(), color="0.85", lw=0.8, zorder=1)
    axes.scatter(*before.T.numpy(), color="0.6", s=14, label="before", zorder=2)
    axes.scatter(*after.T.numpy(), color=figures.COLORS[0], s=26, label=f"after {norm}", zorder=3)
    axes.set_aspect("equal")
    axes.set(xlim=(-3.5, 5), ylim=(-3.5, 5), xlabel="first dimension", ylabel="second dimension")
    axes.legend(loc="upper left")
    places = len({tuple(point) for point in after.round(decimals=1).tolist()})
    return figure, (
        f"60 points with offset {offset:g} and where {norm} sends them: "
        f"{places} different places, to one decimal."
    )


Explorer(
    draw_cloud,
    norm=widgets.Dropdown(options=["RMSNorm", "LayerNorm"], value="RMSNorm"),
    offset=widgets.FloatSlider(0.0, min=0.0, max=3.0, step=0.25),
)

# %% [markdown]
# RMSNorm puts every vector on a circle of radius $\sqrt{2}$ and keeps its direction. LayerNorm in
# two dimensions leaves two places, $(1, -1)$ and $(-1, 1)$: after the mean is gone, all that is left
# is which number was larger. In 4096 dimensions LayerNorm loses one direction out of 4096, so the
# harm is small. So, it turned out, was the benefit.
#
# ## Three properties worth knowing
#
# **Scale does not matter.** Multiply the input by any positive number: the output stays the same, as
# long as ε is small beside the mean square.
#
# **The gradient is at a right angle to the input.** If growing $x$ changes nothing, then no gradient
# points along $x$. Training can turn the vector that RMSNorm reads, but through this norm it never
# rewards it for being longer.
#
# **ε decides what counts as nothing.** Vectors much smaller than $\sqrt{\varepsilon}$ stay small.

# %%
from llama_mini import norm

layer = norm.RMSNorm(256)
generator = torch.Generator().manual_seed(2)
x = torch.randn(256, generator=generator, requires_grad=True)
direction = torch.randn(256, generator=generator)

with torch.no_grad():
    print(
        f"largest change when x is 100 times as long: {(layer(100 * x) - layer(x)).abs().max():.1e}"
    )

(layer(x) @ direction).backward()
cosine = torch.cosine_similarity(x, x.grad, dim=0)
print(f"cosine between x and its gradient:          {cosine.item():.1e}")

# %% [markdown]
# Both are zero up to the rounding of float32 and the ε. Now the third; move ε and see which vectors
# it silences. The dashed line is a popular mistake, ε *outside* the root.

# %%
scales = torch.logspace(-6, 2, 200)


def draw_eps(exponent):
    eps = 10.0**exponent
    inside = scales / torch.sqrt(scales**2 + eps)
    outside = scales / (scales + eps)
    figure, axes = figures.subplots()
    axes.semilogx(
        scales.numpy(), inside.numpy(), color=figures.COLORS[0], lw=2.5, label="inside the root"
    )
    axes.semilogx(scales.numpy(), outside.numpy(), "--", color=figures.COLORS[1], label="outside")
    axes.axvline(eps**0.5, color="0.5", lw=1)
    axes.set_xlabel("size of the input (RMS)")
    axes.set_ylabel("size of the output")
    axes.legend(loc="lower right")
    return figure, (
        f"Size of the output against the size of the input for epsilon = 1e{exponent}. Inside the "
        f"root, half size is reached near an input of {(eps / 3) ** 0.5:.1e}; outside, at {eps:.0e}."
    )


Explorer(draw_eps, exponent=widgets.IntSlider(-6, min=-10, max=-1))

# %% [markdown]
# ## What breaks if you get it wrong
#
# **Too few bits.** The largest float16 is 65,504, so the square of 300 is already infinity, and the
# norm of an ordinary vector becomes zero. This is why the mean square is taken in float32:

# %%
x = torch.tensor([300.0, -200.0, 100.0, 50.0]).half()

mean_square = x.pow(2).mean()
print("float16 all the way:   ", mean_square.item(), "→", (x * torch.rsqrt(mean_square)).tolist())

mean_square = x.float().pow(2).mean()
print(
    "squares taken in float32:",
    mean_square.item(),
    "→",
    (x * torch.rsqrt(mean_square)).half().tolist(),
)

# %% [markdown]
# **Mistakes that shout and mistakes that whisper.** Put a wrong norm into a small LLaMA, keep all
# weights, and measure how far its logits move. A mistake that moves them by 100 % is found on the
# first day. One that moves them by a thousandth or a hundredth is found after the training run.

# %%
import copy

from llama_mini import ModelConfig, Transformer


class Wrong(nn.Module):
    """An RMSNorm with one mistake in it."""

    def __init__(self, right, formula):
        super().__init__()
        self.weight, self.eps, self.formula = right.weight, right.eps, formula

    def forward(self, x):
        return self.formula(x, self.weight, self.eps)


def scaled(x, mean_square, weight):
    return x * torch.rsqrt(mean_square) * weight


MISTAKES = {
    "no weight": lambda x, w, eps: x * torch.rsqrt(x.pow(2).mean(-1, True) + eps),
    "sum, not mean": lambda x, w, eps: scaled(x, x.pow(2).sum(-1, True) + eps, w),
    "all vectors at once": lambda x, w, eps: scaled(x, x.pow(2).mean() + eps, w),
    "mean subtracted": lambda x, w, eps: scaled(
        x - x.mean(-1, True), x.var(-1, correction=0, keepdim=True) + eps, w
    ),
    "eps outside the root": lambda x, w, eps: x / (x.pow(2).mean(-1, True).sqrt() + eps) * w,
    "eps 1e-5 for 1e-6": lambda x, w, eps: scaled(x, x.pow(2).mean(-1, True) + 1e-5, w),
}

torch.manual_seed(0)
model = Transformer(
    ModelConfig(dim=128, n_layers=4, n_heads=4, vocab_size=512, multiple_of=32)
).eval()
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.uniform_(0.5, 1.5)
tokens = torch.randint(512, (4, 64))


@torch.no_grad()
def logits_moved_by(formula):
    wrong = copy.deepcopy(model)
    for place, module in model.named_modules():
        if isinstance(module, norm.RMSNorm):
            wrong.set_submodule(place, Wrong(module, formula))
    right = model(tokens)
    return ((wrong(tokens) - right).norm() / right.norm()).item()


moved = {name: logits_moved_by(formula) for name, formula in MISTAKES.items()}

figure, axes = figures.subplots(height=3.0)
axes.barh(list(moved), list(moved.values()), color=figures.COLORS[0])
axes.invert_yaxis()
axes.set_xscale("log")
axes.set_xlabel("change of the logits, as a share of their size")
figures.show(
    figure,
    alt="How far the logits of a small model move for each mistake, as a share of their size: "
    + ", ".join(f"{name} {share:.1e}" for name, share in moved.items())
    + ".",
)

# %% [markdown]
# The last two whisper. They are the reason why the grader of this course compares numbers to the
# rounding of their type, and not "to two decimals".
#
# ## Meta's own number, proved
#
# Which ε do the real models use? Many projects say 10⁻⁶ for all of LLaMA 1. The answer stands in a
# small file beside each set of weights, `params.json`, and the MD5 hashes of these files have been
# public since March 2023. You need no weights to find out what is in a file of 101 bytes: write it,
# and hash it.

# %%
import hashlib

from llama_mini import CONFIGS

PUBLISHED_MD5 = {
    "7B": "7596560e011154b90eb51a1b15739763",
    "13B": "0171286599e0f8858893e49fb74b71f8",
    "30B": "4babdbd05b8923226a9e9622492054b6",
    "65B": "0306cf93a1c2c3891166fe1fd782c2b7",
}


def params_json(config, eps):
    return (
        f'{{"dim": {config.dim}, "multiple_of": 256, "n_heads": {config.n_heads}, '
        f'"n_layers": {config.n_layers}, "norm_eps": {eps}, "vocab_size": -1}}'
    )


for name, published in PUBLISHED_MD5.items():
    for eps in ("1e-06", "1e-05"):
        digest = hashlib.md5(params_json(CONFIGS[name], eps).encode()).hexdigest()
        print(f"{name:4} norm_eps {eps}  {digest}  {'← published' if digest == published else ''}")

# %% [markdown]
# 65B has 10⁻⁵. A loader that assumes 10⁻⁶ runs without an error and is slightly wrong; ours reads
# the file.
#
# And what does RMSNorm cost? In 7B there are two in each of 32 blocks and one at the end:

# %%
from llama_mini.model import parameter_count

config = CONFIGS["7B"]
in_norms = (2 * config.n_layers + 1) * config.dim
print(
    f"{in_norms:,} of {parameter_count(config):,} parameters: {in_norms / parameter_count(config):.4%}"
)

# %% [markdown]
# ## In three lines
#
# - Divide each vector by its root mean square, so that every layer reads vectors of one size.
# - Take the mean square over the last dimension, in float32, with ε inside the root; cast back, then
#   multiply by the weight.
# - LayerNorm also subtracts the mean. LLaMA does not.

# %% [markdown] tags=["exercise-text"]
# ## RMSNorm
#
# Write the class `RMSNorm(dim, eps=1e-6)`, a `torch.nn.Module`:
#
# $$y_i = \frac{x_i}{\sqrt{\frac{1}{d}\sum_j x_j^2 + \varepsilon}} \cdot g_i$$
#
# - `.weight` holds $g$: a parameter of shape `(dim,)` that starts at ones.
# - `forward(x)` takes `(..., dim)`, any number of dimensions before the last, and normalises each
#   vector along the last one.
# - Take the mean square in float32 whatever the type of `x`, cast the normalised vector back to the
#   type of `x`, *then* multiply by the weight. A bfloat16 module gives bfloat16.
# - Leave `x` itself as it was.

# %% tags=["exercise"] symbol="llama_mini.norm:RMSNorm" part="The mathematics"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [04 · Rotary positions](04_rope.ipynb): how a model knows where a token stands.
