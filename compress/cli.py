"""The command line. Each command imports its own stack, so `compress --help` answers at once."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="compress",
    help="Turn a transformer and a data set into a small, fast, proven ONNX model; serve it and show it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

MISTAKE, MISSED, INCONCLUSIVE, STOPPED = 2, 3, 4, 130
VERDICT_CODES = {"pass": 0, "fail": MISSED, "inconclusive": INCONCLUSIVE}

BundleArgument = Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="BUNDLE")]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe; repeatable.")
]
DataOption = Annotated[str | None, typer.Option(help="Without a recipe: a data file, a folder or a Hub id.")]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Listen beyond this machine without a key.")]
TeacherOption = Annotated[str | None, typer.Option(help="Without a recipe: a model folder or a Hub id.")]


@app.command()
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
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON on stdout.")] = False,
) -> None:
    """Teach, distil, export, quantise, judge and pack.

    Exit codes: 0 every gate passed, 2 something for you to mend, 3 a gate missed, 4 inconclusive.
    """
    with _stack("run", "train"):
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
        with _resumable():
            report = start(source, out=out, overrides=set_, fresh=fresh, progress=terminal)  # type: ignore[arg-type]  # str, Path or None
        _show_result(report, as_json=json_)
    raise typer.Exit(VERDICT_CODES[getattr(report, "verdict", "pass")])


@app.command()
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
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON on stdout.")] = False,
) -> None:
    """Did distillation help? One teacher, the same student by every method and without a teacher."""
    with _stack("compare", "train"):
        from rich.console import Console

        from compress.compare.asked import parse_methods, parse_rates, parse_seeds
        from compress.compare.pipeline import start_comparison
        from compress.compare.table import render
        from compress.terminal import Terminal

        asked = (parse_methods(methods), parse_seeds(seeds), parse_rates(learning_rates))
        with _resumable():
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


@app.command()
def init(
    data: Annotated[str, typer.Option(help="A data file, a folder of them, or a Hub id.")],
    teacher: Annotated[str, typer.Option(help="A model folder or a Hub id.")],
    out: Annotated[Path, typer.Option(help="The recipe to write.")] = Path("recipe.yaml"),
) -> None:
    """Look at your data and your model, and write a recipe with comments."""
    with _stack("init", "train"):
        from compress.starter import starting_recipe
        from compress.terminal import Terminal

        starting_recipe(data, teacher, out, Terminal())
        typer.echo(
            f"{out}\n\nNext:\n  {me()} run {shlex.quote(str(out))} --dry-run\n  {me()} run {shlex.quote(str(out))}"
        )


@app.command("export")
def export_command(
    model: Annotated[str, typer.Argument(help="A fine-tuned model's folder, or a Hub id.", metavar="MODEL")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    task: Annotated[str, typer.Option(help="What the model does.")] = "text-classification",
    target: Annotated[str, typer.Option(help="auto, portable or cuda.")] = "auto",
    quantize: Annotated[str, typer.Option(help="A quantiser: dynamic for int8.")] = "none",
    data: Annotated[
        str | None, typer.Option(help="A file of texts to prove the export on; a few sentences by default.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print what was found as JSON on stdout.")] = False,
) -> None:
    """Export a model as it is: proven against PyTorch, in a folder that `compress serve` answers from."""
    with _stack("export", "train"):
        from rich.console import Console

        from compress.exporting import as_json, export_model, render
        from compress.terminal import Terminal

        found = export_model(model, out, Terminal(), task=task, target=target, quantize=quantize, data=data)
        if json_:
            typer.echo(as_json(out))
            return
        console = Console(highlight=False)
        console.print(render(found))
        folder = shlex.quote(str(out))
        console.print(f"\nBundle: {out}\n\nNext:\n  {me()} serve {folder}", markup=False, soft_wrap=True)


@app.command()
def verify(
    bundle: BundleArgument,
    data: Annotated[
        Path | None,
        typer.Option(help="A csv, tsv or jsonl file to judge by, instead of the bundle's own rows."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds of timing, for each number of threads.")
    ] = 10.0,
    json_: Annotated[bool, typer.Option("--json", help="Print what was found as JSON on stdout.")] = False,
) -> None:
    """The verdict again on this machine, from the bundle alone, without PyTorch.

    Exit codes: 0 every gate that can be measured passed, 2 something for you to mend (an altered bundle, say),
    3 a gate missed, 4 inconclusive.
    """
    with _stack("verify", "verify"):
        from rich.console import Console

        from compress.terminal import Terminal
        from compress.verify.pipeline import verify_bundle
        from compress.verify.table import render

        found = verify_bundle(bundle, data, Terminal(), seconds=seconds)
        if json_:
            typer.echo(found.model_dump_json(indent=2))
        else:
            console = Console(highlight=False)
            console.print()
            console.print(render(found))
    raise typer.Exit(VERDICT_CODES[found.verdict])


@app.command()
def predict(
    bundle: BundleArgument,
    source: Annotated[Path, typer.Argument(help="A csv file with a header.", metavar="IN.csv")],
    target: Annotated[Path, typer.Argument(help="The csv file to write.", metavar="OUT.csv")],
    column: Annotated[str | None, typer.Option(help="The column that holds the texts.")] = None,
) -> None:
    """Answer every row of a csv file."""
    with _stack("predict", None):
        from rich.console import Console
        from rich.progress import Progress

        import serve
        from serve.csv_file import predict_csv

        model = serve.load(bundle)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("answers", total=None)
            rows = predict_csv(
                model,
                source,
                target,
                column=column,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        typer.echo(f"{target}: {rows:,} rows answered")


@app.command("serve")
def serve_command(
    bundle: BundleArgument,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    threads: Annotated[int | None, typer.Option(help="Threads of one inference; all by default.")] = None,
    insecure: InsecureOption = False,
) -> None:
    """Answer HTTP requests from a bundle."""
    with _stack("serve", None):
        from serve.server import serve_bundle

        serve_bundle(bundle, host, port, threads=threads, insecure=insecure, ready=_say_where)


@app.command()
def demo(
    bundle: BundleArgument,
    teacher: Annotated[
        str | None, typer.Option(help="A model folder or another bundle, to answer live as the teacher.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 7860,
    insecure: InsecureOption = False,
) -> None:
    """Show the model beside its teacher, in the browser."""
    with _stack("demo", "app"):
        from compress.demo import show_demo

        show_demo(bundle, teacher, host=host, port=port, insecure=insecure, ready=_say_page)


@app.command()
def bench(
    bundle: BundleArgument,
    against: Annotated[
        list[str],
        typer.Option(help="Another bundle, or a model folder or Hub id to run in PyTorch; repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    batch_sizes: Annotated[str, typer.Option(help="Texts in a call, separated by commas.")] = "1",
    lengths: Annotated[
        str | None, typer.Option(help="Fixed lengths in tokens, as in 16,128; without it texts as they come.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="A .txt file of texts; the bundle's test rows without it.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(help="As in 1,2,4; without it one and as many as there are.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="For each row of the table, on a quiet machine.")
    ] = 10,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON on stdout.")] = False,
) -> None:
    """How fast it answers on this machine: in turns with others, tokenizer included."""
    with _stack("bench", "verify"):
        from rich.console import Console

        from compress.bench.asked import numbers
        from compress.bench.pipeline import Asked, run_bench
        from compress.bench.table import render
        from compress.terminal import Terminal

        asked = Asked(
            bundle=str(bundle),
            against=against,
            batch_sizes=numbers("--batch-sizes", batch_sizes),
            lengths=numbers("--lengths", lengths),
            texts=texts,
            threads=numbers("--threads", threads),
            seconds=seconds,
            reproduce=f"{me()} {shlex.join(argument for argument in sys.argv[1:] if argument != '--json')}",
        )
        found = run_bench(asked, Terminal())
        if json_:
            typer.echo(found.model_dump_json(indent=2))
            return
        console = Console(highlight=False)
        console.print()
        console.print(render(found))


def main() -> None:
    """The entry point: turns the mistakes that people can mend into one message and exit code 2."""
    _refuse_shadowed_packages()
    from export.proof import ProofError
    from serve.errors import UserError

    try:
        app()
    except UserError as error:
        _complain(str(error))
        sys.exit(MISTAKE)
    except ProofError as error:
        _complain(str(error))
        sys.exit(MISSED)
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def me() -> str:
    """How to call this program again, as it was called: works as printed, without activating anything."""
    program = Path(sys.argv[0])
    if program.name.startswith("__main__"):
        return f"{shlex.quote(sys.executable)} -m compress"
    found = shutil.which("compress")
    if found and Path(found).resolve() == program.resolve():
        return "compress"
    return shlex.quote(os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program))


@contextmanager
def _stack(command: str, extra: str | None) -> Iterator[None]:
    """Says which extra to install where a package of ours needs one that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if extra is None or missing in {"compress", "export", "serve", "app"}:
            raise
        from compress.errors import MissingExtraError

        raise MissingExtraError(command, missing, extra) from None


@contextmanager
def _resumable() -> Iterator[None]:
    from compress.interrupt import noted_interrupts

    try:
        with noted_interrupts():
            yield
    except KeyboardInterrupt:
        command = shlex.join(argument for argument in sys.argv[1:] if argument != "--fresh")
        _complain(f"\nStopped. What is done is kept; go on with:\n  {me()} {command}")
        raise


def _show_result(report: object, *, as_json: bool) -> None:
    from rich.console import Console

    from compress.general.report import EncoderReport, described
    from compress.judge.report import Report
    from compress.judge.table import render

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
    console.print(f"\nBundle: {report.bundle}\n\nNext:", markup=False, soft_wrap=True)
    console.print(f"  {me()} serve {bundle}", markup=False, soft_wrap=True)
    live = f"--teacher {shlex.quote(report.teacher)}"
    console.print(f"  {me()} demo {bundle} {live}", markup=False, soft_wrap=True)


def _say_where(url: str) -> None:
    example = """-H 'Content-Type: application/json' -d '{"inputs": "some text"}'"""
    typer.echo(f"Answering at {url}\n  curl {url}/predict {example}\n  API: {url}/docs   stop: Ctrl-C")


def _say_page(url: str) -> None:
    typer.echo(f"Open {url} in a browser.   stop: Ctrl-C")


def _complain(message: str) -> None:
    typer.echo(message, err=True)


def _refuse_shadowed_packages() -> None:
    """A folder or file called `app` or `serve` where Python looks first would be taken for ours."""
    import importlib.util

    ours = Path(__file__).resolve().parent.parent
    for package in ("serve", "export", "app"):
        found = importlib.util.find_spec(package)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin != ours / package / "__init__.py":
            _complain(
                f"the package {package!r} of compress-toolchain is hidden by {origin or 'nothing: it is missing'}\n"
                f"  expected: {ours / package}\n"
                "  to do: run from another folder, or rename that file; a broken install is mended by installing again"
            )
            sys.exit(MISTAKE)
