"""The user's own models through the same experiments as the study's."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.bench.trainer import Trainer
from mri_robust.bench.worker import Task, load_data
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of
from mri_robust.core.validation import check_choice, to_unit_range
from mri_robust.data.dataset import Dataset, Split, content_digest, load_dataset
from mri_robust.evaluation.epsilon_curve import labelled_images, radii_in
from mri_robust.evaluation.evaluation import Context, measure
from mri_robust.evaluation.robustness import PROBE
from mri_robust.evaluation.rows import Row, tidy
from mri_robust.evaluation.sanity import SanityChecks
from mri_robust.evaluation.worst_case import WORST_CASE
from mri_robust.models.checkpoint import check_classes
from mri_robust.models.external import as_classifier, channels_of, fit_to_data, model_digest, stated
from mri_robust.models.folded import attack_copy
from mri_robust.models.opening import is_timm, open_model, timm_size
from mri_robust.study.config import FIRST_SEED, Config
from mri_robust.study.epsilon import Norm, epsilon_text
from mri_robust.study.experiment import Experiment, Tasks, all_experiments, load_experiment
from mri_robust.study.recipe import External
from mri_robust.study.results_folder import Result, ResultsFolder
from mri_robust.study.scale import AUDITS

TESTS = ("worst-case", "artefacts")  # what is asked when no test is named: a first answer
IMAGES = 256
DEFAULT_SIZE = 224
FLOOR_TOLERANCE = 1e-9  # of an epsilon, which a floor may name in decimal or as a fraction


class Asked(NamedTuple):
    """A model as the user asked for it."""

    source: str
    weights: Path | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size: int | None = None  # of its images, in pixels

    def loading(self) -> dict[str, Any]:
        """What `open_model` takes of it."""
        return {"weights": self.weights, "mean": self.mean, "std": self.std}


class Opened(NamedTuple):
    """The user's models and the data, opened and fitted to each other."""

    modules: dict[str, nn.Module]  # id -> the model, in eval mode on its device
    config: Config  # of the run; names the models and what they compute
    dataset: Dataset  # at their size
    notes: list[str]  # how the models are read, a line each


def tests_of(names: Sequence[str], *, everything: bool) -> list[Experiment]:
    """The experiments that ask a finished model, with sanity checks: those named, the first answer's, or all of them.
    UserError where a name is unknown, or its experiment trains its own models."""
    finished = [each for each in all_experiments(beyond=True) if each.finished]
    chosen = {each.name: each for each in (finished if everything else map(load_experiment, names or TESTS))}
    if training := [name for name, each in chosen.items() if not each.finished]:
        known = ", ".join(each.name for each in finished)
        raise UserError(f"'{training[0]}' trains its own models, so audit cannot ask yours; it asks: {known}")
    return list(map(_with_checks, chosen.values()))


def with_training(experiments: Sequence[Experiment], dataset: Dataset, *, everything: bool) -> list[Experiment]:
    """Those that can be asked without training images, where there are none; UserError for others, if any was named."""
    needing = [] if len(dataset.train) else [each.name for each in experiments if each.needs_training]
    if needing and not everything:
        raise UserError(f"{', '.join(needing)}: data '{dataset.name}' have no training images to ask about")
    return [each for each in experiments if each.name not in needing]


def _with_checks(experiment: Experiment) -> Experiment:
    def tasks(config: Config) -> Tasks:
        found = experiment.tasks(config)
        checks: Tasks = [(model, SanityChecks(seed=config.seed)) for model in config.models]
        return [*found, *(each for each in checks if each not in found)]

    return replace(experiment, tasks=tasks)


def open_models(
    asked: Sequence[Asked], config: Config, *, renamed: Mapping[str, str] | None = None, by_name: bool = True
) -> Opened:
    """Open models and data, and fit them to each other.

    The data are read at the size and in the channels that are asked for, that a model states, or that it turns out to
    take. `renamed` maps a model's name of a class to the data's. UserError where a model or the data cannot be used, or
    they do not fit each other; without `by_name` also where a model states its classes in another order.
    """
    torch.set_num_threads(config.threads)  # which may decide the last digit of what names a model
    sources = [each.source for each in dict.fromkeys(asked)]
    names = {
        f"{each.source} ({each.weights or 'no weights'})" if sources.count(each.source) > 1 else each.source: each
        for each in asked
    }
    modules, notes = dict[str, nn.Module](), dict[str, list[str]]()
    for name, each in names.items():
        if not is_timm(each.source):
            modules[name] = open_model(each.source, **each.loading())
    size = _one_of("--size", [each.size for each in asked]) or _one_of(
        "--size", [stated(model).get("image_size") for model in modules.values()]
    )
    size = size or next((timm_size(each.source) for each in asked if is_timm(each.source)), DEFAULT_SIZE)
    channels = config.channels
    if not channels:
        taken = {name: channels_of(model, size) for name, model in modules.items()}
        channels = _one_of("--channels", [found for found, _ in taken.values()]) or "rgb"
        notes = {name: [f"it sees images as {found}: {why}"] for name, (found, why) in taken.items()}
    config = replace(config, channels=channels, scale=replace(config.scale, image_size=size))
    dataset = load_data(config, need_training=False)
    few, models = to_unit_range(dataset.test.images[:BATCH]).to(config.device), []
    for name, each in names.items():
        data: dict[str, Any] = {"classes": dataset.classes, "image_size": dataset.size, "channels": dataset.channels}
        module = modules[name] if name in modules else open_model(each.source, **each.loading(), **data)
        if not by_name:
            check_classes(module, dataset.classes, name)
        modules[name], said = fit_to_data(module.to(config.device), few, dataset.classes, name, renamed)
        copied = attack_copy(modules[name], few[:PROBE]) is not modules[name]
        said.append(f"attacks follow {'a faster copy of it' if copied else 'the model itself'}")
        notes[name] = [*notes.get(name, []), *said]
        label = each.weights.name if each.weights else "random" if is_timm(each.source) else ""
        digest = model_digest(modules[name], dataset.test.images.shape[1:])
        file, renames = str(each.weights.absolute()) if each.weights else "", tuple((renamed or {}).items())
        models.append(External(name, each.source, digest, label, file, each.mean, each.std, renames))
    lines = [f"{name}: {'; '.join(said)}" for name, said in notes.items()]
    return Opened(modules, replace(config, models=tuple(models)), dataset, lines)


def _one_of(option: str, values: Iterable[Any]) -> Any:
    """The one value among them that is not None, or None; UserError where there are several."""
    found = list(dict.fromkeys(value for value in values if value))
    if len(found) > 1:
        raise UserError(f"the models take images of {option} {' and '.join(map(str, found))}: audit them one by one")
    return found[0] if found else None


def check_floors(floors: Sequence[tuple[float, float]], tests: Sequence[Experiment], epsilons: Sequence[float]) -> None:
    """Check that the worst case is asked at the epsilon of each floor, which may be 0; UserError where it is not."""
    if floors and not any(each.name == WORST_CASE for each in tests):
        raise UserError("--fail-under is about the worst case: name the test worst-case too")
    for eps, _ in floors:
        if not any(abs(eps - asked) < FLOOR_TOLERANCE for asked in (0, *epsilons)):
            raise UserError(f"--fail-under names epsilon {eps:g}, which is not among those of --eps")


def broken_floors(worst: pd.DataFrame, floors: Sequence[tuple[float, float]]) -> list[str]:
    """Which models stay under which floors, (epsilon, least accuracy), in the worst case's table, in one line each."""
    final = worst[(worst["metric"] == "accuracy") & (worst["subset"] == "all")]
    final = final.drop_duplicates(["model", "seed", "epsilon"], keep="last")
    said = "{}: worst-case accuracy {:.3f} at epsilon {} is under {:g}"
    return [
        said.format(row["model"], row["value"], epsilon_text(eps, row["norm"]), least)
        for eps, least in floors
        for row in final[(final["epsilon"] - eps).abs() < FLOOR_TOLERANCE].to_dict("records")
        if row["value"] < least
    ]


def audit(
    model: nn.Module,
    data: Dataset | str | tuple[Any, Any] | Iterable[tuple[Any, Any]],
    tests: Sequence[str] = TESTS,
    *,
    images: int = IMAGES,
    epsilons: float | Sequence[float] | None = None,
    norm: Norm = "linf",
    budget: str = "quick",
    seed: int = FIRST_SEED,
) -> pd.DataFrame:
    """Ask a model what `mri-robust audit` asks it, in memory.

    Args:
        model: takes float32 images in [0, 1], gives logits; left as it was.
        data: a `Dataset`, a `--data` source read at the model's size, a pair (images, labels) of arrays or tensors,
            or a DataLoader of such pairs; of pairs all are test images.
        tests: names of experiments that ask a finished model.
        images: most test images that a test takes.
        epsilons: radii in the norm, pixels in [0, 1]; when None 1, 2, 4, 8 /255 in L-inf, and .125, .25, .5, 1 in L2.
        norm: of the attacks: `linf`, epsilon is the greatest change of a pixel, or `l2`, the norm of the whole change.
        budget: of the worst case: `quick`, for a first answer, or `standard`, with AutoAttack's four attacks.
        seed: of everything drawn.

    Returns:
        The rows, one number a line, with the columns of the CSVs. Its `attrs["findings"]` are those of the sanity
        checks, `attrs["notes"]` how the model's outputs are read and, where patients are known, how intervals are made.

    Raises:
        UserError, ValueError: a test, budget or norm is unknown, an epsilon is out of its range, or the model and the
            data do not fit each other.
    """
    check_choice("budget", budget, tuple(AUDITS))
    dataset = _dataset_of(data, model)
    few = to_unit_range(dataset.test.images[:BATCH]).to(device_of(model))
    model, notes = fit_to_data(model, few, dataset.classes, "given")
    scale = replace(AUDITS[budget].in_norm(norm, radii_in(norm, epsilons)), image_size=dataset.size)
    device = device_of(model).type
    config = Config(scale=scale, images=images, seed=seed, device=device, threads=torch.get_num_threads()).on(dataset)
    config = replace(config, models=(External("model"),))
    rows: list[Row] = []
    results: dict[Any, Result] = {}
    with tempfile.TemporaryDirectory() as folder:  # for the models that a test trains beside it
        trainer = Trainer(ResultsFolder(Path(folder)), dataset, config, opened={"model": model})
        for experiment in with_training(tests_of(tests, everything=False), dataset, everything=False):
            for asked, evaluation in experiment.tasks(config):
                if evaluation not in results:  # tests share the worst case and the checks
                    context = Context(model=model, dataset=dataset, asked=asked, open_model=trainer.get)
                    results[evaluation] = measure(evaluation, context)
                labels = Task(experiment.name, config, asked, evaluation).labels
                rows += [{**labels, **row} for row in results[evaluation]["rows"]]
    table = tidy(rows)
    findings: dict[str, Any] = {}  # the worst case says of all its images what a sanity check says of a few
    for finding in (finding for each in results.values() for finding in each["artefacts"].get("findings", ())):
        findings.setdefault(finding["check"], finding)
    notes += [dataset.intervals] if dataset.intervals else []
    table.attrs |= {"findings": list(findings.values()), "notes": notes}
    return table


def _dataset_of(data: Any, model: nn.Module) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str):
        size = stated(model).get("image_size", DEFAULT_SIZE)
        channels: Any = channels_of(model, size)[0]
        return load_dataset(data, size=size, channels=channels, need_training=False)
    images, labels = (np.asarray(part) for part in labelled_images(data))
    names = stated(model).get("classes") or map(str, range(as_classifier(model, to_unit_range(images[:BATCH]))[1]))
    test = Split(images, labels.astype(np.int64), tuple(f"image-{place:05d}" for place in range(len(labels))))
    train = Split(test.images[:0], test.labels[:0], ())
    return Dataset("given images", train, test, tuple(names), content_digest(images, labels))
