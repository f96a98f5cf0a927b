"""The user's own models through the same experiments as the study's."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from mri_robust.bench.trainer import Trainer
from mri_robust.bench.worker import Task, load_data
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of
from mri_robust.core.validation import check_choice, class_count
from mri_robust.data.dataset import Dataset, Split, content_digest, load_dataset
from mri_robust.evaluation.evaluation import Context, measure
from mri_robust.evaluation.robustness import WORST_CASE
from mri_robust.evaluation.rows import Row, tidy
from mri_robust.evaluation.sanity import SanityChecks
from mri_robust.models.checkpoint import check_classes
from mri_robust.models.external import check_logits, is_timm, model_digest, open_model, timm_size
from mri_robust.study.config import FIRST_SEED, Config
from mri_robust.study.experiment import Experiment, Tasks, all_experiments, load_experiment
from mri_robust.study.recipe import External
from mri_robust.study.results_folder import Result, ResultsFolder
from mri_robust.study.scale import AUDITS
from mri_robust.training import to_unit_range

TESTS = ("worst-case", "artefacts")
"""What is asked when no test is named: a first answer."""
IMAGES = 256
DEFAULT_SIZE = 224
FLOOR_TOLERANCE = 1e-9
"""Of an epsilon, which a floor may name in decimal or as a fraction."""


class Opened(NamedTuple):
    """The user's models and the data, opened and fitted to each other."""

    modules: dict[str, nn.Module]  # source -> the model, in eval mode on its device
    config: Config  # of the run; names the models and what they compute
    dataset: Dataset  # at their size


def tests_of(names: Sequence[str], *, everything: bool) -> list[Experiment]:
    """The experiments that ask a finished model, with sanity checks: those named, the first answer's, or all of them.

    UserError where a name is unknown, or its experiment trains its own models.
    """
    finished = [each for each in all_experiments(beyond=True) if each.finished]
    chosen = {each.name: each for each in (finished if everything else map(load_experiment, names or TESTS))}
    for name, experiment in chosen.items():
        if not experiment.finished:
            known = ", ".join(each.name for each in finished)
            raise UserError(f"'{name}' trains its own models, so audit cannot ask yours; it asks: {known}")
    return list(map(_with_checks, chosen.values()))


def _with_checks(experiment: Experiment) -> Experiment:
    def tasks(config: Config) -> Tasks:
        found = experiment.tasks(config)
        checks: Tasks = [(model, SanityChecks(seed=config.seed)) for model in config.models]
        return [*found, *(each for each in checks if each not in found)]

    return replace(experiment, tasks=tasks)


def open_models(
    sources: Sequence[str],
    config: Config,
    *,
    weights: Path | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    size: int | None = None,
) -> Opened:
    """Open models and data, and check that they fit each other.

    `sources` and the options are those of `open_model`; the data are read at `size` in pixels, or at the size that a
    model states, and in the channels that it states where the configuration names none. UserError where a model or the
    data cannot be used, or they do not fit each other.
    """
    torch.set_num_threads(config.threads)  # which may decide the last digit of what names a model
    how: dict[str, Any] = {"weights": weights, "mean": mean, "std": std}
    modules = {source: open_model(source, **how) for source in sources if not is_timm(source)}
    stated = next((model for model in modules.values() if hasattr(model, "image_size")), None)
    size = size or getattr(stated, "image_size", None)
    size = size or next((timm_size(source) for source in sources if is_timm(source)), DEFAULT_SIZE)
    channels = config.channels or getattr(stated, "channels", None) or "rgb"
    config = replace(config, channels=channels, scale=replace(config.scale, image_size=size))
    dataset = load_data(config)
    how |= {"classes": dataset.classes, "image_size": dataset.size, "channels": dataset.channels}
    modules |= {source: open_model(source, **how) for source in sources if is_timm(source)}
    few = to_unit_range(dataset.test.images[:2]).to(config.device)
    file, models = str(weights.absolute()) if weights else "", []
    for source in sources:
        model = modules[source].to(config.device)
        check_classes(model, dataset.classes, source)
        check_logits(model, few, dataset.classes, source)
        label = weights.name if weights else "random" if is_timm(source) else ""
        digest = model_digest(model, dataset.test.images.shape[1:])
        models.append(External(source, digest, label, file, mean, std))
    return Opened(modules, replace(config, models=tuple(models)), dataset)


def check_floors(floors: Sequence[tuple[float, float]], tests: Sequence[Experiment], epsilons: Sequence[float]) -> None:
    """Check that the worst case is asked at the epsilon of each floor, which may be 0; UserError where it is not."""
    if floors and not any(each.name == WORST_CASE for each in tests):
        raise UserError("--fail-under is about the worst case: name the test worst-case too")
    for eps, _ in floors:
        if not any(abs(eps - asked) < FLOOR_TOLERANCE for asked in (0, *epsilons)):
            raise UserError(f"--fail-under names epsilon {eps:g}, which is not among those of --eps")


def broken_floors(worst: pd.DataFrame, floors: Sequence[tuple[float, float]]) -> list[str]:
    """Which models stay under which floors, (epsilon in pixels, least accuracy), in one line each.

    `worst` is the table of the worst case, which `check_floors` has found to have these epsilons.
    """
    final = worst[(worst["metric"] == "accuracy") & (worst["subset"] == "all")]
    final = final.drop_duplicates(["model", "seed", "epsilon"], keep="last")
    return [
        f"{row['model']}: worst-case accuracy {row['value']:.3f} at epsilon {255 * eps:.4g}/255 is under {least:g}"
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
    epsilons: Sequence[float] = AUDITS["quick"].epsilons,
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
        epsilons: L-inf radii in pixels.
        budget: of the worst case: `quick`, for a first answer, or `standard`, with Square and targeted APGD.
        seed: of everything drawn.

    Returns:
        The rows, one number a line, with the columns of the CSVs. Its `attrs["findings"]` are those of the sanity
        checks.

    Raises:
        UserError, ValueError: a test or budget is unknown, or the model and the data do not fit each other.
    """
    check_choice("budget", budget, tuple(AUDITS))
    dataset = _dataset_of(data, model)
    scale = replace(AUDITS[budget], image_size=dataset.size, epsilons=tuple(sorted(epsilons)))
    device = device_of(model).type
    config = Config(scale=scale, images=images, seed=seed, device=device, threads=torch.get_num_threads()).on(dataset)
    config = replace(config, models=(External("model"),))
    rows: list[Row] = []
    results: dict[Any, Result] = {}
    with tempfile.TemporaryDirectory() as folder:  # for the models that a test trains beside it
        trainer = Trainer(ResultsFolder(Path(folder)), dataset, config, opened={"model": model})
        for experiment in tests_of(tests, everything=False):
            for asked, evaluation in experiment.tasks(config):
                if evaluation not in results:  # tests share the worst case and the checks
                    context = Context(model=model, dataset=dataset, asked=asked, open_model=trainer.get)
                    results[evaluation] = measure(evaluation, context)
                labels = Task(experiment.name, config, asked, evaluation).labels
                rows += [{**labels, **row} for row in results[evaluation]["rows"]]
    table, left = tidy(rows), [result["artefacts"] for result in results.values()]
    table.attrs["findings"] = [finding for each in left for finding in each.get("findings", ())]
    return table


def _dataset_of(data: Any, model: nn.Module) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str):
        size = getattr(model, "image_size", DEFAULT_SIZE)
        return load_dataset(data, size=size, channels=getattr(model, "channels", "rgb"))
    if not isinstance(data, tuple):
        batches = list(data)
        data = tuple(torch.cat([torch.as_tensor(batch[part]) for batch in batches]) for part in (0, 1))
    images, labels = (np.asarray(torch.as_tensor(part).cpu()) for part in data)
    names = getattr(model, "classes", None)
    names = names or map(str, range(class_count(model, to_unit_range(torch.as_tensor(images[:1])))))
    files = tuple(f"image-{place:05d}" for place in range(len(labels)))
    test = Split(images, labels.astype(np.int64), files)
    train = Split(test.images[:0], test.labels[:0], ())
    return Dataset("given images", train, test, tuple(names), content_digest(images, labels))
