"""Sentence embeddings: pooling, losses, retrieval and agreement against independent arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from tiny import save_tiny_encoder, tiny_recipe, tiny_rows
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, BertConfig

import compress
import serve
from compress.data.rows import Rows
from compress.distill import METHODS
from compress.distill.embeddings import distance_loss, relation_loss, score_loss
from compress.errors import ModelError
from compress.judge.metrics import score
from compress.judge.retrieval import ranks
from compress.models.open import load_classifier, open_model
from compress.models.predict import TorchPredictor
from compress.models.sentence_encoder import pooled
from compress.models.sentence_folder import write_settings
from compress.models.source import ModelSource
from compress.models.trained import load_trained, save_trained
from compress.students import FromTeacher
from compress.tasks import task_named
from compress.tasks.sentence_similarity import SentenceSimilarity, similarities
from compress.tasks.vectors import read_vectors, tell_vectors
from compress.training.encoded import EncodedRows
from serve.bundle import read
from serve.tasks import Embedding
from serve.tasks import SentenceEmbedding as Answers

TASK = task_named("sentence-similarity")
TEXTS = [
    "goal match",
    "the soup was very good today and we saw bread",
    "train",
    "we saw a map near the beach",
]


def _folder(folder: Path, pooling: str, *, normalize: bool) -> Path:
    """The tiny encoder as sentence-transformers saves one."""
    save_tiny_encoder(folder, layers=1)
    config = BertConfig.from_pretrained(folder)
    config.sentence_embedding = {"pooling": pooling, "normalize": normalize}
    write_settings(config, folder, 100)
    return folder


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_vectors_are_those_of_the_plain_encoder_pooled_by_hand(pooling: str, tmp_path: Path) -> None:
    """Text by text without padding in numpy, against padded batches; the folder says how."""
    source = _folder(tmp_path / "source", pooling, normalize=pooling != "max")
    opened = open_model(ModelSource(model=str(source)), TASK)
    model = load_classifier(opened, TASK.output_names, new_head=False, task=TASK)
    save_trained(model, opened.tokenizer, TASK.output_names, 100, tmp_path / "saved")
    answers = TorchPredictor(load_trained(tmp_path / "saved")).predict(TEXTS)

    encoder, tokenizer = AutoModel.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    for text, answer in zip(TEXTS, answers, strict=True):
        assert isinstance(answer, Embedding)
        with torch.no_grad():
            given = tokenizer(text, return_tensors="pt", padding=False)
            states = encoder(**given).last_hidden_state[0].numpy()
        expected = {"mean": states.mean(axis=0), "cls": states[0], "max": states.max(axis=0)}[pooling]
        if pooling != "max":
            expected = expected / np.sqrt((expected**2).sum())
        assert answer.vector == pytest.approx(expected, abs=2e-5)
        assert answer.tokens == len(given["input_ids"][0])


def test_padding_is_in_no_pool() -> None:
    hidden = torch.randn(2, 5, 3) - 5  # below zero, where a padding of zeros would be the highest
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    for pooling, by_hand in (("mean", hidden[1, :2].mean(0)), ("max", hidden[1, :2].amax(0))):
        assert torch.allclose(pooled(hidden, mask, pooling)[1], by_hand, atol=1e-6)  # type: ignore[arg-type]


def test_losses_are_those_of_the_papers() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, width, generator=generator) for width in (4, 4))
    ours, theirs = (cosine_similarity(one.numpy()) for one in (student, teacher))
    off = ~np.eye(6, dtype=bool)
    assert float(relation_loss(student, teacher, "gram")) == pytest.approx(
        ((ours - theirs)[off] ** 2).mean(), rel=1e-4
    )
    rows = [(row[mask] / 0.1) for row, mask in zip(theirs, off, strict=True)]
    own = [(row[mask] / 0.1) for row, mask in zip(ours, off, strict=True)]
    kl = np.mean(
        [
            (np.exp(p) / np.exp(p).sum() * (p - np.log(np.exp(p).sum()) - q + np.log(np.exp(q).sum()))).sum()
            for p, q in zip(rows, own, strict=True)
        ]
    )
    assert float(relation_loss(student, teacher, "kl", 0.1)) == pytest.approx(kl, rel=1e-4)
    assert float(distance_loss(student, teacher, "cosine")) == pytest.approx(
        np.mean([1 - cosine_similarity([a], [b])[0, 0] for a, b in zip(student, teacher, strict=True)]),
        rel=1e-4,
    )
    assert float(distance_loss(student, teacher, "squared")) == pytest.approx(
        ((student - teacher) ** 2).sum(1).mean().item(), rel=1e-4
    )
    labels = torch.tensor([0.0, 5.0, float("nan")])
    pairs = [cosine_similarity(student.numpy()[[n]], student.numpy()[[n + 1]])[0, 0] for n in (0, 2)]
    by_hand = (pairs[0] ** 2 + (pairs[1] - 1) ** 2) / 3
    assert float(score_loss(student, labels, 0.0, 5.0)) == pytest.approx(by_hand, rel=1e-4)


def test_a_row_keeps_its_two_texts_together_through_a_batch(tmp_path: Path) -> None:
    """Vectors, labels and the teacher's vectors of a row stay with it whatever the batch."""
    source = _folder(tmp_path / "source", "mean", normalize=True)
    opened = open_model(ModelSource(model=str(source)), TASK)
    model = load_classifier(opened, TASK.output_names, new_head=False, task=TASK)
    save_trained(model, opened.tokenizer, TASK.output_names, 100, tmp_path / "saved")
    trained = load_trained(tmp_path / "saved")
    pairs = [(one, other) for one in TEXTS for other in TEXTS[:2]]
    labels = np.arange(len(pairs), dtype=np.float32)
    logits = TorchPredictor(trained).logits(pairs)
    assert logits.shape == (8, 2, 32)
    rows = EncodedRows(trained, Rows(pairs, labels), logits)  # type: ignore[arg-type]
    batch = rows.collate([rows[number] for number in (5, 0, 6)])
    assert batch["labels"].tolist() == [5, 0, 6]
    with torch.no_grad():
        mask = batch["attention_mask"]
        given = trained.model.eval()(input_ids=batch["input_ids"], attention_mask=mask).embedding
    assert torch.allclose(given, batch["teacher_logits"], atol=1e-5)


def test_ranks_are_those_of_a_search_by_hand() -> None:
    generator = np.random.default_rng(3)
    queries, partners = (generator.normal(size=(50, 4)) for _ in range(2))
    partners[10:] = queries[10:] + 0.4 * partners[10:]
    partners[20] = partners[21]  # the same text in two rows: neither stands before the other
    both = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, partners)]
    asks = np.arange(50) >= 5
    found = ranks(both[0], both[1], asks)
    near = cosine_similarity(queries, partners)
    by_hand = np.array([1 + (near[row] > near[row, row] + 1e-6).sum() for row in range(50)])
    assert np.isnan(found[:5]).all()
    assert found[5:].tolist() == by_hand[5:].tolist()
    gold = np.zeros(50)
    assert score("recall_at_1", gold, found, 1) == pytest.approx((by_hand[5:] == 1).mean())
    assert score("recall_at_10", gold, found, 1) == pytest.approx((by_hand[5:] <= 10).mean())
    assert score("mrr", gold, found, 1) == pytest.approx((1 / by_hand[5:]).mean())


def test_high_scores_alone_ask_and_agreement_is_that_of_cosines() -> None:
    task = SentenceSimilarity(0.0, 5.0)
    generator = np.random.default_rng(0)
    teacher = generator.normal(size=(20, 2, 8))
    rows = Rows([("a", "b")] * 20, np.linspace(0, 5, 20).astype(np.float32))  # type: ignore[arg-type]
    marks = task.marks("mrr", teacher, rows)
    assert (~np.isnan(marks)).tolist() == [value >= 4 for value in np.linspace(0, 5, 20).astype(np.float32)]
    # A rotation changes every vector and no cosine: all agree, and the vectors are not alike.
    turned = teacher @ np.linalg.qr(generator.normal(size=(8, 8)))[0]
    assert task.same(teacher, turned).all()
    assert abs(task.likeness(teacher, turned) or 1) < 0.5
    assert task.likeness(teacher, teacher[..., :4]) is None
    assert not task.same(teacher, generator.normal(size=(20, 2, 3))).all()
    assert task.changed(teacher, turned).all()
    assert not task.changed(teacher, teacher * (1 + 1e-6)).any()
    single = teacher[:, :1]
    assert similarities(single)[3] == pytest.approx(cosine_similarity(single[3], single[4])[0, 0])


def test_vectors_on_disk_come_back_as_they_were() -> None:
    vectors = np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32).astype(np.float64)
    told = json.loads(json.dumps(tell_vectors(vectors)))
    assert np.array_equal(read_vectors(told), vectors)
    assert told["similarity"] == pytest.approx(cosine_similarity(vectors[:1], vectors[1:])[0, 0], abs=1e-6)
    for broken in ({}, {"embeddings": []}, {"embeddings": ["???"]}, {"embeddings": ["AAA="]}, None):
        with pytest.raises(Exception, match="no embeddings"):
            read_vectors(broken)


def test_gradients_reach_the_encoder_through_the_pool() -> None:
    hidden = torch.randn(2, 3, 4, requires_grad=True)
    vectors = functional.normalize(pooled(hidden, torch.ones(2, 3), "mean"), dim=-1)
    relation_loss(vectors, torch.eye(4)[:2], "gram").backward()
    assert hidden.grad is not None
    assert hidden.grad.abs().sum() > 0


def test_single_texts_and_a_narrower_student(tmp_path: Path) -> None:
    """Without scores there is agreement; vectors of other widths are compared by their cosines alone."""
    source = _folder(tmp_path / "source", "cls", normalize=True)
    rows = [{"text": text} for text, _ in tiny_rows(160, seed=4)]
    for part, some in (("train", rows[:120]), ("test", rows[120:])):
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    recipe = tiny_recipe(tmp_path, source) | {
        "task": "sentence-similarity",
        "data": {"path": str(tmp_path), "columns": {"label": None}},
        "teacher": {"model": str(source)},
        "student": {"hidden_size": 16},
        "distill": [
            {"method": "embedding", "relations": "kl", "epochs": 3, "learning_rate": 3e-3, "batch_size": 16}
        ],
        "gates": {"min_agreement": 0.1},
    }
    report = compress.run(recipe, out=tmp_path / "run")
    assert report.metric is None
    assert report.fidelity.retention is None
    assert report.fidelity.likeness is None
    manifest = read(tmp_path / "run/bundle").manifest
    assert isinstance(manifest.answering, Answers)
    assert (manifest.answering.width, manifest.answering.pooling, manifest.answering.normalized) == (
        16,
        "cls",
        True,
    )
    answers = serve.load(tmp_path / "run/bundle").predict(TEXTS)
    assert [answer.score for answer in answers] == pytest.approx([1.0] * len(TEXTS), abs=1e-5)
    lines = (tmp_path / "run/bundle/evaluation.jsonl").read_text().splitlines()
    teacher = [read_vectors(json.loads(line)["teacher"]) for line in lines]
    student = serve.load(tmp_path / "run/bundle").predict([json.loads(line)["text"] for line in lines])
    theirs = cosine_similarity([one[0] for one in teacher])
    ours = cosine_similarity([one.told() for one in student])
    near = [abs(theirs[row, (row + 1) % 40] - ours[row, (row + 1) % 40]) <= 0.05 for row in range(40)]
    assert report.fidelity.agreement == pytest.approx(np.mean(near), abs=1e-6)


@pytest.mark.parametrize("width", [32, 16])
def test_each_method_gives_a_loss_that_moves_the_student(width: int, tmp_path: Path) -> None:
    """Or says why not, where the student is narrower."""
    save_tiny_encoder(tmp_path / "source", layers=2)
    opened = open_model(ModelSource(model=str(tmp_path / "source")), TASK)
    task = SentenceSimilarity(0.0, 5.0)
    model = load_classifier(opened, TASK.output_names, new_head=False, task=task)
    save_trained(model, opened.tokenizer, TASK.output_names, 100, tmp_path / "teacher")
    teacher = load_trained(tmp_path / "teacher")
    rows = Rows([(one, other) for one in TEXTS for other in TEXTS], np.linspace(0, 5, 16).astype(np.float32))  # type: ignore[arg-type]
    made, tokenizer = FromTeacher(layers=1, hidden_size=width).build(teacher, rows, "cpu")
    save_trained(made, tokenizer, TASK.output_names, 100, tmp_path / "student")
    student = load_trained(tmp_path / "student")
    encoded = EncodedRows(student, rows, TorchPredictor(teacher).logits(rows.texts))
    refused: dict[str, str] = {}
    for name in METHODS:
        options = {"matches": [{"feature": "logits", "loss": "mse"}]} if name == "match" else {}
        options |= {"version": 2, "relation_heads": 4} if name == "minilm" else {}
        options |= {"weights": {"attention": 0}} if name == "tinybert" else {}  # it has fewer heads
        options |= (
            {"replacing_rate": 1} if name == "theseus" else {}
        )  # else what is drawn may be the teacher's
        method = METHODS[name].model_validate({"method": name, **options})
        try:
            lesson = method.lesson(student, [load_trained(tmp_path / "teacher")], "cpu")
        except ModelError as error:
            refused[name] = error.found
            continue
        lesson.train()
        student.model.zero_grad()
        loss = lesson.loss(encoded.collate([encoded[number] for number in (3, 1, 12)]))
        loss.backward()
        moved = [one.grad for one in student.model.parameters() if one.grad is not None]
        assert torch.isfinite(loss), name
        assert sum(float(one.abs().sum()) for one in moved) > 0, name
    assert set(refused) == (set() if width == 32 else {"distilbert", "theseus", "match"})
    assert all("wid" in reason or "numbers" in reason for reason in refused.values())
