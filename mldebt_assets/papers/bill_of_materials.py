"""The bill of materials: a CycloneDX 1.6 document of the model, its data and its libraries.

cyclonedx-python-lib has no classes for ``modelCard`` and ``data``: they are put into the JSON that
it writes, and the whole is then validated by its strict validator.

Source: CycloneDX 1.6, ECMA-424.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from mldebt_assets.core.errors import InvalidPaperError
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.papers.limits import limits
from mldebt_assets.papers.model_card import architecture
from mldebt_assets.papers.wording import NAMES, candidate, level, named, personal_data

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

NAMESPACE = UUID("5f3a3c0e-6c58-5d3f-9d55-0a4f9d1c7b26")  # of these papers' serial numbers
OWN = "mldebt-assets"
MODEL = "model"
TRAINING_SET = "training_set"
TASKS = {
    "binary": "binary classification",
    "multiclass": "multi-class classification",
    "regression": "regression",
}
OUTPUTS = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}

Json = dict[str, Any]


def bill_of_materials(dossier: Json) -> bytes:
    """Return the document as JSON; equal facts give equal bytes.

    Raises: InvalidPaperError if it is not a valid CycloneDX 1.6 document.
    """
    from cyclonedx.output.json import JsonV1Dot6

    written: Json = json.loads(JsonV1Dot6(bom(dossier)).output_as_string())
    written["metadata"]["component"]["modelCard"] = model_card(dossier)
    contents = batches_data(dossier)
    if dossier["adopted"] is None:
        contents[TRAINING_SET] = manifest_data(dossier)
    for component in written.get("components", []):
        if component["bom-ref"] in contents:
            component["data"] = [contents[component["bom-ref"]]]
    text = json.dumps(written, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    require_valid(text, named(dossier))
    return text.encode()


def require_valid(text: str, name: str) -> None:
    """Raise InvalidPaperError where the text is no valid CycloneDX 1.6 document."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise InvalidPaperError.of(name, str(problem.data.message))


def bom(dossier: Json) -> Bom:
    """Return what the library has classes for: components, hashes, licences, dependencies."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.dependency import Dependency

    root = model(dossier)
    known = [] if dossier["adopted"] is not None else [manifest(dossier)]
    batches = [one for entry in entries(dossier) for one in files_of(dossier, entry)]
    libraries = [library(package) for package in dossier["packages"]["list"]]
    made = Bom(
        serial_number=uuid5(NAMESPACE, digest(dossier)),
        components=[*known, *batches, *libraries],
        dependencies=[
            Dependency(root.bom_ref, [Dependency(one.bom_ref) for one in (*known, *libraries)]),
            *(
                Dependency(one.bom_ref, [Dependency(batch.bom_ref) for batch in batches])
                for one in known
            ),
        ],
    )
    made.metadata.component = root
    made.metadata.timestamp = datetime.fromisoformat(dossier["promotion"]["recorded_at"])
    return made


def model(dossier: Json) -> Component:
    """Return the model: its name, version and the hash of its weights."""
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    found, promotion = dossier["lineage"], dossier["promotion"]
    told = {
        "code_commit": found["code"]["commit"] or "unknown",
        "code_sha256": found["code"]["digest"] or "unknown",
        "configuration_sha256": found["configuration"]["digest"] or "unknown",
        "environment_sha256": found["environment"].get("digest", "unknown"),
        "mlflow_run_id": found["model"]["mlflow_run_id"],
        "onnx_sha256": dossier["artefacts"]["onnx"]["sha256"],
        "promotion_sha256": promotion["hash"],
        "packages_recorded_at_training": str(dossier["packages"]["recorded"]).lower(),
    }
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=MODEL,
        name=dossier["pipeline"]["name"],
        version=str(promotion["version"]),
        description=dossier["pipeline"]["description"],
        hashes=[sha256_of(promotion["weights_sha256"])],
        properties=[Property(name=f"mldebt:{name}", value=value) for name, value in told.items()],
    )


def manifest(dossier: Json) -> Component:
    """Return the training set: the manifest that names every batch by its hash."""
    from cyclonedx.model.component import Component, ComponentType

    training_set = dossier["lineage"]["training_set"]["hash"]
    return Component(
        type=ComponentType.DATA,
        bom_ref=TRAINING_SET,
        name=f"{dossier['pipeline']['name']}/training_set",
        version=training_set,
        hashes=[sha256_of(training_set)],
    )


def entries(dossier: Json) -> list[Json]:
    """Return the batches of the training set, with their hashes."""
    found: list[Json] = dossier["lineage"]["training_set"]["batches"]
    return found


def files_of(dossier: Json, entry: Json) -> list[Component]:
    """Return the files that came for one batch: the batch itself, and its labels if they came late.

    Raw bytes are what the owner of the data can compare; what was made of them stands in ``data``.
    """
    from cyclonedx.model.component import Component, ComponentType

    name = dossier["pipeline"]["name"]
    licence = {one["batch"]: one["licence"] for one in dossier["lineage"]["sources"]}
    return [
        Component(
            type=ComponentType.DATA,
            bom_ref=f"{kind}:{entry['batch']}",
            name=f"{name}/{kind}/{entry['batch']}",
            version=entry[kind]["sha256"],
            hashes=[sha256_of(entry[kind]["sha256"])],
            licenses=licences(licence[entry["batch"]]),
        )
        for kind in ("raw", "labels")
        if kind in entry
    ]


def library(package: dict[str, str | None]) -> Component:
    """Return a Python package by its package URL."""
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    name, version = str(package["name"]), str(package["version"])
    own = name == OWN
    return Component(
        type=ComponentType.APPLICATION if own else ComponentType.LIBRARY,
        bom_ref=f"pypi:{name}",
        name=name,
        version=version,
        purl=PackageURL(type="pypi", name=name, version=version.partition("+")[0]),
        licenses=licences(package["licence"]),
    )


def licences(stated: str | None) -> list[License]:
    """Return a stated licence by its SPDX id or expression, else by the name that it was given."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(stated)] if stated else []


def sha256_of(content: str) -> Any:
    """Return a hash as the library writes it."""
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=content)


def model_card(dossier: Json) -> Json:
    """Return the ``modelCard``: parameters, metrics with intervals and slices, considerations."""
    declared = dossier["pipeline"]
    return {
        "bom-ref": "model_card",
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": TASKS[level(dossier).task],
            "architectureFamily": family(dossier),
            "modelArchitecture": architecture(dossier),
            "datasets": [] if dossier["adopted"] is not None else [{"ref": TRAINING_SET}],
            "inputs": [{"format": f"{one['name']}: {one['type']}"} for one in dossier["inputs"]],
            "outputs": [
                {"format": f"{OUTPUTS[level(dossier).task]}: {declared['target']['description']}"}
            ],
        },
        "quantitativeAnalysis": {"performanceMetrics": performance(dossier)},
        "considerations": {
            "users": [declared["owner"]],
            "useCases": [declared["description"]],
            "technicalLimitations": list(limits(dossier)),
            "performanceTradeoffs": [tradeoff(declared["costs"])] if declared["costs"] else [],
        },
    }


def family(dossier: Json) -> str:
    """Return of which kind the model is, in a few words."""
    if dossier["adopted"] is not None:
        return "unknown: an adopted ONNX file"
    own = dossier["lineage"]["model"]["estimator"]["name"]
    return "the owner's own model" if own else "feed-forward neural network"


def tradeoff(costs: Json) -> str:
    """Return the costs between which the threshold decides."""
    return (
        f"The threshold minimises the cost: {costs['false_alarm']:g} {costs['currency']} for a "
        f"false alarm, {costs['missed']:g} for a missed row, {costs['caught']:g} for a caught one."
    )


def performance(dossier: Json) -> list[Json]:
    """Return every metric of the version, over all held-out rows and in each judged slice."""
    evaluation = dossier["evaluation"]
    models = evaluation["models"]
    own = models["candidate"].get("interval") if models else None
    found = [
        metric(name, value, own if name == level(dossier).key else None)
        for name, value in candidate(dossier).items()
        if name in NAMES
    ]
    return found + [
        {
            **metric(name, value, one["interval"] if name == level(dossier).key else None),
            "slice": f"{one['dimension']}={one['value']}",
        }
        for one in evaluation["slices"]
        for name, value in (one["metrics"] or {}).items()
        if name in NAMES
    ]


def metric(name: str, value: float, interval: Json | None) -> Json:
    """Return one metric; the format holds numbers as strings, so none is rounded."""
    told: Json = {"type": name, "value": repr(value)}
    if interval is not None:
        told["confidenceInterval"] = {
            "lowerBound": repr(interval["lower"]),
            "upperBound": repr(interval["upper"]),
        }
    return told


def manifest_data(dossier: Json) -> Json:
    """Return what the training set holds."""
    found = dossier["lineage"]["training_set"]
    facts = {"rows": found["rows"], "batches": len(found["batches"])}
    return dataset(dossier, f"training set of {named(dossier)}", facts)


def batches_data(dossier: Json) -> dict[str, Json]:
    """Return what each file of a batch holds, by its component.

    Where it came from is a property: as ``url`` the validator takes 20 ms for each.
    """
    made: dict[str, Json] = {}
    uris: dict[str, list[str]] = {}
    for one in dossier["lineage"]["sources"]:
        uris.setdefault(one["batch"], []).append(one["uri"])
    counted = {one["batch"]: one for one in dossier["batches"]}
    for entry in entries(dossier):
        batch = entry["batch"]
        facts = {
            **{f"{stage}_sha256": entry[stage]["sha256"] for stage in ("validated", "features")},
            **{name: value for name, value in counted[batch].items() if value is not None},
        }
        for kind, uri in zip(("raw", "labels"), uris[batch], strict=False):
            beside = facts if kind == "raw" else {}
            told = {"source": uri, **beside}
            made[f"{kind}:{batch}"] = dataset(dossier, f"{kind} {batch}", told)
    return made


def dataset(dossier: Json, name: str, facts: Json) -> Json:
    """Return a data set: whose it is, how sensitive, and its facts as properties."""
    properties = [{"name": f"mldebt:{fact}", "value": str(value)} for fact, value in facts.items()]
    return {
        "type": "dataset",
        "name": name,
        "contents": {"properties": properties},
        "classification": f"personal data: {personal_data(dossier)}",
        "governance": {"owners": [{"organization": {"name": dossier["pipeline"]["owner"]}}]},
    }
