"""The summary: one sentence per question that the run can answer, with the numbers that it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mri_robust.report.content import Report, Section
from mri_robust.report.experiment import USUAL, measured, ordered, plain_text
from mri_robust.report.metrics import in_255ths, model_title, percent

MOST = 4
"""Most attacks that one verdict shows."""
WORST = "worst-case"
CHOSEN, HALF = "chosen", "0.5"
"""Thresholds of the snooping detector: its own, and the study's."""
UNBROKEN = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Mark:
    """A rate on a scale from 0 to 1, with its 95 % interval where it has one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """`89.7 % [85.4, 92.8]`."""
        bounds = "" if self.low is None or self.high is None else f" [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return percent(self.value) + bounds


@dataclass(frozen=True)
class Verdict:
    """What a decision needs to know of one question.

    Attributes:
        topic: a few words.
        sentence: the numbers and their intervals, in words.
        anchor, place: the section of the page that has the table, and what it is called.
        marks: the rates that the sentence speaks of.
        shift: how much the study's faults changed the number; empty where that cannot be said.
        failed: the sentence says that something does not hold.
    """

    topic: str
    sentence: str
    anchor: str
    place: str
    marks: tuple[Mark, ...] = ()
    shift: str = ""
    failed: bool = False


def verdicts(report: Report) -> list[Verdict]:
    """One verdict per question, the cross-check's last."""
    return [
        *evasion(report),
        *(verdict for each in report.sections if each.threats == ["backdoor"] for verdict in backdoor(each)),
        *[verdict for each in report.sections if each.threats == ["trigger-detection"] for verdict in detector(each)][
            :1
        ],
        *(v for each in report.sections if each.threats == ["backdoor", "trigger-detection"] for v in pipeline(each)),
        certified(report.certificate),
    ]


def mark(rows: pd.DataFrame, label: str = "") -> Mark | None:
    """The number of rows that differ in their seed alone; None where there is none."""
    if rows.empty:
        return None
    [record] = measured(rows.assign(one=0), ["one"])
    low, high = (None if pd.isna(record[name]) else float(record[name]) for name in ("low", "high"))
    return Mark(label, float(record["value"]), low, high)


def evasion(report: Report) -> Iterator[Verdict]:
    """Accuracy at the smallest epsilon and at 4/255, of the first model and of the best other; tumours missed.

    Read off the first experiment that has the worst case, or else has whole epsilons, under protocol `sound`.
    """
    found = [each for each in report.sections if "evasion" in each.threats and len(_sizes(each))]
    found.sort(key=lambda each: WORST not in set(each.select("accuracy")["attack"]))
    if not found:
        return
    section = found[0]
    first, *others = ordered(section.select("accuracy")["model"], section.description)
    beginnings = {
        "accuracy": ("Accuracy under invisible changes", "{} is right on {} of clean images"),
        "missed_tumour_rate": ("Missed tumours", "{} calls {} of tumours healthy without an attack"),
    }
    worst = WORST in set(section.select("accuracy")["attack"])
    under = "in the worst case" if worst else f"under {section.name.upper()}"
    told = {}
    for metric, (topic, beginning) in beginnings.items():
        marks = _marks(section, metric, first)
        if len(marks) > 1:
            attacked = " and ".join(f"{each} at ε{UNBROKEN}={UNBROKEN}{each.label}" for each in marks[1:])
            sentence = f"{beginning.format(model_title(first), marks[0])}; {under} that becomes {attacked}."
            told[metric] = _verdict(section, topic, sentence, marks, _moved(section, metric, first))
    best = max(others, key=lambda model: _marks(section, "accuracy", model)[-1].value, default=None)
    if "accuracy" in told:
        yield told["accuracy"]
    if best is not None:
        marks = _marks(section, "accuracy", best)
        clean = f", from {marks[0]} on clean ones" if marks[0].label == "clean" else ""
        sentence = f"{model_title(best)} keeps most: it is right on {marks[-1]} of images at ε{UNBROKEN}={UNBROKEN}{marks[-1].label}{clean}."
        yield _verdict(section, "The best defence tried", sentence, marks, _moved(section, "accuracy", best))
    if "missed_tumour_rate" in told:
        yield told["missed_tumour_rate"]


def backdoor(section: Section) -> Iterator[Verdict]:
    """The most successful backdoor of an experiment, with what it leaves of clean accuracy."""
    rows, names = (
        section.select("asr"),
        ["model", *(name for name in section.description["row_key"] if name not in ("test", "class"))],
    )
    found = []
    for key, group in rows.groupby(names, sort=False):
        more = ", ".join(
            f"{name} {plain_text(value)}" for name, value in zip(names[1:], key[1:], strict=True) if value != ""
        )
        label = model_title(key[0]) + (f" ({more})" if more else "")
        found.append((mark(group, label), dict(zip(names, key, strict=True))))
    if not found:
        return
    found.sort(key=lambda each: -each[0].value)  # type: ignore[union-attr]
    most, which = found[0]
    clean = mark(section.select("accuracy", test="clean", **which))
    beside = f", and is still right on {clean} of clean images" if clean else ""
    sentence = f"With the trigger stamped on, {most.label} calls {most} of tumour images healthy{beside}."  # type: ignore[union-attr]
    shift = next(
        (
            "The study's protocol never counts this; the accuracy that it prints instead reads "
            f"{percent(each.ours['paper']['value'])} its way and {percent(each.ours['sound']['value'])} soundly."
            for each in section.comparisons
            if not each.labels["class"] and {"paper", "sound"} <= set(each.ours)
        ),
        "",
    )
    yield _verdict(section, section.title, sentence, [each for each, _ in found[:MOST]], shift)


def detector(section: Section) -> Iterator[Verdict]:
    """What a snooping detector catches at its own threshold, and how often it cries wolf."""

    def caught(attack: str, threshold: str, label: str, protocol: str = "sound") -> Mark | None:
        return mark(section.select("recall", protocol, label="pattern", attack=attack, threshold=threshold), label)

    def alarms(threshold: str, protocol: str = "sound") -> Mark | None:
        return mark(section.select("fpr", protocol, attack="patterns", threshold=threshold), "false alarms")

    small, false = caught("patterns", CHOSEN, "small pattern caught"), alarms(CHOSEN)
    unseen = caught("creeper", CHOSEN, "unseen trigger caught")
    if not small or not false:
        return
    trigger = f", {unseen} of those with a trigger that it never saw," if unseen else ""
    halves = [
        found for name in ("paper", "sound") for found in (caught("patterns", HALF, "", name), alarms(HALF, name))
    ]
    shares = [percent(each.value) for each in halves if each]
    shift = (
        (
            "At the study's threshold of {} the study's way finds {} caught with {} false alarms, the sound way {} with {}."
        ).format(HALF, *shares)
        if len(shares) == 4
        else ""
    )
    yield _verdict(
        section,
        "What the snooping detector catches",
        f"At its own threshold it flags {small} of images with a small pattern{trigger} and {false} of clean ones, which "
        "are false alarms.",
        [small, *([unseen] if unseen else []), false],
        shift,
    )


def pipeline(section: Section) -> Iterator[Verdict]:
    """How far the detector that stops most takes a backdoor's success down, and what that costs."""
    sound, paper = (_guarded(section, protocol) for protocol in ("sound", "paper"))
    if not sound:
        return
    model, alone, behind, referred = sound
    cost = f", while {referred} of clean images go to a doctor" if referred else ""
    shift = ""
    if paper and paper[3]:
        shift = (
            f"Its faults kept, the study's way takes it from {percent(paper[1].value)} to {percent(paper[2].value)}, and "
            f"{percent(paper[3].value)} of clean images go to a doctor."
        )
    sentence = f"The detector takes the attack success on {model_title(model)} from {alone} to {behind}{cost}."
    marks = [alone, behind, *([referred] if referred else [])]
    yield _verdict(section, "The backdoor behind the detector", sentence, marks, shift)


def certified(certificate: dict[str, Any]) -> Verdict:
    """What the cross-check says of the attacks, and does not say of the models."""
    passed, verdict = certificate["passed"], certificate["verdict"]
    consequence = (
        "the attacks compute what ART and torchattacks compute, which says nothing of whether the models are safe"
        if passed
        else "do not rely on what these attacks measured"
    )
    sentence = f"{verdict[:1].upper()}{verdict[1:]}: {consequence}."
    return Verdict("What the cross-check certifies", sentence, "certificate", "certificate", failed=not passed)


def _verdict(section: Section, topic: str, sentence: str, marks: list[Any], shift: str = "") -> Verdict:
    return Verdict(topic, sentence, section.name, section.reference, tuple(marks), shift)


def _sizes(section: Section) -> list[float]:
    """The smallest whole epsilon in 255ths of the strongest attack, and 4/255 or the largest below it."""
    rows = section.select("accuracy")
    worst = rows[rows["attack"] == WORST]
    rows = worst if len(worst) else rows[rows["attack"] != "none"]
    found = sorted(eps for eps in set(rows["epsilon"]) - {""} if eps > 0 and abs(eps * 255 - round(eps * 255)) < 1e-6)
    return sorted({found[0], max((eps for eps in found if eps <= USUAL + 1e-9), default=found[0])}) if found else []


def _marks(section: Section, metric: str, model: str) -> list[Mark]:
    """A model's rate on clean images and at the sizes that are told, under the last and strongest attack there."""
    rows = section.select(metric, model=model)
    found = [mark(rows[rows["attack"] == "none"], "clean")]
    for eps in _sizes(section):
        at = rows[(rows["epsilon"] == eps) & (rows["attack"] != "none")]
        worst = at[at["attack"] == WORST]
        at = worst if len(worst) else at
        found.append(mark(at[at["label"] == at["label"].iloc[-1]] if len(at) else at, in_255ths(eps)))
    return [each for each in found if each]


def _moved(section: Section, metric: str, model: str) -> str:
    """How far the study's rows, measured its way, lie from the same rows measured soundly."""
    paper, sound = (section.select(metric, protocol, model=model) for protocol in ("paper", "sound"))
    both = pd.merge(
        *(rows.groupby("printed", sort=False)["value"].mean().drop("", errors="ignore") for rows in (paper, sound)),
        on="printed",
    )
    if both.empty:
        return ""
    gaps = both["value_x"] - both["value_y"]
    most, mean = gaps.abs().idxmax(), gaps.mean()
    return (
        f"The study's faults move its own rows ({len(gaps)}) {100 * abs(mean):.1f} points {'down' if mean < 0 else 'up'} on "
        f"average, most at {most}: {percent(both['value_x'][most])} its way, {percent(both['value_y'][most])} soundly."
    )


def _guarded(section: Section, protocol: str) -> tuple[str, Mark, Mark, Mark | None] | None:
    """The first model, its attack success alone and behind the detector that stops most, and what that one refers."""
    rows = section.select("asr", protocol, test="triggered")
    if rows.empty:
        return None
    rows = rows[rows["model"] == rows["model"].iloc[0]]
    names = [name for name in section.description["row_key"] if name != "test"]
    found = [(mark(group), dict(zip(names, key, strict=True))) for key, group in rows.groupby(names, sort=False)]
    if len(found) < 2:
        return None
    behind, which = min(found[1:], key=lambda each: each[0].value)  # type: ignore[union-attr]
    model = str(rows["model"].iloc[0])
    referred = mark(section.select("referred", protocol, model=model, test="clean", **which), "clean images referred")
    alone = Mark("attack success alone", *_bounds(found[0][0]))
    return model, alone, Mark("behind the detector", *_bounds(behind)), referred


def _bounds(found: Any) -> tuple[float, float | None, float | None]:
    return found.value, found.low, found.high
