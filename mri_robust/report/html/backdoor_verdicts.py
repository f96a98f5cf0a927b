"""What a backdoor does to a classifier."""

from __future__ import annotations

from mri_robust.report.conditions import in_words, without
from mri_robust.report.html.rows import entries_by, entry_at, of_threats, rows_of
from mri_robust.report.html.verdict import Mark, Verdict, percent, percent_text
from mri_robust.report.layout import title
from mri_robust.report.results import Results
from mri_robust.report.side_by_side import compare
from mri_robust.study.experiment import Experiment

MOST = 4
"""Most attacks that one verdict shows."""


def backdoor_verdicts(results: Results) -> list[Verdict]:
    """The most successful backdoor of each experiment that has any, with what it leaves of clean accuracy."""
    return [verdict for each in of_threats(results, "backdoor") if (verdict := _verdict(results, each))]


def _verdict(results: Results, experiment: Experiment) -> Verdict | None:
    rows = rows_of(results, experiment)
    found = entries_by(rows, "asr")
    if not found:
        return None
    ranked = sorted(found, key=lambda key: -found[key].value)
    model, condition = ranked[0]
    clean = entry_at(rows, "accuracy", model=model, condition=condition.replace("triggered", "clean"))
    success = percent_text(found[model, condition])
    beside = f", and is still right on {percent_text(clean)} of clean images" if clean else ""
    attacked = _attack_name(model, condition)
    return Verdict(
        experiment.title,
        f"With the trigger stamped on, {attacked} calls {success} of tumour images healthy{beside}.",
        experiment.name,
        experiment.reference,
        tuple(Mark(_attack_name(*key), found[key]) for key in ranked[:MOST]),
        _not_counted(results, experiment),
    )


def _attack_name(model: str, condition: str) -> str:
    words = in_words(without(condition, "test", "printed"))
    return f"{title(model)} ({words})" if words else title(model)


def _not_counted(results: Results, experiment: Experiment) -> str:
    """The study never counts attack success; what it prints instead, under both protocols."""
    for each in compare(results.tables[experiment.name]):
        if each.metric == "accuracy" and not each.label and each.paper and each.sound:
            return (
                "The study's protocol never counts this; the accuracy that it prints instead reads "
                f"{percent(each.paper.value)} its way and {percent(each.sound.value)} soundly."
            )
    return ""
