"""The report that a bundle holds."""

from pydantic import ValidationError

from compress.judge.report import Report
from serve.bundle import NOT_JUDGED, REPORT, Bundle
from serve.errors import BundleError

REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


def read_report(bundle: Bundle) -> Report:
    """The report in the bundle; raises `BundleError` where there is none that this version reads."""
    path = bundle.folder / REPORT
    if REPORT not in bundle.manifest.files:
        if bundle.manifest.verdict == NOT_JUDGED:
            raise BundleError(
                f"{bundle.folder} was made by `compress export`, so nothing of it was judged",
                "a bundle with the report of the run that made it",
                "make one with `compress run`; `compress bench` times this one as it is",
            )
        raise BundleError(f"{bundle.folder} has no {REPORT}", "the report of the run that made it", REBUILD)
    try:
        report = Report.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(
            f"{path}: {place}: {first['msg']}",
            "a report as this version writes it",
            "install the version of compress-toolchain that made it, or make the bundle again",
        ) from None
    if report.labels != bundle.manifest.labels:
        raise BundleError(
            f"{path} has the labels {', '.join(report.labels[:6])}, in this order",
            f"the order of the model's outputs: {', '.join(bundle.manifest.labels[:6])}",
            REBUILD,
        )
    return report
