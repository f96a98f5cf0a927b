"""The summary: one sentence per question that the run can answer, with the numbers that it speaks of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from mri_robust.report.content import Report, Section
from mri_robust.report.experiment import by_size_alone, measured
from mri_robust.report.metrics import METRICS, WORST, capitalised, model_title, ordered, percent, plain_text
from mri_robust.study.epsilon import epsilon_text, parts_of_1, usual

MOST = 4  # attacks that one verdict shows
CHOSEN, HALF = "chosen", "0.5"  # thresholds of the snooping detector: its own, and the study's
EPSILON = "ε\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"


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
    """What a decision needs to know of one question."""

    topic: str
    sentence: str
    anchor: str  # this and `place` lead to the table
    place: str
    marks: tuple[Mark, ...] = ()  # the rates that the sentence speaks of
    shift: str = ""  # how much the study's faults changed them, where that can be said
    terms: tuple[tuple[str, str], ...] = ()  # its words that need a meaning, with it
    failed: bool = False  # whether something does not hold


def verdicts(report: Report) -> list[Verdict]:
    """One verdict per question; the cross-check's last, where it was run."""
    kinds = {"backdoor": backdoor, "trigger-detection": detector, "backdoor trigger-detection": pipeline}
    found = list(evasion([each for each in report.sections if "evasion" in each.tests]))
    for threats, judge in kinds.items():
        told = filter(None, (judge(each) for each in report.sections if " ".join(each.tests) == threats))
        found += list(told)[: 1 if judge is detector else None]
    return [*found, *([certified(report.certificate)] if report.certificate else [])]


def terms(told: Iterable[Verdict]) -> list[tuple[str, str]]:
    """(term, meaning) of the words in some verdicts that need one, each once."""
    told = list(told)
    found = [term for verdict in told for term in verdict.terms]
    bounded = any(mark.low is not None for verdict in told for mark in verdict.marks)
    interval = ("Interval in brackets", "where the rate over all such images lies, with 95 % confidence")
    return list(dict.fromkeys([*found, *([interval] if bounded else [])]))


def evasion(sections: list[Section]) -> Iterator[Verdict]:
    """Accuracy at the smallest epsilon and at the usual one, of the first model and the best other; missed tumours."""
    # Of the first experiment that has the worst case, or else has whole epsilons; none where more than these decides.
    sections = [each for each in sections if by_size_alone(each.description) and _sizes(each)]
    sections.sort(key=lambda each: WORST not in set(_rows(each, "accuracy")["attack"]))
    if not sections:
        return
    section = sections[0]
    rows = _rows(section, "accuracy")
    first, *others = ordered(rows["model"], section.description["models"])
    worst, region = WORST in set(rows["attack"]), _worst(rows)["region"].iloc[0]
    under = "in the worst case" if worst else f"under {section.name.upper()}"
    under += "" if region in ("", "all") else f", of the {region} alone,"
    sizes = _sizes(section)
    used = []
    for norm, eps in sizes:
        share = f"no pixel changes by more than {percent(eps)} of the range from black to white"
        length = f"the change of an image whose pixels lie in [0, 1] has an {norm.upper()} norm of at most {eps:.3g}"
        used.append((epsilon_text(eps, norm), share if parts_of_1(norm) > 1 else length))
    used += [("Worst case", "an image counts as right only if no attack of the run fools the model on it")] * worst

    def harm(metric: str, topic: str, beginning: str) -> Iterator[Verdict]:
        marks = _marks(section, metric, first)
        if len(marks) > 1:
            attacked = " and ".join(f"{each} at {EPSILON}{each.label}" for each in marks[1:])
            sentence = f"{beginning.format(model_title(first), marks[0])}; {under} that becomes {attacked}."
            told = [*used, _term(metric)] if metric != "accuracy" else used
            yield _verdict(section, topic, sentence, marks, _moved(section, metric, first), *told)

    topic = f"Accuracy under {'invisible' if parts_of_1(sizes[0][0]) > 1 else 'small'} changes"
    yield from harm("accuracy", topic, "{} is right on {} of clean images")
    found = {model: marks for model in others if (marks := _marks(section, "accuracy", model))}
    if found:
        best, marks = max(found.items(), key=lambda each: each[1][-1].value)
        clean = f", from {marks[0]} on clean ones" if marks[0].label == "clean" else ""
        at = f"{EPSILON}{marks[-1].label}"
        sentence = f"{model_title(best)} keeps most: it is right on {marks[-1]} of images at {at}{clean}."
        yield _verdict(section, "The best defence tried", sentence, marks, _moved(section, "accuracy", best), *used)
    yield from harm("missed_tumour_rate", "Missed tumours", "{} calls {} of tumours healthy without an attack")


def backdoor(section: Section) -> Verdict | None:
    """The most successful backdoor of an experiment, with what it leaves of clean accuracy."""

    def called(model: str, **factors: Any) -> str:
        more = ", ".join(f"{name} {plain_text(value)}" for name, value in factors.items() if value != "")
        return model_title(model) + (f" ({more})" if more else "")

    groups = _groups(section, _rows(section, "asr"), "test", "class")
    found = sorted(((_mark(group, called(**which)), which) for group, which in groups), key=lambda each: -each[0].value)
    if not found:
        return None
    most, which = found[0]
    clean = _rate(section, "accuracy", test="clean", **which)
    beside = f", and is still right on {clean} of clean images" if clean else ""
    sentence = f"With the trigger stamped on, {most.label} calls {most} of tumour images healthy{beside}."
    both = [each for each in section.comparisons if not each.labels["class"] and {"paper", "sound"} <= set(each.ours)]
    shift = _said(
        "The study's protocol never counts this; the accuracy that it prints instead reads {} its way and {} soundly.",
        *(Mark("", both[0].ours[name]["value"]) if both else None for name in ("paper", "sound")),
    )
    return _verdict(section, section.title, sentence, [each for each, _ in found[:MOST]], shift, _term("asr"))


def detector(section: Section) -> Verdict | None:
    """What a snooping detector of the study's tables catches at its own threshold; how often it flags clean images."""
    if section.description["beyond"]:
        return None

    def rates(threshold: str, protocol: str = "sound") -> list[Mark | None]:
        how: dict[str, str] = {"threshold": threshold, "protocol": protocol}
        small = _rate(section, "recall", "small pattern caught", label="pattern", attack="patterns", **how)
        unseen = _rate(section, "recall", "unseen trigger caught", label="pattern", attack="creeper", **how)
        return [small, unseen, _rate(section, "fpr", "false alarms", attack="patterns", **how)]

    small, unseen, false = rates(CHOSEN)
    if not small or not false:
        return None
    trigger = f", {unseen} of those with a trigger that it never saw," if unseen else ""
    caught = f"At its own threshold it flags {small} of images with a small pattern{trigger}"
    sentence = f"{caught} and {false} of clean ones: false alarms."
    ways = "the study's way finds {} caught with {} false alarms, the sound way {} with {}."
    found = [each for name in ("paper", "sound") for each in rates(HALF, name)[::2]]
    shift = _said(f"At the study's threshold of {HALF} {ways}", *found)
    return _verdict(
        section, "What the snooping detector catches", sentence, [small, unseen, false], shift, _term("fpr")
    )


def pipeline(section: Section) -> Verdict | None:
    """How far the detector that stops most takes a backdoor's success down, and what that costs."""

    def guarded(protocol: str) -> tuple[str, Mark, Mark, Mark | None] | None:
        """The first model, its attack success alone and behind the detector that stops most, what that one refers."""
        groups = _groups(section, _rows(section, "asr", protocol=protocol, test="triggered"), "test")
        own = [(_mark(group), which) for group, which in groups if which["model"] == groups[0][1]["model"]]
        if len(own) < 2:
            return None
        behind, which = min(own[1:], key=lambda each: each[0].value)
        referred = _rate(section, "referred", "clean images referred", protocol=protocol, test="clean", **which)
        alone = replace(own[0][0], label="attack success alone")
        return model_title(which["model"]), alone, replace(behind, label="behind the detector"), referred

    sound, paper = guarded("sound"), guarded("paper")
    if not sound:
        return None
    model, alone, behind, referred = sound
    cost = f", while {referred} of clean images go to a doctor" if referred else ""
    kept = "Its faults kept, the study's way takes it from {} to {}, and {} of clean images go to a doctor."
    shift = _said(kept, *(paper[1:] if paper else (None,)))
    sentence = f"The detector takes the attack success on {model} from {alone} to {behind}{cost}."
    words = (_term("asr"), _term("referred"))
    return _verdict(section, "The backdoor behind the detector", sentence, [alone, behind, referred], shift, *words)


def certified(certificate: dict[str, Any]) -> Verdict:
    """What the cross-check says of the attacks, and does not say of the models."""
    passed, verdict = certificate["passed"], capitalised(certificate["verdict"])
    good = "the attacks compute what ART and torchattacks compute, which says nothing of whether the models are safe"
    sentence = f"{verdict}: {good if passed else 'do not rely on what these attacks measured'}."
    return Verdict("What the cross-check certifies", sentence, "certificate", "certificate", failed=not passed)


def _said(words: str, *marks: Mark | None) -> str:
    """The words with the rates; empty where one is missing."""
    return words.format(*(percent(each.value) for each in marks if each)) if all(marks) else ""


def _verdict(
    section: Section, topic: str, sentence: str, marks: list[Any], shift: str, *words: tuple[str, str]
) -> Verdict:
    return Verdict(topic, sentence, section.name, section.reference, tuple(filter(None, marks)), shift, words)


def _term(name: str) -> tuple[str, str]:
    """A metric and what it means."""
    return capitalised(METRICS[name].heading), METRICS[name].meaning


def _rows(section: Section, metric: str, **columns: Any) -> pd.DataFrame:
    """The rows of one metric over all test images, under protocol `sound` unless said; `label` is the class."""
    asked = {"protocol": "sound", "subset": "all", "class": columns.pop("label", ""), "metric": metric, **columns}
    rows = section.rows.reindex(columns=list(dict.fromkeys([*section.rows, *asked])))
    return rows[(rows[list(asked)].astype(str) == [str(value) for value in asked.values()]).all(axis=1)]


def _mark(rows: pd.DataFrame, label: str = "") -> Mark:
    """The number of rows that differ in their seed alone."""
    [record] = measured(rows.assign(one=0), ["one"])
    return Mark(label, record["value"], **{name: record[name] for name in ("low", "high") if pd.notna(record[name])})


def _rate(section: Section, metric: str, name: str = "", **columns: Any) -> Mark | None:
    """A rate, in the first of an experiment's tests that have it."""
    rows = _rows(section, metric, **columns)
    return None if rows.empty else _mark(rows.drop_duplicates("seed"), name)


def _groups(section: Section, rows: pd.DataFrame, *less: str) -> list[tuple[pd.DataFrame, dict[str, Any]]]:
    """The rows of each model and row of the table, with what names it but for the columns `less`."""
    names = ["model", *(name for name in section.description["row_key"] if name not in less)]
    return [(group, dict(zip(names, key, strict=True))) for key, group in rows.groupby(names, sort=False)]


def _worst(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the worst case, or else of every attack; of the first region that was attacked."""
    found = rows[rows["attack"] == WORST] if WORST in set(rows["attack"]) else rows[rows["attack"] != "none"]
    return found[found["region"].isin(found["region"].head(1))]


def _sizes(section: Section) -> list[tuple[str, float]]:
    """(first norm, epsilon) of the strongest attack: the smallest, in L-inf whole 255ths, and the usual one or less."""
    rows = _worst(_rows(section, "accuracy"))
    norm = next(iter(rows["norm"]), "")
    parts, sizes = parts_of_1(norm), set(rows["epsilon"][rows["norm"] == norm]) - {""}
    found = sorted(eps for eps in sizes if eps > 0 and (parts == 1 or abs(parts * eps - round(parts * eps)) < 1e-6))
    if not found:
        return []
    most = max((eps for eps in found if eps <= usual(norm) + 1e-9), default=found[0])
    return [(norm, eps) for eps in sorted({found[0], most})]


def _marks(section: Section, metric: str, model: str) -> list[Mark]:
    """A model's rate on clean images and at the sizes that are told, under the last and strongest attack there."""
    rows = _rows(section, metric, model=model)
    clean = rows[rows["attack"] == "none"]
    found = [] if clean.empty else [_mark(clean, "clean")]
    for norm, eps in _sizes(section):
        at = _worst(rows[(rows["epsilon"] == eps) & (rows["norm"] == norm)])
        found += [_mark(at[at["label"] == at["label"].iloc[-1]], epsilon_text(eps, norm))] if len(at) else []
    return found


def _moved(section: Section, metric: str, model: str) -> str:
    """How far the study's rows, measured its way, lie from the same rows measured soundly."""
    ways = [_rows(section, metric, protocol=name, model=model) for name in ("paper", "sound")]
    paper, sound = (rows[rows["printed"] != ""].groupby("printed", sort=False)["value"].mean() for rows in ways)
    named = ways[1].drop_duplicates("printed").set_index("printed")["label"]
    if (gaps := (paper - sound).dropna()).empty:
        return ""
    most: Any = gaps.abs().idxmax()
    far = f"{100 * abs(gaps.mean()):.1f} points {'down' if gaps.mean() < 0 else 'up'} on average"
    both = f"{percent(paper[most])} its way, {percent(sound[most])} soundly"
    return f"The study's faults move its own rows ({len(gaps)}) {far}, most at {named[most]}: {both}."
