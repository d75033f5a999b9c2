"""The commands that make something: `run`, `compare`, `init`, `export`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from compress.commands.frame import VERDICT_CODES, JsonOption, SetOption, me, resumable, stack

DataOption = Annotated[str | None, typer.Option(help="Without a recipe: a data file, a folder or a Hub id.")]
TeacherOption = Annotated[str | None, typer.Option(help="Without a recipe: a model folder or a Hub id.")]


def run(
    recipe: Annotated[str | None, typer.Argument(help="A recipe; without one the quickstart runs.")] = None,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    data: DataOption = None,
    teacher: TeacherOption = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; runs/<recipe> by default.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, train nothing.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do everything again.")] = False,
    json_: JsonOption = False,
) -> None:
    """Teach, distil, export, quantise, judge and pack.

    Exit codes: 0 every gate passed, 2 something for you to mend, 3 a gate missed, 4 inconclusive.
    """
    with stack("run", "train"):
        from compress.start import start
        from compress.starter import starting_recipe
        from compress.terminal import Terminal

        if (data is None) != (teacher is None) or (data is not None and recipe is not None):
            raise typer.BadParameter("give a recipe, or --data together with --teacher")
        terminal = Terminal()
        source: object = recipe
        if data is not None and teacher is not None:
            name = Path(data).stem
            out = out or Path("runs") / name
            source = starting_recipe(data, teacher, out / f"{name}.yaml", terminal)
        if dry_run:
            from compress.plan import print_plan

            print_plan(source, set_, out, terminal, as_json=json_)
            return
        with resumable():
            report = start(source, out=out, overrides=set_, fresh=fresh, progress=terminal)  # type: ignore[arg-type]  # str, Path or None
        _show_result(report, as_json=json_)
    raise typer.Exit(VERDICT_CODES[getattr(report, "verdict", "pass")])


def compare(
    recipe: Annotated[str, typer.Argument(help="A recipe with a student; its teacher is trained once.")],
    methods: Annotated[
        str,
        typer.Option(help="Methods by name, separated by commas; the plain student is always among them."),
    ] = "logits,tinybert,minilm,theseus",
    seeds: Annotated[
        str,
        typer.Option(help="How many seeds (counted up from the recipe's), or several seeds, as in 13,14,15."),
    ] = "1",
    learning_rates: Annotated[
        str | None,
        typer.Option(
            help="A grid for every method and the plain student alike, chosen by the selection rows."
        ),
    ] = None,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    out: Annotated[Path | None, typer.Option(help="The folder; runs/<recipe> by default.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do everything again.")] = False,
    json_: JsonOption = False,
) -> None:
    """Did distillation help? One teacher, the same student by every method and without a teacher."""
    with stack("compare", "train"):
        from rich.console import Console

        from compress.compare.asked import parse_methods, parse_rates, parse_seeds
        from compress.compare.pipeline import start_comparison
        from compress.compare.table import render
        from compress.terminal import Terminal

        asked = (parse_methods(methods), parse_seeds(seeds), parse_rates(learning_rates))
        with resumable():
            comparison, folder = start_comparison(
                recipe, *asked, out=out, overrides=set_, fresh=fresh, progress=Terminal()
            )
        if json_:
            typer.echo(comparison.model_dump_json(indent=2))
            return
        console = Console(highlight=False)
        console.print()
        console.print(render(comparison))
        console.print(
            f"\nPlot: {folder / 'compare.html'}\nFigures: {folder / 'compare.json'}", soft_wrap=True
        )


def init(
    data: Annotated[str, typer.Option(help="A data file, a folder of them, or a Hub id.")],
    teacher: Annotated[str, typer.Option(help="A model folder or a Hub id.")],
    out: Annotated[Path, typer.Option(help="The recipe to write.")] = Path("recipe.yaml"),
) -> None:
    """Look at your data and your model, and write a recipe with comments."""
    with stack("init", "train"):
        from compress.starter import starting_recipe
        from compress.terminal import Terminal

        starting_recipe(data, teacher, out, Terminal())
        typer.echo(
            f"{out}\n\nNext:\n  {me()} run {shlex.quote(str(out))} --dry-run\n  {me()} run {shlex.quote(str(out))}"
        )


def export(
    model: Annotated[str, typer.Argument(help="A fine-tuned model's folder, or a Hub id.", metavar="MODEL")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    task: Annotated[str, typer.Option(help="What the model does.")] = "text-classification",
    target: Annotated[str, typer.Option(help="auto, portable or cuda.")] = "auto",
    quantize: Annotated[str, typer.Option(help="A quantiser: dynamic for int8.")] = "none",
    data: Annotated[
        str | None, typer.Option(help="A file of texts to prove the export on; a few sentences by default.")
    ] = None,
    text_pair: Annotated[
        bool, typer.Option("--text-pair", help="The model reads two texts together.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Export a model as it is: proven against PyTorch, in a folder that `compress serve` answers from."""
    with stack("export", "train"):
        from rich.console import Console

        from compress.exporting import as_json, export_model, render
        from compress.terminal import Terminal

        found = export_model(
            model,
            out,
            Terminal(),
            task=task,
            target=target,
            quantize=quantize,
            data=data,
            text_pair=text_pair,
        )
        if json_:
            typer.echo(as_json(out))
            return
        console = Console(highlight=False)
        console.print(render(found))
        folder = shlex.quote(str(out))
        console.print(f"\nBundle: {out}\n\nNext:\n  {me()} serve {folder}", markup=False, soft_wrap=True)


def _show_result(report: object, *, as_json: bool) -> None:
    from rich.console import Console

    from compress.general.report import EncoderReport, described
    from compress.judge.report import Report
    from compress.judge.table import render
    from serve.bundle import REPORT_PAGE

    assert isinstance(report, Report | EncoderReport)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
        return
    console = Console(highlight=False)
    console.print()
    if isinstance(report, EncoderReport):
        console.print(described(report, me()), markup=False, soft_wrap=True)
        return
    console.print(render(report))
    bundle = shlex.quote(report.bundle)
    page = Path(report.bundle).parent / REPORT_PAGE
    console.print(f"\nBundle: {report.bundle}\nReport: {page}\n\nNext:", markup=False, soft_wrap=True)
    console.print(f"  {me()} serve {bundle}", markup=False, soft_wrap=True)
    live = f"--teacher {shlex.quote(report.teacher)}"
    console.print(f"  {me()} demo {bundle} {live}", markup=False, soft_wrap=True)
