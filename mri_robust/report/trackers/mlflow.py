"""MLflow (Zaharia et al. 2018): parameters, numbers, figures and models of a run in a store on this machine.

The store is `mlflow.db` (SQLite) with `mlartifacts/` in the results folder, or what `MLFLOW_TRACKING_URI` names.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mri_robust.core.errors import UserError
from mri_robust.report.metric_names import named_numbers
from mri_robust.report.results import Results, open_results
from mri_robust.report.stored import open_stored
from mri_robust.report.trackers import Track

EXPERIMENT = "mri-robust"
"""MLflow's experiment that all runs are recorded in."""
METRICS_AT_ONCE, PARAMETERS_AT_ONCE = 1000, 100
"""What MLflow takes in one call."""


def mlflow_tracker() -> Track:
    """How to record a run, once MLflow is known to be there.

    Raises:
        UserError: MLflow is not installed.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise UserError("--tracker mlflow needs MLflow: pip install 'mri-robust[mlflow]'")
    return record


def record(folder: Path) -> str:
    """Record the finished run in `folder` as one MLflow run; returns where to look, in one line.

    Parameters are the settings, data and versions of `run.json`; metrics every number of the experiments' CSVs, under
    the names of `metric_names`; artifacts the CSVs, both reports, figures, provenance, certificate and the models that
    the run used, as safetensors. Nothing leaves this machine unless `MLFLOW_TRACKING_URI` names another.

    Raises:
        UserError: the folder holds no finished run, or the store cannot be written.
    """
    results = open_results(folder)
    named = os.environ.get("MLFLOW_TRACKING_URI")
    uri = named or f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    where = "the store that MLFLOW_TRACKING_URI names" if named else f"'{uri}'"  # a name may hold a password
    loud = logging.root.manager.disable
    logging.disable(logging.INFO)  # a new store tells of each of its tables
    try:
        run = _record(results, uri)
    except Exception as error:  # what a store raises depends on what it is made of
        raise UserError(
            f"the results in '{folder}' are whole, but MLflow could not record them in {where} ({error}); "
            "see to it and run the same command again, nothing is computed anew"
        ) from error
    finally:
        logging.disable(loud)
    look = "" if named else f", to be seen with: mlflow ui --host 127.0.0.1 --backend-store-uri {uri}"
    return f"mlflow: run {run} in {where}{look}"


def _record(results: Results, uri: str) -> str:
    client, entities = _open(uri)
    now = int(1000 * time.time())
    run = client.create_run(
        _experiment(client, results.folder),
        start_time=now - int(1000 * results.run["seconds"]),
        run_name=f"{', '.join(results.run['experiments'])} on {_data_name(results)}"[:250],
        tags={"mlflow.note.content": f"`{results.run['command']}`\n\n{results.certificate['verdict']}"},
    )
    name = run.info.run_id
    parameters = [entities.Param(key, value) for key, value in _flat(_settings(results.run))]
    metrics = [
        entities.Metric(number.name, number.value, now, number.step)
        for experiment in results.experiments
        for number in named_numbers(results.tables[experiment.name])
    ]
    for begin in range(0, len(parameters), PARAMETERS_AT_ONCE):
        client.log_batch(name, params=parameters[begin : begin + PARAMETERS_AT_ONCE])
    for begin in range(0, len(metrics), METRICS_AT_ONCE):
        client.log_batch(name, metrics=metrics[begin : begin + METRICS_AT_ONCE])
    for path in _files(results):
        place = path.parent.relative_to(results.folder)
        client.log_artifact(name, str(path), place.as_posix() if place.parts else None)
    whole = not results.run.get("failed") and results.certificate.get("passed", True)
    client.set_terminated(name, "FINISHED" if whole else "FAILED", end_time=now)
    return name


def _open(uri: str) -> tuple[Any, Any]:
    """MLflow's client and the module of its entities, imported so that nothing reports home."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient, entities

    return MlflowClient(tracking_uri=uri), entities


def _experiment(client: Any, folder: Path) -> str:
    """The id of MLflow's experiment, made if need be, with its artifacts beside a store of our own."""
    found = client.get_experiment_by_name(EXPERIMENT)
    if found:
        return str(found.experiment_id)
    own = not os.environ.get("MLFLOW_TRACKING_URI")
    artifacts = (folder / "mlartifacts").resolve().as_uri() if own else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))


def _data_name(results: Results) -> str:
    return str(next(iter(results.run["data"].values()))["name"])


def _settings(run: dict[str, Any]) -> dict[str, Any]:
    """What of `run.json` decided the numbers."""
    names = ("command", "data", "experiments", "protocols", "scale", "cuts", "engine", "weights", "seeds", "machine")
    return {name: run[name] for name in (*names, "versions")}


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`{"data": {"grey": {"digest": 1}}}` as (`data/grey/digest`, `1`)."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _files(results: Results) -> list[Path]:
    """Tables, reports, figures and models of the run."""
    folder, names = results.folder, [each.name for each in results.experiments]
    written = [f"{name}.csv" for name in [*names, "comparisons"]]
    written += ["report.html", "report.md", "run.json", "crosscheck.json"]
    figures = [path for name in names for path in sorted(folder.glob(f"figures/{name}-*.png"))]
    stored = open_stored(folder)
    models = [model.path for model in stored.models if stored.uses(model)]
    return [*(path for name in written if (path := folder / name).is_file()), *figures, *models]


TRACKER = mlflow_tracker
