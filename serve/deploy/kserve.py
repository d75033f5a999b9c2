"""KServe: a ServingRuntime that knows bundles, and an InferenceService that serves this one."""

import re
from dataclasses import dataclass

from serve import __version__
from serve.bundle import Bundle
from serve.deploy.plan import Plan, check_image, fill, quoted
from serve.errors import UserError
from serve.server import IN_FLIGHT_SECONDS

_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")  # with KServe's "-predictor" a DNS label of 63
_URI = re.compile(r"[a-z0-9+.-]+://[A-Za-z0-9._~:/@%+=,-]{1,500}")
_DRAIN_SECONDS = 10  # until every proxy of the cluster has seen that it is not ready
_SPARE_SECONDS = 30  # for what gRPC has taken, and to end


@dataclass(frozen=True)
class KServe:
    """The image that has this distribution in it, and where KServe finds the bundle's folder."""

    image: str = f"compress-toolchain:{__version__}"
    storage_uri: str = ""  # pvc://models/NAME where it is not given

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.storage_uri and not _URI.fullmatch(self.storage_uri):
            raise UserError(
                f"the storage URI {self.storage_uri!r}",
                "where KServe downloads from, such as s3://bucket/sst2 or pvc://claim/sst2",
                "give another --storage-uri",
            )

    def plan(self, bundle: Bundle, name: str) -> Plan:
        """Two documents; raises `UserError` for a name that Kubernetes does not take."""
        if not _SERVICE.fullmatch(name):
            raise UserError(
                f"the model's name {name!r}, which Kubernetes does not take",
                "1 to 53 small letters, digits and hyphens, a letter first, no hyphen last",
                "give it another name here: --name NAME",
            )
        storage = self.storage_uri or f"pvc://models/{name}"
        values = {
            "name": quoted(name),
            "image": quoted(self.image),
            "storage_uri": quoted(storage),
            "drain": quoted(f"--drain-seconds={_DRAIN_SECONDS}"),
            "grace": _DRAIN_SECONDS + IN_FLIGHT_SECONDS + _SPARE_SECONDS,
        }
        files = {
            place: fill(f"kserve/{place}", **values)
            for place in ("serving-runtime.yaml", "inference-service.yaml")
        }
        files["README.md"] = fill(
            "kserve/README.md",
            name=name,
            image=self.image,
            storage_uri=storage,
            labels=len(bundle.manifest.labels),
        )
        return Plan(
            files,
            (
                f"KServe reads the bundle from {storage} and runs the image {self.image}.",
                "kubectl apply -f serving-runtime.yaml -f inference-service.yaml",
            ),
        )
