"""Several teachers that answer as one: plain averages, and columns that mean the same label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import save_tiny_encoder
from transformers import AutoModelForSequenceClassification

from compress.errors import ModelError
from compress.models.predict import TorchPredictor
from compress.models.teachers import Teachers, average_logits, spelled_as_first
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained

LABELS = ("food", "sport", "travel")
TEXTS = ["the team saw a goal", "soup", "flight to the hotel with luggage and a map", "we cook bread"]


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def random_logits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (5, 3)).astype(np.float32)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0), (0.2, 0.3)])
def test_the_average_of_logits_is_weighted(weights: tuple[float, float]) -> None:
    left, right = random_logits(1), random_logits(2)
    expected = (weights[0] * left + weights[1] * right) / sum(weights)
    np.testing.assert_allclose(average_logits([left, right], weights, "logits"), expected, atol=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0)])
def test_the_average_of_probabilities_is_that_of_the_answers(weights: tuple[float, float]) -> None:
    left, right = random_logits(1), random_logits(2)
    expected = (weights[0] * softmax(left) + weights[1] * softmax(right)) / sum(weights)
    found = average_logits([left, right], weights, "probabilities")
    np.testing.assert_allclose(softmax(found), expected, atol=1e-6)
    # Not the average of logits under another name.
    assert np.abs(softmax(average_logits([left, right], weights, "logits")) - expected).max() > 0.05


def test_probabilities_of_certain_teachers_stay_finite() -> None:
    certain = np.asarray([[900.0, 0.0, -900.0]], np.float32)
    found = average_logits([certain, certain], (1.0, 1.0), "probabilities")
    assert np.isfinite(found).all()
    np.testing.assert_allclose(softmax(found), [[1, 0, 0]], atol=1e-9)


def test_one_teacher_answers_for_itself_to_the_bit() -> None:
    logits = random_logits(3)
    for average in ("logits", "probabilities"):
        assert np.array_equal(average_logits([logits], (0.7,), average), logits)  # type: ignore[arg-type]  # of a loop


def classifier(folder: Path, labels: tuple[str, ...], seed: int) -> Trained:
    encoder = save_tiny_encoder(folder / "encoder", layers=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(str(encoder), num_labels=len(labels))
        torch.nn.init.normal_(model.classifier.weight, std=0.5)
    save_trained(model, load_tokenizer(str(encoder)), labels, 40, folder / "model")
    return load_trained(folder / "model")


def reordered(trained: Trained, labels: tuple[str, ...], folder: Path) -> Trained:
    """The same classifier with its outputs in another order."""
    with torch.no_grad():
        places = [trained.labels.index(label) for label in labels]
        for part in (trained.model.classifier.weight, trained.model.classifier.bias):
            part.copy_(part[places].clone())
    save_trained(trained.model, trained.tokenizer, labels, trained.max_length, folder)
    return load_trained(folder)


def test_a_teacher_whose_labels_stand_in_another_order_is_read_by_name(tmp_path: Path) -> None:
    first, second = classifier(tmp_path / "1", LABELS, 1), classifier(tmp_path / "2", LABELS, 2)
    alone = [TorchPredictor(one).logits(TEXTS) for one in (first, second)]
    turned = reordered(second, ("travel", "food", "sport"), tmp_path / "turned")
    assert np.abs(TorchPredictor(turned).logits(TEXTS) - alone[1]).max() > 0.1  # its own order is another
    predictor = Teachers((first, turned), (1.0, 3.0), "logits").predictor()
    expected = (alone[0] + 3 * alone[1]) / 4
    np.testing.assert_allclose(predictor.logits(TEXTS), expected, atol=1e-5)
    answers = predictor.predict(TEXTS)
    assert predictor.labels == LABELS
    assert [list(answer.probabilities) for answer in answers] == [list(LABELS)] * len(TEXTS)
    np.testing.assert_allclose(
        [list(answer.probabilities.values()) for answer in answers], softmax(expected), atol=1e-5
    )
    assert [answer.tokens for answer in answers] == [len(first.encoder.encode(text).ids) for text in TEXTS]
    assert predictor.predict([]) == []


def test_size_and_parameters_are_those_of_all(tmp_path: Path) -> None:
    first, second = classifier(tmp_path / "1", LABELS, 1), classifier(tmp_path / "2", LABELS, 2)
    teachers = Teachers((first, second), (1.0, 1.0), "logits")
    assert teachers.parameters == first.parameters + second.parameters
    assert teachers.size_mb == pytest.approx(first.size_mb + second.size_mb)


def test_labels_are_spelled_as_the_first_teacher_spells_them() -> None:
    assert spelled_as_first(("Travel ", "FOOD", "sport"), LABELS, 2) == ("travel", "food", "sport")
    assert spelled_as_first(("sport", "food", "travel"), LABELS, 2) == ("sport", "food", "travel")
    # Where case tells two labels apart, it does so among the teachers too.
    assert spelled_as_first(("us", "US"), ("US", "us"), 2) == ("us", "US")


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        (("food", "sport"), LABELS),
        (("food", "sport", "music"), LABELS),
        (("LABEL_0", "LABEL_1", "LABEL_2"), LABELS),
        (("Us", "uS"), ("US", "us")),
    ],
)
def test_teachers_with_other_labels_are_refused(labels: tuple[str, ...], first: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as refused:
        spelled_as_first(labels, first, 3)
    message = str(refused.value)
    assert f"teacher 3 knows the labels {', '.join(labels)}" in message
    assert f"the first one {', '.join(first)}" in message
    assert "expected: teachers that know the same labels" in message


def test_teachers_that_cannot_be_averaged_are_no_teachers(tmp_path: Path) -> None:
    first = classifier(tmp_path / "1", LABELS, 1)
    with pytest.raises(ModelError, match="teacher 2 knows the labels a, b, c"):
        Teachers((first, replace(first, labels=("a", "b", "c"))), (1.0, 1.0), "logits")
    with pytest.raises(ValueError, match="spells its labels otherwise"):
        Teachers((first, replace(first, labels=("Food", "sport", "travel"))), (1.0, 1.0), "logits")
