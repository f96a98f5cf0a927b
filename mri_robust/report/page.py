"""`report.html`, one page that opens offline, with its style sheet and its one script inlined; and `report.md`."""

import base64
import hashlib
import io
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from mri_robust.core.files import write_text
from mri_robust.report.content import Report
from mri_robust.report.figures import Drawing, write_figures
from mri_robust.report.metrics import model_title
from mri_robust.report.model_card import write_cards
from mri_robust.report.summary import terms, verdicts
from mri_robust.report.tables import plain_markdown, table_markdown
from mri_robust.report.threat_map import sources, threat_map, untested
from mri_robust.study.epsilon import epsilon_text, parts_of_1, usual

LEADING, SHOWN_LIVE = ("accuracy", "artefacts"), ("gallery",)
"""Figures that stand before the tables, and those that the page does not repeat, because its script shows the same."""
WIDE = 600  # CSS pixels, 450 pt: a wider figure has a row of the page to itself, so that its text stays readable
COLOURS = 96  # of an embedded picture: fewer make a page of a third of the size
CLEAN = {"epsilon": "clean", "tick": "clean"}
LARGEST = 128  # pixels across a picture of the gallery above which every second one is left out, and so on


def write_report(folder: Path) -> Path:
    """Write `report.html`, `report.md`, `figures/` and of the user's own models `model-card.md`, of a finished run in
    `folder`: the page. UserError where it is not finished, or a file of it is damaged."""
    report = Report(folder)
    figures = {}
    for each in report.sections:
        figures[each.name] = write_figures(report.results, each.description, each.rows["protocol"].unique())
    write_text(folder / "report.md", report_markdown(report, figures))
    write_text(folder / "report.html", render(report, figures))
    write_cards(report)
    return folder / "report.html"


def render(report: Report, figures: dict[str, list[Drawing]]) -> str:
    """The page. Everything that comes from the run is escaped, also inside the data of the script."""
    templates = files("mri_robust.report") / "templates"
    script, style = ((templates / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    how: Any = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("mri_robust.report"), autoescape=True, **how)
    environment.filters["weighted"] = weighted
    pictures = {name: [_embedded(each) for each in own if each.name not in SHOWN_LIVE] for name, own in figures.items()}
    told = verdicts(report)
    threats = {"map": threat_map(report.sections), "untested": untested(report.sections), "sources": sources()}
    facts: Any = {"report": report, "run": report.run, "verdicts": told, "terms": terms(told), "threats": threats}
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    inlined = {"style": Markup(style), "script": Markup(script), "script_digest": digest, "pictures": pictures}
    return environment.get_template("page.html.j2").render(galleries=galleries(report), **facts, **inlined)


def weighted(sentence: str) -> Markup:
    """A sentence, escaped, with its percentages in bold and their intervals in small type."""
    text = re.sub(r"\d+\.\d\s%", r"<b>\g<0></b>", str(escape(sentence)))
    return Markup(re.sub(r"\[[\d., ]+\]", r'<span class="bounds">\g<0></span>', text))


def galleries(report: Report) -> list[dict[str, Any]]:
    """One entry per gallery, for the script; `usual` is the place of the picture that paper shows.

    A picture has `epsilon` in words, `tick`, its number alone, `probabilities` as [class, share], `change` in 255ths,
    and `image` as base64 of a PNG.
    """

    def picture(cell: dict[str, Any]) -> dict[str, Any]:
        shares = [[name, round(share, 4)] for name, share in cell["probabilities"].items()]
        eps, norm, change = cell["epsilon"], cell["norm"], round(cell["change"] * 255, 2)
        size = {"epsilon": epsilon_text(eps, norm), "tick": f"{parts_of_1(norm) * eps:.3g}"} if eps else CLEAN
        facts = {"predicted": cell["predicted"], "probabilities": shares, "change": change}
        return {**size, **facts, "image": smaller(cell["image"])}

    found = []
    for labels, strips in report.results.artefacts("gallery", seed=report.run["seeds"][0]):
        images = [
            {"label": own["label"], "name": own["name"], "pictures": [*map(picture, own["cells"])]} for own in strips
        ]
        heading, cells = f"{labels['experiment'].upper()}, {labels['protocol']}", strips[0]["cells"]
        norm = cells[-1]["norm"]
        nearest = min(range(len(cells)), key=lambda place: abs(cells[place]["epsilon"] - usual(norm)))
        about = {"unit": "/255" if parts_of_1(norm) > 1 else norm.upper(), "usual": nearest}
        found.append({"heading": heading, "model": model_title(labels["model"]), **about, "images": images})
    return found


def smaller(png: str) -> str:
    """A base64 PNG of at most 128 pixels a side: of a larger one whole pixels are left out, and the change stays."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    step = -(-max(image.size) // LARGEST)
    if step == 1:
        return png
    return _png(image.resize((-(-image.width // step), -(-image.height // step)), Image.Resampling.NEAREST))


def inline_svg(text: str) -> Markup:
    """matplotlib's SVG as part of a page, with ids only where something refers to them: those name their content."""
    drawing = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', drawing))
    return Markup(re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", drawing))


def _embedded(figure: Drawing) -> dict[str, Any]:
    """What the template shows of a figure. Photographs are pixels, which a dark page leaves as they are."""
    if figure.photograph:
        image = Image.open(f"{figure.path}.png").convert("RGB")
        data, width = _png(image.quantize(COLOURS, dither=Image.Dither.NONE)), float(image.width)
        tag = Markup('<img src="data:image/png;base64,{}" alt="{}" width="{}" height="{}">')
        drawing = tag.format(data, figure.caption, *image.size)
    else:
        drawing = inline_svg(Path(f"{figure.path}.svg").read_text(encoding="utf-8"))
        width = float(re.findall(r'^<svg [^>]*\bwidth="([\d.]+)pt"', drawing)[0]) * 96 / 72
    about = {"photograph": figure.photograph, "leading": figure.name in LEADING, "wide": width > WIDE}
    return {"caption": figure.caption, "drawing": drawing, **about}


def _png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def report_markdown(report: Report, figures: dict[str, list[Drawing]]) -> str:
    """`report.md`: the same parts as the page, as text, with links to its figures."""
    run, data, told, text = report.run, report.data, verdicts(report), plain_markdown
    parts = [
        "# Adversarial robustness report",
        f"Data {text(data['name'])} ({data['train']} training, {data['test']} test images), scale {run['scale']}, "
        f"protocols {', '.join(run['protocols'])}, seeds {', '.join(map(str, run['seeds']))}.",
        *(f"**Warning:** {text(warning)}." for warning in report.warnings),
        *([f"**Not run:** {', '.join(report.not_run)}."] if report.not_run else []),
        *("## Summary", "\n".join(f"- {text(verdict.sentence)}" for verdict in told)),
        "\n".join(f"- {text(term)}: {meaning}." for term, meaning in terms(told)),
        *(("## How close to the study", table_markdown(report.closeness)) if report.closeness else ()),
    ]
    for section in report.sections:
        parts += [f"## {text(section.title)} ({text(section.reference)})", *map(table_markdown, section.tables)]
        parts += map(text, section.notes)
        parts += [f"![{each.caption}](figures/{each.path.name}.png)" for each in figures[section.name]]
        faults = "\n".join(f"- `{name}`: {meaning}" for name, meaning in section.faults.items())
        parts += [f"What separates the protocols:\n\n{faults}"] if faults else []
    parts += ["## Threat map", table_markdown(threat_map(report.sections))]
    parts += [f"Not tested in this run of {source}: {left}." for source, left in untested(report.sections)]
    parts += ["\n".join(f"- {source}: {where}." for source, where in sources())]
    parts += ["## Sanity checks", table_markdown(report.sanity)] if report.sanity else []
    if report.certificate and report.certified:
        parts += ["## Cross-check", f"{report.certificate['verdict']}.", table_markdown(report.certified)]
    parts += ["## Provenance", "\n".join(f"- {name}: {text('; '.join(lines))}" for name, lines in report.provenance)]
    return "\n\n".join(filter(None, parts)) + "\n"
