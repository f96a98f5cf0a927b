"""`model-card.md` of a model that a run audited, as the Hugging Face Hub reads it.

Format: https://huggingface.co/docs/hub/model-cards; of the metadata https://github.com/huggingface/hub-docs,
`modelcard.md`.
"""

import json
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import PurePath
from typing import Any

import pandas as pd

from mri_robust.core.errors import one_line
from mri_robust.core.files import write_text
from mri_robust.report.content import Report, Section, meanings
from mri_robust.report.experiment import Record, by_size_alone, experiment_tables, numbers_of
from mri_robust.report.metrics import SEARCH, column_heading
from mri_robust.report.tables import plain_markdown, table_markdown
from mri_robust.report.threat_map import sources, threat_map, threats_of, untested, untested_risks

TAGS = ("image-classification", "medical", "mri", "adversarial-robustness", "mri-robust")
INTERVALS = (
    "Numbers in brackets are 95 % intervals over the test images: they say nothing about other scanners or hospitals. "
    "ε is the size of the attacker's change, for an image whose pixels lie in [0, 1]."
)
LEFT_OUT = (*SEARCH, "same_as_art", "art_difference", "fidelity_gap", "member_images", "other_images")
"""Metrics that speak of the attacks rather than of the model."""
LICENCE = "# license: which licence the model has is yours to say, for example `license: mit`"


def write_cards(report: Report) -> None:
    """Write `model-card.md` of the one model that was audited, or `model-card-<model>.md` of each; none of a bench."""
    for old in report.results.path.glob("model-card*.md"):  # an earlier run's says nothing of this one
        old.unlink()
    names = card_names(report.run["own_models"])
    for model, name in names.items():
        file = "model-card.md" if len(names) == 1 else f"model-card-{name}.md"
        write_text(report.results.path / file, model_card(report, model))


def card_names(models: Sequence[str]) -> dict[str, str]:
    """Model -> what its card calls it: the last part of a path, without what no file name may hold."""
    short = [re.sub(r"[^\w.]+", "-", PurePath(model).name).strip("-.") or "model" for model in models]
    numbered = (f"{name}-{place}" if short.count(name) > 1 else name for place, name in enumerate(short, start=1))
    return dict(zip(models, numbered, strict=True))


def model_card(report: Report, model: str) -> str:
    """The card of one model: metadata, and below them the same tables as in the report, of this model alone."""
    run, data, text, told = report.run, report.data, plain_markdown, _told(report, model)
    asked = "\n".join(f"- {text(section.title)} (`{section.name}`)" for section, _ in told)
    share = f"{data['leaked']} test images ({data['leaked'] / data['test']:.1%})"
    counted = [n for _, rows in told for n in rows["n"][(rows["metric"] == "accuracy") & (rows["subset"] == "all")]]
    drawn = f" Accuracies are over {min(counted)} to {max(counted)} of them." if counted else ""
    parts = [
        f"# {text(_name(report, model))}",
        "What attacks do to this classifier, as `mri-robust audit` found. How it was trained is not said here.",
        f"It was asked:\n\n{asked}",
        "## Data",
        f"{text(data['name'])}, digest {data['digest']}: {data['train']} training and {data['test']} test images of "
        f"{text(', '.join(data['classes']))}. {share} are also in the training split, pixel for pixel.{drawn}",
        *("## Numbers", INTERVALS),
    ]
    tables = [experiment_tables(each.description, rows.assign(model=_name(report, model))) for each, rows in told]
    for (section, _), own in zip(told, tables, strict=True):
        parts += [f"### {text(section.title)}", *map(table_markdown, own)]
    parts += [text(meanings(chain(*tables)))]
    parts += ["## Threats", table_markdown(threat_map(report.sections, model))]
    parts += ["\n".join(f"- {source}: {where}." for source, where in sources())]
    parts += ["## Limits", _limits(report, model)]
    parts += ["## How to repeat it", f"    {one_line(run['command'])}"]
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    parts += [f"Seeds {', '.join(map(str, run['seeds']))}; {text(versions)}; {text(run['machine']['device_name'])}."]
    front = "\n".join(["---", *_yaml(metadata(report, model)), LICENCE, "---"])
    return "\n\n".join([front, *filter(None, parts)]) + "\n"


def metadata(report: Report, model: str) -> dict[str, Any]:
    """The card's metadata, with `model-index`: the model's own rates under attack, and the figures of its threat map.

    Other rates, such as the accuracy of a stolen copy, would be taken for the model's, and those that an attack and its
    size do not name, such as of each format of a file, would be hundreds.
    """
    data, numbers = report.data, list[Record]()
    for section, rows in _told(report, model):
        if "evasion" in section.tests and by_size_alone(section.description):
            rates = rows[(rows["class"] == "") & rows["ci_low"].notna() & rows["region"].isin(["", "all"])]
            numbers += numbers_of(section.description, rates) if len(rates) else []
    numbers += [each for _, found in threats_of(report.sections, model) for each in found]
    metrics: dict[str, dict[str, Any]] = {}  # by name: some figures stand there already
    for each in numbers:
        name = ", ".join([column_heading(each["metric"], each["subset"]), each["place"]])
        metrics[name] = {"type": each["metric"], "value": each["value"], "name": name}
    dataset = {"type": data["name"], "name": data["name"], "split": "test", "revision": data["digest"]}
    result = {"task": {"type": TAGS[0]}, "dataset": dataset, "metrics": list(metrics.values())}
    index = {"name": _name(report, model), "results": [result]}
    return {"pipeline_tag": TAGS[0], "tags": list(TAGS), "model-index": [index]}


def _name(report: Report, model: str) -> str:
    return card_names(report.run["own_models"])[model]


def _told(report: Report, model: str) -> list[tuple[Section, pd.DataFrame]]:
    """The experiments with the rows of the model that a card shows: without each artefact's own and what no reader of
    a card asks; those that several experiments share, such as the worst case's, once."""
    seen, told = set[tuple[Any, ...]](), []
    for section in report.sections:
        rows = section.rows
        rows = rows[(rows["model"] == model) & (rows["severity"] == "") & ~rows["metric"].isin(LEFT_OUT)]
        keys = list(rows[["label", "after", "metric", "subset", "class", "seed", "value"]].itertuples(index=False))
        rows = rows[[tuple(key) not in seen for key in keys]]
        seen |= set(map(tuple, keys))
        told += [(section, rows)] if len(rows) else []
    return told


def _limits(report: Report, model: str) -> str:
    """What the numbers do not say: what was not tested, not run, or not to be believed."""
    risks = untested_risks(report.sections, model)
    lines = [f"Not tested, of the FDA's risks: {', '.join(risks)}."] if risks else []
    lines += [f"Not tested, of {source}: {left}." for source, left in untested(report.sections, model)]
    lines += [f"Not run: {', '.join(report.not_run)}."] if report.not_run else []
    tripped = [each for each in report.run["findings"] if each["model"] == model and each["tripped"]]
    lines += [f"A sanity check warns ({each['check']}): {plain_markdown(each['message'])}." for each in tripped]
    lines += [f"{report.data.get('intervals', 'The images of one patient are counted as independent')}."]
    return "\n".join(f"- {line}" for line in lines)


def _yaml(value: Any, indent: str = "") -> list[str]:
    """Lines of YAML of dicts and lists of them; every text in double quotes, so that it can be nothing else."""
    lines: list[str] = []
    pairs = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    for key, each in pairs:
        head = f"{indent}{key}:" if key is not None else f"{indent}-"
        if isinstance(each, dict | list):
            below = _yaml(each, indent + "  ")
            lines += [head, *below] if key is not None else [f"{head} {below[0].strip()}", *below[1:]]
        else:
            said = one_line(each) if isinstance(each, str) else each
            lines.append(f"{head} {json.dumps(said, ensure_ascii=False)}")
    return lines
