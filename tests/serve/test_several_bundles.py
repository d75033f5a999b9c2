"""Several bundles behind one server, by the names that the command line gives them."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from served import NAME

from serve.bundle import MANIFEST
from serve.errors import UserError
from serve.server import Serving, named_bundles, open_application


def test_each_is_asked_by_its_name(bundle_folder: Path, bundle_copy: Path) -> None:
    manifest = json.loads((bundle_copy / MANIFEST).read_text())
    manifest["labels"].reverse()  # the second one says the other label
    (bundle_copy / MANIFEST).write_text(json.dumps(manifest))
    bundles = named_bundles(bundle_folder, [f"other={bundle_copy}"])
    assert list(bundles) == [NAME, "other"]
    app, _ = open_application(Serving(bundles, threads=1, workers=1))
    asked = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a good film"]}]}
    with TestClient(app, "http://localhost") as client:
        index = client.post("/v2/repository/index").json()
        assert [(one["name"], one["state"]) for one in index] == [(NAME, "READY"), ("other", "READY")]
        for name, label in ((NAME, "positive"), ("other", "negative")):
            for path in (f"/v2/models/{name}/infer", f"/v2/models/{name}/versions/1/infer"):
                found = client.post(path, json=asked).json()
                assert (found["model_name"], found["outputs"][0]["data"]) == (name, [label])
        assert client.post("/predict", json={"inputs": "a good film"}).json()[0]["label"] == "positive"
        assert client.post("/v2/models/third/infer", json=asked).status_code == 404
        assert client.post(f"/v2/models/{NAME}/versions/2/infer", json=asked).status_code == 404
        told = client.get("/metrics").text
        assert 'route="/v2/models/{model_name}/infer",status="200"' in told


@pytest.mark.parametrize("named", [["other"], ["other="], ["a=x", "a=y"]])
def test_names_that_cannot_be_told_apart(named: list[str]) -> None:
    with pytest.raises(UserError, match="NAME=FOLDER, each name once"):
        named_bundles(None, named)


def test_none_at_all() -> None:
    with pytest.raises(UserError, match="the folder that `compress run` made"):
        named_bundles(None)
