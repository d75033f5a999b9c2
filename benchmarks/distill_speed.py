"""How fast a student is distilled: ours against a tutorial's loop and TextBrewer, interleaved in one run.

    .venv/bin/python benchmarks/distill_speed.py --data FOLDER/sst2 --teacher runs/sst2/stages/teacher-... --threads 1

Every contender has a process of its own, and takes its turn on the same texts with the same number of threads,
in an order drawn anew for each round; rounds that other processes disturbed are dropped and repeated. Ours is
charged for the teacher's one pass over the texts, divided by the epochs that share it (and, in the second
figure, whole). A table for people; the JSON document holds every turn.
"""

# What is imported here, the workers import as well, and their memory is measured: so the rest is imported where
# it is used.
import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from distill_contenders import CONTENDERS, Setting, Texts, What, set_threads, take_turn
from step_meter import Turn

if TYPE_CHECKING:
    from compress.data.rows import Rows
    from compress.judge.interference import Read

OURS = "ours"
WARM_UP = 1  # rounds that are not counted
REPEATS = 3  # a busy machine may take this many times the planned rounds
RESAMPLES = 5_000
MAX_LENGTH = 128
GOALS: dict[What, float] = {"logits": 3.0, "hidden": 1.5}

Round = Mapping[str, Turn]
TakeTurn = Callable[[Texts], Turn]


@dataclass(frozen=True, slots=True)
class Measured:
    """The turns of all contenders, round by round."""

    clean: list[Round]
    dropped: list[Round]  # other processes were busy

    @property
    def counted(self) -> list[Round]:
        """The clean rounds, or all where hardly any is clean: `noisy` then."""
        return self.clean + self.dropped if self.noisy else self.clean

    @property
    def noisy(self) -> bool:
        """Too few clean rounds: the figures prove nothing."""
        from compress.judge.report import MIN_CLEAN_ROUNDS

        return len(self.clean) < MIN_CLEAN_ROUNDS


def measure(
    contenders: Mapping[str, TakeTurn],
    draw: Callable[[int], Texts],
    rounds: int,
    *,
    seed: int,
    counters: "Read | None" = None,
) -> Measured:
    """So many clean rounds after the warm-up. `draw` gives the texts of a round, by its number."""
    from compress.judge.interference import BUSY, others_share, read

    counters = counters or read
    random = np.random.default_rng(seed)
    clean: list[Round] = []
    dropped: list[Round] = []
    for number in range(WARM_UP + REPEATS * rounds):
        texts = draw(number)
        before = counters()
        order = [str(name) for name in random.permutation(list(contenders))]
        taken = {name: contenders[name](texts) for name in order}
        busy = others_share(before, counters())
        turns = {name: taken[name] for name in contenders}
        if number >= WARM_UP:
            (dropped if busy > BUSY else clean).append(turns)
        say(f"round {number}: others used {busy:.0%}" + (" (warm-up)" if number < WARM_UP else ""))
        if len(clean) == rounds:
            break
    return Measured(clean, dropped)


def ratio(rounds: Sequence[Round], name: str, seconds: Callable[[Turn], float]) -> dict[str, object]:
    """How many times as many examples per second ours has: the median over rounds and its 95 % interval."""
    ratios = np.array([seconds(turns[name]) / seconds(turns[OURS]) for turns in rounds])
    drawn = np.random.default_rng(0).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[drawn], axis=1), (0.025, 0.975))
    return {"value": float(np.median(ratios)), "ci": [float(low), float(high)]}


def summary(measured: Measured, epochs: int) -> dict[str, object]:
    """What the rounds say."""
    rounds = measured.counted
    names = list(rounds[0])
    others = [name for name in names if name != OURS]
    charges: dict[str, Callable[[Turn], float]] = {
        "ratio": lambda turn: turn.seconds(epochs),
        "ratio_one_epoch": lambda turn: turn.seconds(1),
        "ratio_processor_time": lambda turn: turn.cpu_seconds(epochs),
    }
    return {
        "rounds": len(measured.clean),
        "dropped_rounds": len(measured.dropped),
        "noisy": measured.noisy,
        "contenders": {name: _figures([turns[name] for turns in rounds], epochs) for name in names},
        **{
            charge: {name: ratio(rounds, name, seconds) for name in others}
            for charge, seconds in charges.items()
        },
        "turns": [{name: asdict(turn) for name, turn in turns.items()} for turns in rounds],
    }


def _figures(turns: Sequence[Turn], epochs: int) -> dict[str, float]:
    def median(values: Callable[[Turn], float]) -> float:
        return float(np.median([values(turn) for turn in turns]))

    return {
        "examples_per_second": median(lambda turn: turn.examples / turn.seconds(epochs)),
        "examples_per_second_one_epoch": median(lambda turn: turn.examples / turn.seconds(1)),
        "teacher_pass_share": median(lambda turn: turn.teacher_pass.wall_s / epochs / turn.seconds(epochs)),
        "set_up_share": median(lambda turn: turn.set_up.wall_s / turn.seconds(epochs)),
        "kernel_share": median(
            lambda turn: turn.training.system_s / max(turn.training.system_s + turn.training.user_s, 1e-9)
        ),
        "first_loss": median(lambda turn: turn.losses[0]),
        "last_loss": median(lambda turn: float(np.mean(turn.losses[-max(1, len(turn.losses) // 5) :]))),
    }


def draw_texts(rows: "Rows", count: int, number: int) -> Texts:
    """So many texts, others in each round; none twice in a round before all were drawn once."""
    order = np.random.default_rng([13, number]).permutation(len(rows))
    chosen = rows.take(np.resize(order, count))
    assert chosen.labels is not None
    return Texts(chosen.texts, chosen.labels, seed=number)


def prepare_models(name: str, layers: int, label_count: int, folder: Path) -> tuple[Setting, str]:
    """Teacher and student as model folders; the teacher's head is new where it has none for these labels."""
    from transformers import set_seed

    from compress.distill.layer_map import layer_pairs
    from compress.models.open import load_classifier, open_model
    from compress.models.shrink import layer_count, shrink
    from compress.models.source import ModelSource
    from compress.models.tokenizer import position_limit
    from compress.models.trained import save_trained

    opened = open_model(ModelSource(model=name))
    new_head = not opened.has_trained_head or len(opened.label_names) != label_count
    labels = tuple(map(str, range(label_count)))
    set_seed(13)
    teacher = load_classifier(opened, labels, new_head=new_head)
    max_length = min(MAX_LENGTH, position_limit(opened.tokenizer, opened.config))
    student = shrink(teacher, layers)
    for model, place in ((teacher, "teacher"), (student, "student")):
        save_trained(model, opened.tokenizer, labels, max_length, folder / place)
    pairs = layer_pairs("uniform", layers, layer_count(teacher.config), "tinybert")
    setting = Setting(folder / "teacher", folder / "student", "logits", pairs)
    return setting, "new, not trained" if new_head else "trained"


def worker(stack: ExitStack) -> ProcessPoolExecutor:
    """A fresh process that imports nothing but the contenders."""
    context = multiprocessing.get_context("spawn")
    return stack.enter_context(ProcessPoolExecutor(max_workers=1, mp_context=context))


def in_process(pool: ProcessPoolExecutor, name: str, setting: Setting, threads: int) -> TakeTurn:
    """Takes a contender's turns in that process."""
    return lambda texts: pool.submit(take_turn, name, setting, texts, threads).result()


def once(name: str, setting: Setting, texts: Texts, threads: int, *, turns: int = 1) -> Turn:
    """The last of so many turns in a process that did nothing before."""
    with ExitStack() as stack:
        turn = in_process(worker(stack), name, setting, threads)
        return [turn(texts) for _ in range(turns)][-1]


def compare(setting: Setting, rows: "Rows", options: argparse.Namespace) -> dict[str, object]:
    """One way of distilling: memory, rounds, parts of a step."""
    draw = partial(draw_texts, rows, options.steps * options.batch)
    say(f"{setting.what}: memory, each alone in a fresh process")
    peaks = {name: once(name, setting, draw(0), options.threads).peak_mb for name in CONTENDERS}
    say(f"{setting.what}: rounds")
    with ExitStack() as stack:
        pools = {name: worker(stack) for name in CONTENDERS}
        contenders = {name: in_process(pool, name, setting, options.threads) for name, pool in pools.items()}
        measured = measure(contenders, draw, options.rounds, seed=options.seed)
    say(f"{setting.what}: parts of a step")
    timed = replace(setting, parts=True)
    parts = {name: _parts(once(name, timed, draw(1), options.threads, turns=2)) for name in CONTENDERS}
    return summary(measured, options.epochs) | {"peak_mb": peaks, "parts_ms": parts}


def _parts(turn: Turn) -> dict[str, float]:
    """Milliseconds of a step by part; the teacher's pass as a whole, per step."""
    parts = {part: 1000 * seconds / turn.steps for part, seconds in turn.parts.items()}
    if turn.teacher_pass.wall_s:
        parts["teacher's pass"] = 1000 * turn.teacher_pass.wall_s / turn.steps
    return parts


def tables(what: What, found: Mapping[str, object], epochs: int) -> str:
    """The figures as markdown."""
    figures: Mapping[str, Mapping[str, float]] = found["contenders"]  # type: ignore[assignment]  # as `summary` made it
    ratios: Mapping[str, Mapping[str, Mapping[str, object]]] = {
        charge: found[charge]  # type: ignore[misc]  # as `summary` made it
        for charge in ("ratio", "ratio_one_epoch", "ratio_processor_time")
    }
    peaks: Mapping[str, float] = found["peak_mb"]  # type: ignore[assignment]  # as `compare` made it
    parts: Mapping[str, Mapping[str, float]] = found["parts_ms"]  # type: ignore[assignment]
    lines = [
        f"\n## {what}: {found['rounds']} clean rounds, {found['dropped_rounds']} dropped"
        + (": NOISY, these figures prove nothing" if found["noisy"] else ""),
        "",
        "| | examples/s | ours is faster (95 %) | with the whole pass | in processor time | peak MB "
        "| in the kernel | set-up | loss, first to last |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        cells = [_times(ratios[charge].get(name)) for charge in ratios]
        lines.append(
            f"| {name} | {row['examples_per_second']:.1f} | {' | '.join(cells)} | {peaks[name]:.0f} "
            f"| {row['kernel_share']:.0%} | {row['set_up_share']:.0%} "
            f"| {row['first_loss']:.4f} to {row['last_loss']:.4f} |"
        )
    ours = figures[OURS]
    if ours["teacher_pass_share"]:
        lines.append(
            f"\nOf ours {ours['teacher_pass_share']:.0%} is the teacher's pass, shared by {epochs} epochs."
        )
    lowest = min(float(str(each["value"])) for each in ratios["ratio"].values())
    lines += [
        f"\nGoal {GOALS[what]} times both: {'reached' if lowest >= GOALS[what] else 'missed'} ({lowest:.2f}). "
        f"Memory no higher than theirs: {'yes' if peaks[OURS] <= min(peaks.values()) else 'no'}.",
        "",
        f"| ms a step | {' | '.join(parts)} |",
        "|---" * (len(parts) + 1) + "|",
    ]
    for part in dict.fromkeys(part for each in parts.values() for part in each):
        cells = [f"{each[part]:.1f}" if part in each else "" for each in parts.values()]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _times(estimate: Mapping[str, object] | None) -> str:
    if estimate is None:
        return ""
    interval = estimate["ci"]
    assert isinstance(interval, list)
    return f"{estimate['value']:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def say(message: str) -> None:
    """One line for people who wait."""
    print(message, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="folder, file or Hub id, as a recipe's data.path")
    parser.add_argument("--data-name", help="the Hub data set's configuration, as a recipe's data.name")
    parser.add_argument(
        "--teacher", required=True, help="model folder or Hub id; a finished run's teacher stage"
    )
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--what", choices=("logits", "hidden", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40, help="optimizer steps of a turn")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument(
        "--epochs", type=int, default=3, help="that share the teacher's pass, as in the recipe"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--precision", choices=("auto", "fp32"), default="auto", help="ours; theirs is fp32")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/distill_speed.json"))
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> dict[str, object]:
    """Measure, print the tables, write the document."""
    set_threads(options.threads)
    from compress.data.load import load_splits
    from compress.errors import DataError
    from compress.judge.machine import machine, versions
    from compress.recipe import DataOptions
    from compress.stage import write_json

    splits = load_splits(DataOptions(path=options.data, name=options.data_name), options.seed)
    if not splits.is_labelled:
        raise DataError(
            f"{options.data} has no labels",
            "texts with labels: the loops learn from both",
            "take data with labels",
        )
    document: dict[str, object] = {
        "command": "benchmarks/distill_speed.py "
        + " ".join(f"--{name.replace('_', '-')} {value}" for name, value in vars(options).items() if value),
        "machine": machine().model_dump(),
        "versions": versions() | _textbrewer_version(),
    }
    with tempfile.TemporaryDirectory(prefix="distill-speed-") as folder:
        setting, head = prepare_models(options.teacher, options.layers, splits.label_count, Path(folder))
        document["teacher_head"] = head
        say(f"the teacher's head: {head}")
        whats: tuple[What, ...] = ("logits", "hidden") if options.what == "both" else (options.what,)
        for what in whats:
            chosen = replace(setting, what=what, batch=options.batch, precision=options.precision)
            found = document[what] = compare(chosen, splits.train, options)
            print(tables(what, found, options.epochs), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.out, document)
    return document


def _textbrewer_version() -> dict[str, str]:
    from importlib.metadata import version

    return {"textbrewer": version("textbrewer")}


if __name__ == "__main__":
    from compress.errors import UserError
    from compress.quiet import quiet_libraries

    quiet_libraries()
    try:
        main(parse())
    except UserError as error:
        sys.exit(str(error))
