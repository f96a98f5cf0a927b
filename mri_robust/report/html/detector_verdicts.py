"""What the snooping detector catches, and what a backdoor still does behind it."""

from __future__ import annotations

from dataclasses import dataclass

from mri_robust.report.entry import Entry
from mri_robust.report.html.rows import entries_by, entry_at, of_threats, rows_of
from mri_robust.report.html.verdict import Mark, Verdict, percent, percent_text
from mri_robust.report.layout import title
from mri_robust.report.results import Results
from mri_robust.study.experiment import Experiment
from mri_robust.study.snooping import CHOSEN, HALF


def snooping_verdicts(results: Results) -> list[Verdict]:
    """What the first detector that was run catches at its own threshold, and how often it cries wolf."""
    for experiment in of_threats(results, "trigger-detection"):
        rows, where = rows_of(results, experiment), f"threshold={CHOSEN}"
        caught = entry_at(rows, "recall", label="pattern", attack="patterns", within=where)
        unseen = entry_at(rows, "recall", label="pattern", attack="creeper", within=where)
        alarms = entry_at(rows, "fpr", attack="patterns", within=where)
        if caught and alarms:
            trigger = f", {percent_text(unseen)} of those with a trigger that it never saw," if unseen else ""
            marks = [Mark("small pattern caught", caught), Mark("false alarms", alarms)]
            marks[1:1] = [Mark("unseen trigger caught", unseen)] if unseen else []
            return [
                Verdict(
                    "What the snooping detector catches",
                    f"At its own threshold it flags {percent_text(caught)} of images with a small pattern{trigger} and "
                    f"{percent_text(alarms)} of clean ones, which are false alarms.",
                    experiment.name,
                    experiment.reference,
                    tuple(marks),
                    _at_half(results, experiment),
                )
            ]
    return []


def _at_half(results: Results, experiment: Experiment) -> str:
    """Recall and false alarms at the study's threshold, under both protocols."""
    shares = []
    for protocol in ("paper", "sound"):
        rows, where = rows_of(results, experiment, protocol), f"threshold={HALF}"
        caught = entry_at(rows, "recall", label="pattern", attack="patterns", within=where)
        alarms = entry_at(rows, "fpr", attack="patterns", within=where)
        if not caught or not alarms:
            return ""
        shares += [percent(caught.value), percent(alarms.value)]
    return (
        "At the study's threshold of {} the study's way finds {} caught with {} false alarms, the sound way {} with {}."
    ).format(HALF, *shares)


@dataclass(frozen=True)
class Guarded:
    """A backdoored model's attack success alone and behind the detector that stops most, and what that refers."""

    model: str
    alone: Entry
    behind: Entry
    referred: Entry | None


def pipeline_verdicts(results: Results) -> list[Verdict]:
    """How far the detector that stops most takes a backdoor's success down, and what that costs."""
    return [
        verdict
        for experiment in of_threats(results, "backdoor", "trigger-detection")
        if (verdict := _behind(results, experiment))
    ]


def _behind(results: Results, experiment: Experiment) -> Verdict | None:
    sound, paper = (_guarded(results, experiment, protocol) for protocol in ("sound", "paper"))
    if not sound:
        return None
    cost = f", while {percent_text(sound.referred)} of clean images go to a doctor" if sound.referred else ""
    marks = [Mark("attack success alone", sound.alone), Mark("behind the detector", sound.behind)]
    marks += [Mark("clean images referred", sound.referred)] if sound.referred else []
    shift = ""
    if paper and paper.referred:
        shift = (
            f"Its faults kept, the study's way takes it from {percent(paper.alone.value)} to "
            f"{percent(paper.behind.value)}, and {percent(paper.referred.value)} of clean images go to a doctor."
        )
    return Verdict(
        "The backdoor behind the detector",
        f"The detector takes the attack success on {title(sound.model)} from {percent_text(sound.alone)} to "
        f"{percent_text(sound.behind)}{cost}.",
        experiment.name,
        experiment.reference,
        tuple(marks),
        shift,
    )


def _guarded(results: Results, experiment: Experiment, protocol: str) -> Guarded | None:
    """Of the first model, whose first row is without a detector."""
    rows = rows_of(results, experiment, protocol)
    found = {key: entry for key, entry in entries_by(rows, "asr").items() if "test=triggered" in key[1]}
    first = [key for key in found if key[0] == next(iter(found))[0]]
    if len(first) < 2:
        return None
    model, condition = min(first[1:], key=lambda key: found[key].value)
    referred = entry_at(rows, "referred", model=model, condition=condition.replace("triggered", "clean"))
    return Guarded(model, found[first[0]], found[model, condition], referred)
