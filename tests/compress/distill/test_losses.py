"""Each loss against its formula in plain numpy, written text by text, and against TextBrewer's function."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from textbrewer import losses as textbrewer
from torch import Tensor

from compress.distill import losses

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Array = NDArray[np.float64]

LENGTHS = (5, 3, 7, 1)
BATCH, TOKENS, WIDTH, HEADS = len(LENGTHS), 9, 12, 4


def mask(tokens: int = TOKENS) -> Tensor:
    return (torch.arange(tokens)[None, :] < torch.tensor(LENGTHS)[:, None]).long()


def states(seed: int, width: int = WIDTH) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(BATCH, TOKENS, width))).float()


def scores(seed: int, heads: int = HEADS) -> Tensor:
    shape = (BATCH, heads, TOKENS, TOKENS)
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape) * 2).float()


def texts(values: Tensor) -> list[Array]:
    """Hidden states of each text, (its tokens, width), without padding."""
    return [row[:length].double().numpy() for row, length in zip(values, LENGTHS, strict=True)]


def maps(values: Tensor) -> list[list[Array]]:
    """Scores of each text and head, (its tokens, its tokens), without padding."""
    return [
        [head[:length, :length].double().numpy() for head in row]
        for row, length in zip(values, LENGTHS, strict=True)
    ]


def softmax(values: Array) -> Array:
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def numpy_mse(student: Tensor, teacher: Tensor) -> float:
    tokens = [((s - t) ** 2).mean(axis=1) for s, t in zip(texts(student), texts(teacher), strict=True)]
    return float(np.concatenate(tokens).mean())


def numpy_cosine(student: Tensor, teacher: Tensor) -> float:
    distances = [
        1 - s @ t / (np.sqrt(s @ s) * np.sqrt(t @ t))
        for ours, theirs in zip(texts(student), texts(teacher), strict=True)
        for s, t in zip(ours, theirs, strict=True)
    ]
    return float(np.mean(distances))


def numpy_pkd(student: Tensor, teacher: Tensor) -> float:
    total = 0.0
    for ours, theirs in zip(texts(student), texts(teacher), strict=True):
        s, t = ours[0] / np.linalg.norm(ours[0]), theirs[0] / np.linalg.norm(theirs[0])
        total += float(np.linalg.norm(s - t) ** 2)
    return total / BATCH


def numpy_gram(student: Tensor, teacher: Tensor) -> float:
    squares = [
        (s.T @ s / len(s) - t.T @ t / len(t)) ** 2
        for s, t in zip(texts(student), texts(teacher), strict=True)
    ]
    return float(np.mean(squares))


def numpy_mmd(student: Tensor, teacher: Tensor) -> float:
    squares = [
        (s @ s.T / s.shape[1] - t @ t.T / t.shape[1]) ** 2
        for s, t in zip(texts(student), texts(teacher), strict=True)
    ]
    return float(np.concatenate([square.ravel() for square in squares]).mean())


def numpy_attention(student: Tensor, teacher: Tensor, query: Callable[[Array, Array], Array]) -> float:
    """The mean over texts' valid queries and heads of what `query` gives for each query."""
    found = [
        query(s, t)
        for ours, theirs in zip(maps(student), maps(teacher), strict=True)
        for s, t in zip(ours, theirs, strict=True)
    ]
    return float(np.concatenate(found).mean())


def numpy_attention_mse(student: Tensor, teacher: Tensor) -> float:
    return numpy_attention(student, teacher, lambda s, t: ((s - t) ** 2).ravel())


def numpy_attention_ce(student: Tensor, teacher: Tensor) -> float:
    return numpy_attention(student, teacher, lambda s, t: -(softmax(t) * np.log(softmax(s))).sum(axis=1))


def numpy_attention_kl(student: Tensor, teacher: Tensor) -> float:
    def divergence(s: Array, t: Array) -> Array:
        return np.asarray((softmax(t) * (np.log(softmax(t)) - np.log(softmax(s)))).sum(axis=1))

    return numpy_attention(student, teacher, divergence)


HIDDEN: dict[str, tuple[Loss, Callable[[Tensor, Tensor], float]]] = {
    "mse": (losses.mse, numpy_mse),
    "cosine": (losses.cosine, numpy_cosine),
    "pkd": (losses.pkd, numpy_pkd),
    "gram": (losses.gram, numpy_gram),
    "mmd": (losses.mmd, numpy_mmd),
}
ATTENTION: dict[str, tuple[Loss, Callable[[Tensor, Tensor], float]]] = {
    "mse": (losses.attention_mse, numpy_attention_mse),
    "kl": (losses.attention_kl, numpy_attention_kl),
    "ce": (losses.attention_ce, numpy_attention_ce),
}
EVERY: list[tuple[Loss, Callable[[int], Tensor]]] = [
    *((loss, states) for loss, _ in HIDDEN.values()),
    *((loss, scores) for loss, _ in ATTENTION.values()),
]


@pytest.mark.parametrize("name", HIDDEN)
def test_a_loss_of_hidden_states_is_its_formula_over_the_valid_tokens(name: str) -> None:
    loss, by_hand = HIDDEN[name]
    student, teacher = states(1), states(2)
    assert float(loss(student, teacher, mask())) == pytest.approx(by_hand(student, teacher), abs=1e-5)


@pytest.mark.parametrize("name", ATTENTION)
def test_a_loss_of_attention_is_its_formula_over_the_valid_pairs(name: str) -> None:
    loss, by_hand = ATTENTION[name]
    student, teacher = scores(1), scores(2)
    assert float(loss(student, teacher, mask())) == pytest.approx(by_hand(student, teacher), abs=1e-5)


def test_products_of_tokens_compare_models_of_different_widths() -> None:
    student, teacher = states(1, width=6), states(2, width=20)
    ours = losses.mmd(student, teacher, mask())
    assert float(ours) == pytest.approx(numpy_mmd(student, teacher), abs=1e-5)


@pytest.mark.parametrize("name", ATTENTION)
def test_scores_are_averaged_over_heads_where_their_numbers_differ(name: str) -> None:
    loss, by_hand = ATTENTION[name]
    student, teacher = scores(1, heads=2), scores(2, heads=6)
    expected = by_hand(student.mean(dim=1, keepdim=True), teacher.mean(dim=1, keepdim=True))
    assert float(loss(student, teacher, mask())) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("place", range(len(EVERY)))
def test_padding_changes_nothing(place: int) -> None:
    """Neither what stands in it, however large, nor how much of it there is; and it gets no gradient."""
    loss, make = EVERY[place]
    student, teacher = make(1), make(2)
    longest = max(LENGTHS)
    hidden = student.dim() == 3
    cut = (slice(None), slice(longest)) if hidden else (..., slice(longest), slice(longest))
    spoiled = student.clone()
    padded = (
        (mask() == 0)[:, :, None] if hidden else (mask()[:, None, None, :] * mask()[:, None, :, None]) == 0
    )
    spoiled = spoiled.masked_fill(padded, 1e4).requires_grad_()
    value = loss(spoiled, teacher, mask())
    short = loss(student[cut], teacher[cut], mask(longest))
    assert float(value.detach()) == pytest.approx(float(short), abs=1e-5)
    value.backward()  # type: ignore[no-untyped-call]
    assert spoiled.grad is not None
    assert float(spoiled.grad.masked_select(padded).abs().max()) == 0
    assert float(spoiled.grad.abs().max()) > 0
    assert bool(spoiled.grad.isfinite().all())


@pytest.mark.parametrize("place", range(len(EVERY)))
def test_under_automatic_bfloat16_a_loss_is_computed_in_float32(place: int) -> None:
    loss, make = EVERY[place]
    student, teacher = make(1), make(2)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(student, teacher, mask())
        low = loss(student.bfloat16(), teacher, mask())
    assert torch.equal(value, loss(student, teacher, mask()))
    assert value.dtype == low.dtype == torch.float32
    assert value.dim() == 0


@pytest.mark.parametrize(
    "place", [index for index, (loss, _) in enumerate(EVERY) if loss is not losses.attention_ce]
)
def test_a_student_that_equals_its_teacher_has_no_loss(place: int) -> None:
    loss, make = EVERY[place]
    assert float(loss(make(1), make(1), mask())) == pytest.approx(0, abs=1e-6)
    assert float(loss(make(2), make(1), mask())) > 1e-3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(losses.mse, "hid_mse_loss"), (losses.cosine, "cos_loss"), (losses.pkd, "pkd_loss")],
)
def test_losses_of_hidden_states_are_textbrewers(ours: Loss, theirs: str) -> None:
    student, teacher = states(1), states(2)
    reference = getattr(textbrewer, theirs)(student, teacher, mask())
    assert float(ours(student, teacher, mask())) == pytest.approx(float(reference), abs=1e-5)


def test_products_of_dimensions_are_textbrewers() -> None:
    student, teacher = states(1), states(2)
    reference = textbrewer.fsp_loss([student, student], [teacher, teacher], mask())
    assert float(losses.gram(student, teacher, mask())) == pytest.approx(float(reference), abs=1e-5)


def test_products_of_tokens_are_textbrewers_but_for_its_padded_length() -> None:
    student, teacher = states(1), states(2)
    ours, whole = (
        losses.mmd(student, teacher, mask()),
        losses.mmd(student, teacher, torch.ones(BATCH, TOKENS)),
    )
    pairs = ([student, student], [teacher, teacher])
    assert float(whole) == pytest.approx(float(textbrewer.mmd_loss(*pairs)), abs=1e-5)
    reference = float(textbrewer.mmd_loss(*pairs, mask()))
    assert float(ours) * (WIDTH / TOKENS) ** 2 == pytest.approx(reference, abs=1e-5)


def test_losses_of_attention_are_textbrewers() -> None:
    student, teacher = scores(1), scores(2)
    ours = losses.attention_mse(student, teacher, mask())
    assert float(ours) == pytest.approx(float(textbrewer.att_mse_loss(student, teacher, mask())), abs=1e-5)
    averaged = losses.attention_mse(student.mean(1, keepdim=True), teacher.mean(1, keepdim=True), mask())
    summed = float(textbrewer.att_mse_sum_loss(student, teacher, mask()))
    assert float(averaged) * HEADS**2 == pytest.approx(summed, rel=1e-5)


def test_cross_entropy_of_attention_is_textbrewers_where_padded_keys_score_low() -> None:
    hidden_keys = (mask() == 0)[:, None, None, :]
    student, teacher = (scores(seed).masked_fill(hidden_keys, -1e4) for seed in (1, 2))
    ours = losses.attention_ce(student, teacher, mask())
    assert float(ours) == pytest.approx(float(textbrewer.att_ce_loss(student, teacher, mask())), abs=1e-5)
    few = losses.attention_ce(student[:, :1], teacher, mask())
    reference = textbrewer.att_ce_mean_loss(student[:, 0], teacher.mean(dim=1), mask())
    assert float(few) == pytest.approx(float(reference), abs=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_cross_entropy_of_logits_is_hintons_and_textbrewers_times_t_squared(temperature: float) -> None:
    student, teacher = states(1)[:, 0], states(2)[:, 0]
    p, q = (softmax(logits.double().numpy() / temperature) for logits in (teacher, student))
    by_hand = -(p * np.log(q)).sum(axis=1).mean() * temperature**2
    ours = float(losses.logits_ce(student, teacher, temperature))
    assert ours == pytest.approx(by_hand, abs=1e-5)
    reference = float(textbrewer.kd_ce_loss(student, teacher, temperature)) * temperature**2
    assert ours == pytest.approx(reference, abs=1e-5)


def test_a_pooled_vector_is_a_hidden_state_of_one_token() -> None:
    student, teacher = states(1)[:, 0], states(2)[:, 0]
    (ours, one), (theirs, _) = losses.as_token(student), losses.as_token(teacher)
    assert float(losses.mse(ours, theirs, one)) == pytest.approx(
        float(textbrewer.kd_mse_loss(student, teacher)), abs=1e-5
    )
    assert float(losses.pkd(ours, theirs, one)) == pytest.approx(
        float(textbrewer.pkd_loss(student, teacher)), abs=1e-5
    )


def test_relations_are_minilms() -> None:
    """softmax(V V^T / sqrt(d)) by head, from values that lie side by side."""
    values = states(1)
    relations = losses.attention_probabilities(losses.relation_scores(values, HEADS), mask())
    size = WIDTH // HEADS
    for text, of_text in zip(texts(values), relations, strict=True):
        for head in range(HEADS):
            part = text[:, head * size : (head + 1) * size]
            expected = softmax(part @ part.T / np.sqrt(size))
            found = of_text[head, : len(text), : len(text)].numpy()
            np.testing.assert_allclose(found, expected, atol=1e-5)
        assert float(of_text[:, : len(text), len(text) :].abs().sum()) == 0
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = losses.relation_scores(values, HEADS)
    assert torch.equal(under_autocast, losses.relation_scores(values, HEADS))
    assert losses.relation_scores(values.bfloat16(), 2).dtype == torch.float32
