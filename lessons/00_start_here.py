# %% [markdown]
# # 00 · Start here
#
# **15 minutes · under 1 GB of memory · needs nothing but this notebook**
#
# > *What would it take for code that you wrote to run a model Meta spent 82,432 GPU-hours on?*
#
# Not much code. The whole architecture of LLaMA fits in about 230 lines, comments and docstrings
# aside, and in this course you write them: each exercise builds one piece of a package called
# `llama_mini`. When your piece is
# right, it takes the place of ours. At the end the package trains a model, and reads Meta's
# weights, **through your code**.
#
# This first notebook looks at your machine, shows how exercises work, and tells the story of LLaMA
# with its true numbers. Press **Shift + Enter** to run a cell and go to the next.

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# That line opens every notebook of the course. If you forget it, Python says that a name such as
# `check` is not defined, and the message below tells you to run this line.
#
# ## Is your machine ready?

# %%
from llama_mini import doctor

doctor.examine()

# %% [markdown]
# ## How the course works
#
# | folder | what is in it |
# |---|---|
# | `notebooks/` | the lessons, to read and run; this is one |
# | `my_llama_mini/exercises/` | your exercises, to solve; nothing ever overwrites them |
# | `my_llama_mini/` | also your passed pieces, your progress and your trained models; outside git |
# | `solutions/` | the exercises with our answer |
#
# You write a function or a class, then call `check` on it. The answer is one of three:
# *not attempted*, *not yet* (and why), or *correct*. `check` tries your code on several *cases*, such
# as one vector, a whole batch, or bfloat16; each case is worth a point or more, all or none.
#
# *Not yet* is the interesting one. The grader keeps a collection of the mistakes that people really
# make, each with the sentence that would have helped. Watch it read a wrong answer. The function
# `silu` should return $x \cdot \sigma(x)$; this one forgets a factor:

# %%
import torch

from llama_mini.course import check_answer


def silu(x):
    return torch.sigmoid(x)


check_answer("silu", silu)

# %% [markdown]
# ## A first piece: SiLU
#
# Between its attention layers, LLaMA sends every vector through a gate: very negative numbers close
# it, large positive ones pass whole. The gate is a *sigmoid linear unit*:
#
# $$\mathrm{silu}(x) = x \cdot \sigma(x), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}$$
#
# Read it as a question and an answer: *how much of x should pass?* A share $\sigma(x)$ between 0
# and 1. Far to the right everything passes, far to the left nothing, and in between the curve is
# smooth, so there is no kink where the gradient jumps.
#
# Put a factor β inside, $x \cdot \sigma(\beta x)$, and one slider takes you from a straight line to
# the older ReLU. LLaMA's is β = 1. Focus the slider and press the arrow keys:

# %%
import ipywidgets as widgets
from torch.nn import functional as F

from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer

x = torch.linspace(-6, 6, 241)


def draw_gate(beta):
    y = x * torch.sigmoid(beta * x)
    low = y.argmin()
    figure, axes = figures.subplots()
    axes.plot(x.numpy(), F.relu(x).numpy(), "--", color=figures.COLORS[1], label="ReLU")
    axes.plot(x.numpy(), y.numpy(), color=figures.COLORS[0], lw=2.5, label=f"x · σ({beta:g} x)")
    axes.set_xlabel("x")
    axes.set_ylabel("what passes")
    axes.set_ylim(-3.2, 6.2)
    axes.legend()
    return figure, (
        f"x times sigmoid of {beta:g} x beside ReLU. The curve is lowest, {y[low]:.2f}, "
        f"at x = {x[low]:.2f} and passes {y[-1]:.2f} at x = 6."
    )


Explorer(draw_gate, beta=widgets.FloatSlider(1.0, min=0.0, max=6.0, step=0.25))

# %% [markdown]
# Two things to see. At β = 0 the gate is half open everywhere and the function is the line x/2. And
# at β = 1 the curve dips below zero: silu is *not* monotone. Its lowest point is −0.28.
#
# Now it is your turn: open **`my_llama_mini/exercises/00_start_here.ipynb`** in the file browser on
# the left and write `silu` there. It takes two minutes, and shows you the whole loop: write, check,
# be told what is wrong, be right, and see your code move into the package.
#
# ## The story, with its true numbers
#
# In February 2023 the best language models could not be studied by most people: their weights were
# private, and their data too. On the 24th Meta AI announced four models, from 7 to 65 billion
# parameters, trained on public data only; the paper, *LLaMA: Open and Efficient Foundation Language
# Models* (arXiv 2302.13971), is dated the 27th.
#
# The four are one design: they differ in width and depth, and 65B also in a small number ε inside
# its norms (lesson 03). Our package knows their shapes, so it can count every parameter without a
# single weight in memory:

# %%
from llama_mini import CONFIGS
from llama_mini.model import parameter_count

# Tokens, peak learning rate and GPU-hours: LLaMA paper, Tables 2 and 15.
TRAINED = {
    "7B": (1.0e12, 3.0e-4, 82_432),
    "13B": (1.0e12, 3.0e-4, 135_168),
    "33B": (1.4e12, 1.5e-4, 530_432),
    "65B": (1.4e12, 1.5e-4, 1_022_362),
}

print(f"{'':5}{'dim':>6}{'layers':>8}{'heads':>7}{'parameters':>16}{'tokens':>8}{'GPU-hours':>11}")
for name, (tokens, _, hours) in TRAINED.items():
    config = CONFIGS[name]
    print(
        f"{name:5}{config.dim:6,}{config.n_layers:8}{config.n_heads:7}"
        f"{parameter_count(config):16,}{tokens / 1e12:7.1f}T{hours:11,}"
    )

# %% [markdown]
# (The paper says 33B; Meta's download folder says 30B. It is the same model, and `CONFIGS` takes
# both names. The paper's table calls the largest 65.2B; the exact count rounds to 65.3.)
#
# ### Smaller models, more tokens
#
# A year before, *Chinchilla* had answered this question: given a training budget, how large should
# the model be? Its answer is usually summed up as 20 tokens for every parameter. LLaMA asked
# another question: given a *quality*, which model is the cheapest to **use**? A small one that was
# trained for longer. Look how far past 20 the small ones go:

# %%
sizes = list(TRAINED)
ratio = [TRAINED[name][0] / parameter_count(CONFIGS[name]) for name in sizes]

figure, axes = figures.subplots(height=3.0)
bars = axes.bar(sizes, ratio, color=figures.COLORS[0], width=0.6)
axes.bar_label(bars, [f"{r:.0f}" for r in ratio])
axes.axhline(20, color=figures.COLORS[1], ls="--")
axes.text(3.45, 36, "20: the usual\nreading of Chinchilla", ha="right", color=figures.COLORS[1])
axes.set_ylabel("training tokens per parameter")
axes.grid(False)
figures.show(
    figure,
    alt="Training tokens per parameter: "
    + ", ".join(f"{name} {r:.0f}" for name, r in zip(sizes, ratio, strict=True))
    + ". A dashed line marks 20, the usual reading of Chinchilla; only 65B is near it.",
)

# %% [markdown]
# So LLaMA is not "Chinchilla-optimal", though it is often called so. Its 7B model went about seven
# times past that point, and the paper notes that it was still improving after a trillion tokens.
# Lesson 01 does this sum with care.
#
# ### Public data
#
# | source | share of training tokens | passes over it, at 1.4T tokens |
# |---|---:|---:|
# | CommonCrawl, five dumps, cleaned with CCNet | 67.0 % | 1.10 |
# | C4, another cleaning of the same web | 15.0 % | 1.06 |
# | GitHub, permissive licences | 4.5 % | 0.64 |
# | Wikipedia, 20 languages | 4.5 % | 2.45 |
# | Books: Gutenberg and Books3 | 4.5 % | 2.23 |
# | ArXiv, LaTeX sources | 2.5 % | 1.06 |
# | StackExchange, 28 sites | 2.0 % | 1.03 |
#
# Public is not the same as open. The data set itself was never released, nor the code that made it;
# and Books3 was a collection of pirated books, taken offline later in 2023. In this course you train
# on seven stand-ins in the same proportions. They come out of public packages, each pinned by its
# hash. Public is not the same as free, either: most of the tokens are web pages and news articles,
# and those belong to their authors and outlets. This is what each source is made of here, and under
# which licences:

# %%
from llama_mini.data.sources import load_table

sources = load_table()
for source in sources.sources:
    print(f"{source.title:14}{source.share:5.1f} %  {sources.licences(source.key)}")
owned = [s.share for s in sources.sources if "their" in sources.licences(s.key)]
print(
    f"\n{len(sources.files)} packages; sources with texts of authors and outlets: {sum(owned):.0f} %"
)

# %% [markdown]
# ### What you may read elsewhere, and what is so
#
# | often said | in fact |
# |---|---|
# | LLaMA-13B has an MMLU score of 56.9 | 46.9 (Table 9); GPT-3 has 43.9 |
# | 65B matches Chinchilla on MMLU | 63.4 against 67.5; the paper names too few books and papers as a *potential* explanation |
# | 13B beats GPT-3 everywhere | on 5 of the 7 tasks of Table 3 that both report; it loses PIQA and OpenBookQA |
# | the context of 2,048 tokens is in the paper | it is in the code; the paper never states it |
# | RMSNorm's ε is 10⁻⁶ in LLaMA 1 | in three of four sizes; 65B has 10⁻⁵. You prove it in lesson 03 |
#
# ### Three weeks in March
#
# The weights were given to researchers on request, and about a week later they were passed around
# without one. On 10 March `llama.cpp` made its first commit, a program to run them on a laptop. On the 13th
# Stanford's *Alpaca* taught the 7B model to follow instructions with 52,002 examples. *Vicuna*
# followed on the 30th. Much of what people do with open models today began in that month.
#
# ## The road
#
# | part | lessons | at the end you have |
# |---|---|---|
# | Why | 00–01 | the reason for small models and many tokens |
# | Text | 02 | a tokenizer |
# | Architecture | 03–08 | a LLaMA, and text out of it |
# | Data | 09–10, to come | a cleaned web and a mix of seven sources |
# | Training | 13; 11–12 to come | **a model of your own** |
# | Full weights | 14–15 | **Meta's 7B to 65B, run by your code** |
# | After | 16–18, to come | evaluation, fine-tuning, a look inside |
#
# ## In three lines
#
# - Every exercise is one symbol of a real package; when `check` says *correct*, your code runs it.
# - LLaMA is four models of one design, made for cheap use: fewer parameters, more tokens, public data.
# - Believe the numbers you can recompute. In this course you recompute most of them.

# %% [markdown] tags=["exercise-text"]
# ## SiLU
#
# Write `silu(x)`, the gate inside LLaMA's feed-forward layers:
#
# $$\mathrm{silu}(x) = x \cdot \sigma(x), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}$$
#
# `x` is a tensor of any shape and floating-point type; return a new tensor of the same shape and
# type, and leave `x` as it was. `torch.sigmoid` is yours to use; `torch.nn.functional.silu` would
# work too, but it is the answer.

# %% tags=["exercise"] symbol="llama_mini.feedforward:silu" part="A first piece: SiLU"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [01 · Scaling](01_scaling.ipynb): why small models on many tokens, by numbers that you compute yourself.
