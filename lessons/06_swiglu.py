# %% [markdown]
# # 06 · SwiGLU
#
# **50 minutes · under 1 GB of memory · comes after 05**
#
# > *Nearly two thirds of LLaMA's parameters sit in layers that look at one token at a time. What is
# > there to do, once a token has heard all the others? And why are these layers 11,008 numbers wide?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# Attention mixes: what comes out is a weighted average of what went in, sent through matrices. To
# learn anything that is no average, something between the matrices has to *bend*. Two matrices, one
# after the other, bend nothing. They are one matrix:

# %%
import math

import torch
from torch import nn
from torch.nn import functional as F

from llama_mini.visualization import figures

torch.set_num_threads(1)  # layers this small are faster on one core
generator = torch.Generator().manual_seed(0)
up, down = torch.randn(8, 2, generator=generator), torch.randn(1, 8, generator=generator)
x = torch.randn(5, 2, generator=generator)

both = x @ up.T @ down.T
print("two layers are one:", torch.allclose(both, x @ (down @ up).T, atol=1e-5))

# %% [markdown]
# So give both the task of telling whether two numbers have the *same sign*. No matrix can: the
# answer for $(1, 1)$ and $(-1, -1)$ is yes, and a matrix that says yes to a vector says no to its
# opposite. The same two layers learn it as soon as something between them bends.

# %%
points = torch.rand(512, 2, generator=generator) * 2 - 1
same_sign = (points.prod(dim=1, keepdim=True) > 0).float()


def fit(bend, steps=200):
    torch.manual_seed(0)
    first, last = nn.Linear(2, 16), nn.Linear(16, 1)
    optimizer = torch.optim.AdamW([*first.parameters(), *last.parameters()], lr=0.03)
    for _ in range(steps):
        answer = last(bend(first(points)))
        loss = F.binary_cross_entropy_with_logits(answer, same_sign)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ((answer > 0) == (same_sign > 0)).float().mean().item()


print(f"right answers with nothing in between: {fit(lambda h: h):.0%}")
print(f"right answers with a bend in between:  {fit(torch.relu):.0%}")

# %% [markdown]
# Half right is what a coin gets. (Here, in this cell alone, the layers have biases. LLaMA's have none.)
#
# ## The idea in plain words
#
# A *feed-forward layer* treats every position by itself. It goes up to a wider vector, bends it, and
# comes back down. The wide vector is a row of small detectors: each looks for one thing in the token,
# and if it finds it, writes something back.
#
# The plain layer, as in GPT-3, has two matrices. A detector's strength and its contribution are the
# same number. LLaMA's has three, and splits the job:
#
# - the **gate** asks: does this concern me, and how much?
# - the **way up** asks: what is there to say?
#
# The two answers are *multiplied*. A closed gate silences its number, whatever that number is.
#
# ## The mathematics
#
# The plain layer, with a curve $\varphi$ such as ReLU or GELU:
#
# $$\mathrm{FFN}(x) = W_2\,\varphi(W_1 x)$$
#
# The gated one, with the curve you wrote in lesson 00, $\mathrm{silu}(z) = z\,\sigma(z)$:
#
# $$\mathrm{SwiGLU}(x) = W_2\,\bigl(\mathrm{silu}(W_1 x) \odot W_3 x\bigr)$$
#
# $\odot$ multiplies number by number. $W_1$ makes the gate, $W_3$ goes up, $W_2$ comes down. The numbering is
# that of Meta's files, and looks odd until you see that $W_3$ was the one that came later: $W_1$ and $W_2$ are
# where they were in the plain layer. No biases.
#
# The name: Dauphin et al. (2016, arXiv 1612.08083) put a sigmoid into the gate and called it GLU, the
# *gated linear unit*. Shazeer (2020, arXiv 2002.05202) tried other curves; *Swish* is another name for
# SiLU. His paper measures that it helps. It offers no explanation, and says so.
#
# ## The naive code
#
# One vector, plain Python. `w1` is a list of rows, one for each of the wide numbers:


# %%
def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def feed_forward_of_one_vector(x, w1, w2, w3):
    wide = []
    for gate_row, up_row in zip(w1, w3, strict=True):
        gate, content = dot(gate_row, x), dot(up_row, x)
        wide.append(gate / (1 + math.exp(-gate)) * content)
    return [dot(row, wide) for row in w2]


feed_forward_of_one_vector(
    [1.0, 2.0],
    w1=[[4.0, 0.0], [-4.0, 0.0], [0.0, 0.0]],
    w3=[[0.0, 1.0], [0.0, 1.0], [5.0, 5.0]],
    w2=[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]],
)

# %% [markdown]
# Check it in your head. The first gate is 4, and silu(4) is nearly 4; the content is 2; together 7.9. The second
# gate is −4, nearly closed: silu(−4) is −0.07, so −0.14 is left of its 2. The third gate is exactly 0, and the
# 15 behind it vanishes.
#
# ## A picture you can move
#
# One single unit, drawn over a plane of inputs: the plain one (ReLU or GELU of one direction) and the gated
# one. The solid arrow is the direction the gate looks in, the dashed one where the content comes from. Turn
# the content away from the gate, and make the gate sharper.

# %%
import ipywidgets as widgets

from llama_mini import feedforward
from llama_mini.visualization.explore import Explorer

side = torch.linspace(-2, 2, 81)
plane = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)  # (81, 81, 2)
UNITS = {
    "gated: silu(gate) · content": lambda gate, content: feedforward.silu(gate) * content,
    "plain: gelu(gate)": lambda gate, content: F.gelu(gate),
    "plain: relu(gate)": lambda gate, content: F.relu(gate),
}


def draw_unit(unit, angle, sharpness):
    turned = math.radians(angle)
    toward = torch.tensor([math.cos(turned), math.sin(turned)])
    values = UNITS[unit](sharpness * plane[..., 0], plane @ toward)
    limit = values.abs().max().item()
    figure, axes = figures.subplots(width=5.6, height=4.4)
    picture = axes.imshow(
        values.numpy(),
        extent=(-2, 2, -2, 2),
        origin="lower",
        cmap=figures.DIVERGING,
        vmin=-limit,
        vmax=limit,
    )
    figure.colorbar(picture, ax=axes, label="output of the unit", shrink=0.9)
    axes.annotate("", (1.5, 0), (0, 0), arrowprops={"arrowstyle": "->", "lw": 2.5})
    if unit.startswith("gated"):
        end = (1.5 * toward).tolist()
        style = {"arrowstyle": "->", "lw": 2.5, "ls": "--", "color": figures.COLORS[4]}
        axes.annotate("", end, (0, 0), arrowprops=style)
    axes.grid(False)
    axes.set(xlabel="first input", ylabel="second input")
    corners = ", ".join(f"{values[i, j]:.2f}" for i, j in ((70, 70), (10, 70), (10, 10), (70, 10)))
    return figure, (
        f"One unit, {unit}, content {angle} degrees from the gate, gate times {sharpness:g}. Values at "
        f"(1.5, 1.5), (1.5, −1.5), (−1.5, −1.5), (−1.5, 1.5): {corners}."
    )


Explorer(
    draw_unit,
    unit=widgets.Dropdown(options=list(UNITS), value="gated: silu(gate) · content"),
    angle=widgets.IntSlider(90, min=0, max=180, step=15),
    sharpness=widgets.FloatSlider(2.0, min=0.5, max=6.0, step=0.5),
)

# %% [markdown]
# The plain unit has stripes: it sees one direction, whatever you do. A gated unit can see two, and then it has
# *corners*. At 90 degrees it answers, nearly, "how much of the second input, provided the first is positive";
# nearly, because silu lets a little of the negative side through. At 0 degrees gate and content agree, and
# the unit has stripes again: $x \cdot \mathrm{silu}(x)$, close to half a parabola. Two gated units make a whole
# product:
#
# $$\mathrm{silu}(a)\, b + \mathrm{silu}(-a)\,(-b) = ab\,\bigl(\sigma(a) + \sigma(-a)\bigr) = ab$$
#
# and the sign of $ab$ is the answer to the puzzle above. Plain layers can only approximate a product, with many
# units.
#
# ## Three matrices at the price of two
#
# A comparison is fair at equal parameters. The plain layer is 4 times as wide as the model: $2 \cdot d \cdot 4d = 8d^2$
# parameters. Three matrices of width $h$ have $3dh$, so
#
# $$3\,d\,h = 8\,d^2 \quad\Rightarrow\quad h = \tfrac{8}{3}\,d = \tfrac{2}{3}\cdot 4d$$
#
# That is where the paper stops: "2/3 4d". For $d = 4096$ it makes 10,922.67, and there is no such width. Meta's
# code cuts off the fraction and then rounds *up* to a multiple of 256. Move the sliders to see what the rounding
# adds:

# %%
from llama_mini import CONFIGS


def first_multiple_from(width, multiple_of):
    """Count upwards until it divides."""
    width = int(width)
    while width % multiple_of:
        width += 1
    return width


def draw_widths(dim, multiple_of):
    hidden = first_multiple_from(8 * dim / 3, multiple_of)
    bars = {
        "plain, 4·d wide": 8 * dim**2,
        "gated, 8d/3 exactly": 8 * dim**2,
        f"gated, {hidden:,} wide": 3 * dim * hidden,
        "gated, 4·d wide": 12 * dim**2,
    }
    figure, axes = figures.subplots(height=2.9)
    colors = [figures.COLORS[6], "0.6", figures.COLORS[0], figures.COLORS[1]]
    axes.barh(list(bars), [count / 1e6 for count in bars.values()], color=colors)
    axes.invert_yaxis()
    axes.set_xlabel("parameters of one layer (millions)")
    extra = 3 * dim * hidden / (8 * dim**2) - 1
    axes.set_title(f"8d/3 = {8 * dim / 3:,.1f} → {hidden:,}: {extra:+.1%} parameters")
    return figure, (
        f"Parameters of one feed-forward layer at dim {dim}. Eight thirds of it are {8 * dim / 3:,.1f}, "
        f"rounded up to a multiple of {multiple_of}: {hidden:,}, which is {extra:+.1%} against the "
        f"plain layer's {8 * dim**2:,}. Four times as wide would be +50%."
    )


Explorer(
    draw_widths,
    dim=widgets.SelectionSlider(options=[64, 256, 1024, 4096, 5120, 6656, 8192], value=4096),
    multiple_of=widgets.SelectionSlider(options=[1, 32, 256, 1024], value=256),
)

# %% [markdown]
# At 4096 the rounding costs under 1 %. At 64 it would make the layer half as large again, so the small models
# of this course round to 32. Meta's code does not say what the rounding is for. What can be seen: every
# width divides evenly among the 8 files that 65B comes in, and matrix hardware likes round numbers.
#
# ## Meta's own numbers
#
# The four widths of the release, from the rule alone:

# %%
RELEASED = {"7B": 11008, "13B": 13824, "30B": 17920, "65B": 22016}

for name, released in RELEASED.items():
    config = CONFIGS[name]
    width = first_multiple_from(8 * config.dim / 3, 256)
    in_layers = 3 * config.dim * width * config.n_layers
    print(
        f"{name:4} dim {config.dim}   8d/3 = {8 * config.dim / 3:9,.1f}   → {width:,}"
        f"   released {released:,}   {in_layers / 1e9:5.2f} billion parameters in these layers"
    )

# %% [markdown]
# The paper alone would not let you load the weights; the width is in the code. 4.33 of 7B's 6.74 billion
# parameters are in these layers.
#
# ## Does the gate help? An experiment
#
# A small language model without attention: it sees the last 8 letters (bytes, in truth), and passes them through
# two feed-forward layers. The text is the source code of this course. Three kinds of layers,
# **equal parameters**, five seeds each; within a seed all three see the same data in the same order. It takes
# half a minute to a minute and a half.

# %%
from pathlib import Path

import llama_mini
from llama_mini import norm
from tqdm.auto import tqdm

source = "".join(
    path.read_text() for path in sorted(Path(llama_mini.__file__).parent.rglob("*.py"))
)
text = torch.tensor(list(source.encode()))
windows = text.unfold(0, 9, 1)  # (positions, 9): 8 letters and the next one
training, held_out = windows[: 9 * len(windows) // 10], windows[9 * len(windows) // 10 :]
DIM = 48


class Plain(nn.Module):
    """Two matrices and a curve."""

    def __init__(self, curve):
        super().__init__()
        self.up, self.down = (
            nn.Linear(DIM, 4 * DIM, bias=False),
            nn.Linear(4 * DIM, DIM, bias=False),
        )
        self.curve = curve

    def forward(self, x):
        return self.down(self.curve(self.up(x)))


# 8/3 · 48 is 128, with nothing to round: the parameters are exactly equal.
KINDS = {
    "plain, ReLU": lambda: Plain(F.relu),
    "plain, GELU": lambda: Plain(F.gelu),
    "SwiGLU": lambda: feedforward.FeedForward(DIM, 8 * DIM // 3),
}


class LetterModel(nn.Module):
    """The next letter from the last eight."""

    def __init__(self, kind):
        super().__init__()
        self.letters = nn.Embedding(256, 16)
        self.join = nn.Linear(8 * 16, DIM)
        self.layers = nn.ModuleList(KINDS[kind]() for _ in range(2))
        self.norms = nn.ModuleList(norm.RMSNorm(DIM) for _ in range(3))
        self.head = nn.Linear(DIM, 256)

    def forward(self, letters):
        x = self.join(self.letters(letters).flatten(1))
        for layer, normalize in zip(self.layers, self.norms, strict=False):
            x = x + layer(normalize(x))
        return self.head(self.norms[2](x))


def held_out_loss(kind, seed, steps=500):
    torch.manual_seed(seed)
    model = LetterModel(kind)
    chance = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / steps)
        batch = training[torch.randint(len(training), (256,), generator=chance)]
        loss = F.cross_entropy(model(batch[:, :8]), batch[:, 8])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return F.cross_entropy(model(held_out[::3, :8]), held_out[::3, 8]).item()


counts = {kind: sum(p.numel() for p in KINDS[kind]().parameters()) for kind in KINDS}
losses = {kind: [] for kind in KINDS}
for seed in tqdm(range(5), desc="seeds", leave=False):
    for kind in KINDS:
        losses[kind].append(held_out_loss(kind, seed))
print("parameters of a layer:", counts)

figure, axes = figures.subplots(height=3.0)
for place, found in enumerate(losses.values()):
    axes.plot(found, [place] * 5, "o", color=figures.COLORS[place], alpha=0.7, ms=8)
    axes.plot(sum(found) / 5, place, "|", color="black", ms=24, mew=2)
axes.set_yticks(range(3), list(KINDS))
axes.set_ylim(2.5, -0.5)
axes.set_xlabel("loss on held-out text (nats per letter); dots: seeds, bars: means")
figures.show(
    figure,
    alt="Held-out loss of five seeds at equal parameters: "
    + "; ".join(f"{k} {sum(f) / 5:.3f} ({min(f):.3f} to {max(f):.3f})" for k, f in losses.items())
    + ".",
)

# %% [markdown]
# How sure can you be? Compare in pairs: same seed, same data. Five differences have a mean and a standard
# error, and for five numbers 95 % confidence reaches 2.78 standard errors to each side (Student's t):

# %%
import statistics

for kind in ("plain, ReLU", "plain, GELU"):
    gains = [plain - gated for plain, gated in zip(losses[kind], losses["SwiGLU"], strict=True)]
    mean, error = statistics.fmean(gains), 2.776 * statistics.stdev(gains) / math.sqrt(5)
    verdict = "within the noise" if abs(mean) <= error else "beyond the noise"
    print(f"SwiGLU gains {mean:+.4f} ± {error:.4f} nats on {kind}: {verdict}")

# %% [markdown]
# Read the verdict, not the dots: it is computed from your own run. And mind what it is a verdict *on*: a toy
# of a few ten thousand parameters, trained for seconds, with a learning rate that nobody tuned for either. Lesson
# 07 asks again inside a whole Transformer, and there five seeds do not tell SwiGLU from a GELU layer: +0.036 ±
# 0.037 nats, within the noise. The LLaMA paper itself reports no such comparison; it cites Shazeer.
#
# ## What breaks if you get it wrong
#
# Put a wrong layer into a small LLaMA, keep all weights, and see how far its logits move:

# %%
import copy

from llama_mini import ModelConfig, Transformer

MISTAKES = {
    "w1 and w3 exchanged": lambda f, x: f.w2(f.w1(x) * F.silu(f.w3(x))),
    "sum for the product": lambda f, x: f.w2(F.silu(f.w1(x)) + f.w3(x)),
    "no gate": lambda f, x: f.w2(f.w3(x)),
    "sigmoid alone": lambda f, x: f.w2(torch.sigmoid(f.w1(x)) * f.w3(x)),
    "ReLU gate": lambda f, x: f.w2(F.relu(f.w1(x)) * f.w3(x)),
    "GELU gate": lambda f, x: f.w2(F.gelu(f.w1(x)) * f.w3(x)),
}


class Wrong(nn.Module):
    """A feed-forward layer with one mistake in it."""

    def __init__(self, right, formula):
        super().__init__()
        self.right, self.formula = right, formula

    def forward(self, x):
        return self.formula(self.right, x)


torch.manual_seed(0)
model = Transformer(
    ModelConfig(dim=128, n_layers=4, n_heads=4, vocab_size=512, multiple_of=32)
).eval()
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.normal_(std=parameter.shape[1] ** -0.5)
tokens = torch.randint(512, (4, 64))


@torch.no_grad()
def logits_moved_by(formula):
    wrong = copy.deepcopy(model)
    for layer in wrong.layers:
        layer.feed_forward = Wrong(layer.feed_forward, formula)
    right = model(tokens)
    return ((wrong(tokens) - right).norm() / right.norm()).item()


moved = {name: logits_moved_by(formula) for name, formula in MISTAKES.items()}
figure, axes = figures.subplots(height=2.8)
axes.barh(list(moved), list(moved.values()), color=figures.COLORS[0])
axes.invert_yaxis()
axes.set_xlabel("change of the logits, as a share of their size")
figures.show(
    figure,
    alt="How far the logits of a small model move for each mistake, as a share of their size: "
    + ", ".join(f"{name} {share:.2f}" for name, share in moved.items())
    + ".",
)

# %% [markdown]
# The first one is the treacherous one. $W_1$ and $W_3$ have the same shape, so nothing complains. If you *train* the
# exchanged layer, it learns exactly as well, since to training the two are only names. The day you load given
# weights by name, it is wrong. How much of that you hear depends on the weights: near zero $\mathrm{silu}(a)\,b$ is
# about $ab/2$, the same both ways, and training leads away from zero. Measured with $W_1$ and $W_3$ exchanged, in
# nats per token: the toy of lesson 14 goes from 2.60 to 2.84 after its 400 updates, and from 1.73 to 4.96 after
# 4,000; SmolLM2-135M-Instruct goes from 3.05 to 26.5 on a sentence, where knowing nothing is 10.8. So a test that
# trains would never find it, and one that listens to a young model hardly. One that compares numbers finds it at
# once, and that is how your answer is checked below.
#
# The other classic is a width of $4d$, or one not rounded. Then the weights do not fit, and `load_state_dict`
# says so.
#
# ## In three lines
#
# - Up, bend, down, each position by itself; without the bend, layers collapse into one matrix.
# - SwiGLU multiplies: $W_2(\mathrm{silu}(W_1 x) \odot W_3 x)$. The gate decides how much of the content passes.
# - Its width is two thirds of $4d$, rounded up to a multiple of 256, so that three matrices cost what two did.

# %% [markdown] tags=["exercise-text"]
# ## The width
#
# Write `hidden_dim(dim, multiple_of=256)`.
#
# - Take two thirds of $4 \cdot$ `dim` and cut off the fraction.
# - Then round *up* to a multiple of `multiple_of`. What is a multiple already stays as it is.
# - Return an `int`, not a float.
#
# `hidden_dim(4096)` is 11008. `hidden_dim(96, 32)` is 256, which it was before rounding. `hidden_dim(4, 10)` is 10:
# from 10.67 the fraction goes first. (The package's own code raises `ValueError` for numbers below 1; yours may,
# and is not asked to.)

# %% tags=["exercise"] symbol="llama_mini.feedforward:hidden_dim" part="Three matrices at the price of two"

# %% [markdown] tags=["exercise-text"]
# ## The layer
#
# Write the class `FeedForward(dim, hidden)`, a `torch.nn.Module`:
#
# $$y = W_2\,\bigl(\mathrm{silu}(W_1 x) \odot W_3 x\bigr)$$
#
# - Three `nn.Linear` layers named `w1`, `w2`, `w3`, **without biases**. `w1` and `w3` lead from `dim` to
#   `hidden`, `w2` leads back. So `w1.weight` has shape `(hidden, dim)`.
# - `forward(x)` takes `(..., dim)` and returns the same shape and dtype.
# - `hidden` is the width as it is; the rule above has been applied by whoever calls you.
# - `feedforward.silu` is your own curve of lesson 00 if it has passed, and the reference's until then.

# %% tags=["exercise"] symbol="llama_mini.feedforward:FeedForward" part="The mathematics"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [07 · The Transformer](07_transformer.ipynb): all pieces so far, put together into a LLaMA.
