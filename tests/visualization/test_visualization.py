"""Pictures: each has its sentence, each control changes it, and the weights are the model's own."""

import re

import ipywidgets as widgets
import pytest
import torch
from test_model import GROUPED, SMALL, VARIANTS, randomized

from llama_mini import Transformer, attention
from llama_mini.visualization import attention as attention_view
from llama_mini.visualization import figures, training
from llama_mini.visualization.explore import Explorer


def source(html: str) -> str:
    return re.search(r'src="([^"]+)"', html).group(1)


def line(height: float):
    figure, axes = figures.subplots()
    axes.plot([0, 1], [0, height])
    return figure, f"A line that climbs from 0 to {height}"


def test_no_figure_is_shown_without_its_sentence():
    figure, _ = figures.subplots()
    for alt in ("", "figure", None, "   "):
        with pytest.raises(ValueError, match="text alternative"):
            figures.show(figure, alt)


def test_a_figure_is_a_picture_in_a_notebook_and_a_sentence_in_a_terminal():
    shown = figures.show(*line(2.0))
    bundle = shown._repr_mimebundle_()
    assert bundle["text/html"].startswith('<img src="data:image/png;base64,iVBOR')
    assert 'alt="A line that climbs from 0 to 2.0"' in bundle["text/html"]
    assert repr(shown) == "[Figure: A line that climbs from 0 to 2.0]"


def test_a_moved_control_changes_the_picture_and_its_sentence():
    explorer = Explorer(line, height=widgets.FloatSlider(1.0, min=0, max=5))
    before = explorer.picture.value
    explorer.controls["height"].value = 3.0
    assert source(explorer.picture.value) != source(before)
    assert "from 0 to 3.0" in explorer.picture.value
    # Readers without a kernel keep the picture as first drawn.
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/html"] == before
    assert "application/vnd.jupyter.widget-view+json" in bundle


@VARIANTS
def test_attention_weights_are_those_the_model_uses(config, monkeypatch):
    model = randomized(config)
    tokens = torch.randint(config.vocab_size, (12,))
    used = []
    genuine = attention.scaled_dot_product_attention

    def spy(q, k, v, mask=None):
        scores = (q @ k.transpose(-2, -1)).double() / q.shape[-1] ** 0.5
        used.append(scores.masked_fill(~mask, float("-inf")).softmax(-1)[0])
        return genuine(q, k, v, mask)

    with torch.no_grad(), monkeypatch.context() as patch:
        patch.setattr(attention, "scaled_dot_product_attention", spy)
        model(tokens[None])
    weights = attention_view.attention_weights(model, tokens)
    assert weights.shape == (config.n_layers, config.n_heads, 12, 12)
    torch.testing.assert_close(weights.double(), torch.stack(used), atol=1e-5, rtol=0)
    assert not model.layers[0].attention._forward_pre_hooks


def test_attention_explorer_has_a_slider_for_every_layer_and_head():
    class Letters:
        def encode(self, text):
            return [ord(c) % SMALL.vocab_size for c in text]

        def id_to_piece(self, i):
            return "$" if i == 1 else chr(97 + i % 26)

    explorer = attention_view.explore_attention(Transformer(SMALL), Letters(), "the cat sat $")
    assert explorer.controls["layer"].max == SMALL.n_layers - 1
    assert explorer.controls["head"].max == SMALL.n_heads - 1
    before = source(explorer.picture.value)
    explorer.controls["head"].value = 2
    assert source(explorer.picture.value) != before
    assert "layer 0, head 2 over 13 tokens" in explorer.picture.value


def test_one_text_at_a_time():
    with pytest.raises(ValueError, match="One text at a time"):
        attention_view.attention_weights(Transformer(GROUPED), torch.zeros(2, 5, dtype=torch.long))


def test_the_loss_curve_says_where_it_starts_and_ends():
    _, alt = training.draw_loss([(1, 8.3), (50, 5.0)], [(50, 5.1)], {"bigram": 4.9})
    assert "training loss from 8.30 at step 1 to 5.00 at step 50" in alt
    assert "bigram at 4.90" in alt
    _, alt = training.draw_loss([])
    assert "no step has run yet" in alt
