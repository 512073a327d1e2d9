"""Judging answers: fooling attempts, wrong types, and what the report says."""

import types

import pytest
import torch
from torch import nn

from llama_mini import feedforward, norm
from llama_mini.course import EXERCISES, check_answer
from llama_mini.course.derive import solution_cell
from llama_mini.course.judge.grading import symbol_from


def double(x):
    return x * torch.sigmoid(2.5 * x)


@pytest.mark.parametrize("patched", ["allclose", "equal", "isclose", "sigmoid"])
def test_replacing_torch_functions_makes_nothing_pass(monkeypatch, patched):
    check_answer("silu", double)  # the reference has run once, as it has in any notebook
    monkeypatch.setattr(torch, patched, lambda *a, **k: True if patched != "sigmoid" else a[0])
    monkeypatch.setattr(torch.Tensor, "__eq__", lambda *a: True)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: [0.0] * self.numel())
    assert check_answer("silu", lambda x: x).state == "not yet"


def test_a_tensor_subclass_is_rejected():
    class Sly(torch.Tensor):
        pass

    report = check_answer("silu", lambda x: feedforward.torch.sigmoid(x).mul(x).as_subclass(Sly))
    assert report.points == 0
    assert "subclass of Tensor" in report.message


def test_the_packages_own_code_is_noticed_however_it_is_handed_in():
    class Inherits(norm.RMSNorm):
        pass

    for name, answer in [
        ("silu", feedforward.silu),
        ("silu", lambda x: feedforward.silu(x)),
        ("rms_norm", norm.RMSNorm),
        ("rms_norm", Inherits),
    ]:
        report = check_answer(name, answer)
        assert (report.state, report.points) == ("not attempted", 0)
        assert "the package's own" in report.message


def test_a_copy_of_the_packages_code_is_noticed_and_the_package_is_left_as_it_was():
    code = feedforward.silu.__code__
    copied = types.FunctionType(code, vars(feedforward))
    for answer in (copied, lambda x: feedforward.silu(x), lambda x: feedforward.silu(x).nothing):
        report = check_answer("silu", answer)
        assert (report.state, report.points) == ("not attempted", 0)
        assert feedforward.silu.__code__ is code


@pytest.mark.parametrize(
    "result",
    [[1.0], (1.0,), 3, "text", {"a": 1}, object()],
    ids=lambda result: type(result).__name__,
)
def test_a_wrong_type_is_named(result):
    report = check_answer("silu", lambda x: result)
    assert (report.state, report.points) == ("not yet", 0)
    assert type(result).__name__ in report.message
    assert "expected a Tensor" in report.message


def test_numpy_is_told_to_stay_in_torch():
    report = check_answer("silu", lambda x: x.float().detach().numpy())
    assert "numpy.ndarray" in report.message


@pytest.mark.parametrize("answer", [3, torch.ones(2), "silu", None, [1]])
def test_something_that_cannot_be_called_is_said_to_be_so(answer):
    report = check_answer("silu", answer)
    assert (report.state, report.diagnosis) == ("not yet", "wrong kind of answer")
    assert "check(silu)" in report.message


def test_an_instance_handed_in_for_its_class_is_said_to_be_so():
    class RMSNorm(nn.Module):
        pass

    assert "Hand in the class" in check_answer("rms_norm", RMSNorm()).message
    assert "is to be a class" in check_answer("rms_norm", lambda x: x).message


def test_an_exception_is_reported_with_the_learners_line_and_the_inputs():
    def silu(x):
        return x @ torch.ones(5)

    message = check_answer("silu", silu).message
    assert "RuntimeError" in message
    assert "return x @ torch.ones(5)" in message
    assert "x: float32 (13,)" in message


def test_inputs_go_without_names_where_the_case_calls_several_times():
    message = check_answer("hidden_dim", lambda dim, multiple_of=256: 4 * dim).message
    assert "“the widths of LLaMA” (4096; 5120; 6656; 8192)" in message
    right_for_llama = {4096: 11008, 5120: 13824, 6656: 17920, 8192: 22016}
    message = check_answer("hidden_dim", lambda dim, m=256: right_for_llama.get(dim, 0)).message
    assert "(dim: 64; multiple_of: 32)" in message


def test_prints_and_warnings_are_said_and_cost_nothing():
    def silu(x):
        import warnings

        warnings.warn("old style", stacklevel=1)
        print("x is", tuple(x.shape))
        return x * torch.sigmoid(x)

    report = check_answer("silu", silu)
    assert report.state == "correct"
    assert any("x is (13,)" in note for note in report.notes)
    assert any("old style" in note for note in report.notes)


def test_an_unnamed_mistake_is_located():
    report = check_answer("silu", lambda x: torch.where(x > 2.4, x, x * torch.sigmoid(x)))
    assert report.diagnosis is None
    assert "differs in 2 of 13 values; the first at [11]: yours 2.5" in report.message


def test_part_of_the_evidence_is_not_passed_off_as_a_diagnosis():
    def silu(x):
        return x.clamp(min=0) if x.ndim == 1 else x * 3

    report = check_answer("silu", silu)
    assert report.diagnosis is None
    assert "2 of your 3 wrong results are those of a known mistake" in report.message
    assert "something else is different too" in report.message


def test_a_mistake_that_goes_further_than_the_answers_is_said_to_do_so():
    def silu(x):
        return x.clamp(min=0) if x.ndim == 1 else x / (1 + torch.exp(-x))

    report = check_answer("silu", silu)
    assert report.diagnosis is None
    assert "wrong results are also what a known mistake gives, ReLU" in report.message
    assert "wrong in more cases than yours" in report.message


@pytest.mark.parametrize(
    "change",
    [
        lambda shards: shards.pop(),
        lambda shards: shards.reverse(),
        lambda shards: shards.__setitem__(0, shards[0] * 2),
        lambda shards: shards.append(shards[0]),
    ],
    ids=["pop", "reverse", "setitem", "append"],
)
def test_changing_a_list_is_told_from_writing_into_a_tensor(change):
    right = symbol_from(
        solution_cell(EXERCISES["merge_shards"].symbol), EXERCISES["merge_shards"], "right"
    )

    def merge_shards(name, shards):
        whole = right(name, list(shards))
        change(shards)
        return whole

    report = check_answer("merge_shards", merge_shards)
    assert report.diagnosis == "changes a list it was given"
    assert "changes a list or dict that it was given" in report.message

    def overwrites(name, shards):
        whole = right(name, [shard.clone() for shard in shards] if len(shards) > 4 else shards)
        if len(shards) > 4:
            shards[0].zero_()
        return whole

    assert check_answer("merge_shards", overwrites).diagnosis == "edits its input"


def test_putting_an_equal_thing_in_its_place_costs_nothing():
    right = symbol_from(
        solution_cell(EXERCISES["merge_shards"].symbol), EXERCISES["merge_shards"], "right"
    )

    def merge_shards(name, shards):
        whole = right(name, shards)
        shards[-1] = shards[-1].clone()
        return whole

    assert check_answer("merge_shards", merge_shards).state == "correct"


def test_many_arguments_are_counted_and_not_listed():
    report = check_answer("shard_axis", lambda name: 0)
    assert "'layers.0.attention.wq.weight'" in report.message
    report = check_answer("meta_name", lambda name: name)
    assert report.message.count("'model.layers.0.") < 9
    assert "and 5 more)" in report.message


def test_two_faults_are_both_named():
    def silu(x):
        y = torch.sigmoid(x)
        x.mul_(0)
        return y

    report = check_answer("silu", silu)
    assert report.diagnosis == "the sigmoid alone"
    assert "Besides: edits its input." in report.message


def test_an_endless_loop_ends_the_check_and_says_where():
    def silu(x):
        while True:
            x = x + 0

    report = check_answer("silu", silu)
    assert report.diagnosis == "does not end"
    assert "while True" in report.message or "x = x + 0" in report.message
    # The cases that follow would each wait as long.
    assert not any(result.observed for result in report.cases)


def test_a_name_no_exercise_has_suggests_the_nearest():
    with pytest.raises(KeyError, match="Did you mean 'rms_norm'"):
        check_answer("rmsnorm", norm.RMSNorm)


def test_the_picture_has_a_text_alternative_and_the_state_is_a_word():
    report = check_answer("silu", double)
    html = report._repr_mimebundle_()["text/html"]
    assert 'alt="Map of the result, 1 rows by 13 columns' in html
    assert "not yet" in html
    assert "<img" not in check_answer("silu", lambda x: x * torch.sigmoid(x)).rich()


def test_markup_in_an_answer_is_shown_as_text():
    def silu(x):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in check_answer("silu", silu).rich()


def test_an_in_place_edit_that_breaks_the_gradient_is_named_and_pytorch_quoted():
    def silu(x):
        gate = torch.sigmoid(x)
        return gate.mul_(x)

    report = check_answer("silu", silu)
    assert report.diagnosis == "overwrites what the gradient needs"
    assert "modified by an inplace operation" in report.message
    assert "computing the gradient raised RuntimeError" in report.message
    assert "detach" not in report.message


def test_editing_the_input_is_not_blamed_for_the_gradient_as_well():
    def silu(x):
        x *= torch.sigmoid(x)
        return x

    class RMSNorm(nn.Module):
        def __init__(self, dim, eps=1e-6):
            super().__init__()
            self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

        def forward(self, x):
            wide = x.float()
            wide /= torch.sqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
            return wide.type_as(x) * self.weight

    for name, answer in (("silu", silu), ("rms_norm", RMSNorm)):
        report = check_answer(name, answer)
        assert report.diagnosis == "edits its input"
        assert "`.float()` makes no copy" in report.message
        assert "Besides" not in report.message


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: f"{x.flatten()[0]:.2f}",
        lambda x: 1 if (x > 0).all() else 0,
        lambda x: x[x > 0],
        lambda x: torch.unique(x),
    ],
    ids=["item", "tolist", "format", "if", "mask", "unique"],
)
def test_asking_for_a_number_is_no_fault_on_another_device(read):
    def silu(x):
        read(x.detach())
        return x * torch.sigmoid(x)

    assert check_answer("silu", silu).state == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x.cpu() * torch.sigmoid(x)).cpu(),
        lambda x: x * torch.sigmoid(x) + torch.zeros(x.shape, dtype=x.dtype),
        lambda x: x * torch.sigmoid(x).to("cpu"),
    ],
    ids=["cpu", "zeros", "to"],
)
def test_staying_on_the_cpu_is_a_fault_on_another_device(answer):
    assert check_answer("silu", answer).diagnosis == "bound to one device"


def test_what_probes_make_an_answer_print_is_not_shown():
    def silu(x):
        print("I got", x)
        return x * torch.sigmoid(x)

    notes = "\n".join(check_answer("silu", silu).notes)
    assert notes.count("I got") == 1  # the first case, run once; its probes are silent
    assert "meta" not in notes
    assert "grad" not in notes


def test_a_wrong_dtype_names_the_one_asked_for_where_no_input_has_it():
    def rope_table(head_dim, max_seq_len, theta=10_000.0):
        frequencies = theta ** -(torch.arange(0, head_dim, 2).double() / head_dim)
        angles = torch.outer(torch.arange(max_seq_len).double(), frequencies) + 1.0
        return torch.polar(torch.ones_like(angles), angles)

    message = check_answer("rope_table", rope_table).message
    assert "Return complex64: `.to(torch.complex64)`" in message
    assert "x.dtype" not in message


def test_an_exception_comes_before_what_it_kept_from_being_reached():
    class RMSNorm(nn.Module):
        def __init__(self, dim, eps=1e-6):
            self.weight = nn.Parameter(torch.ones(dim))

    message = check_answer("rms_norm", RMSNorm).message
    assert "raised AttributeError" in message
    assert "not reached" not in message
