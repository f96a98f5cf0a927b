"""`report.html`: one page that opens offline, made with Jinja; its style sheet and its one script are inlined."""

from __future__ import annotations

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
from mri_robust.report.content import Picture, Report
from mri_robust.report.markdown import report_markdown
from mri_robust.report.metrics import in_255ths, model_title
from mri_robust.report.summary import verdicts

PHOTOGRAPHS = ("sheet",)
"""Figures that show images: embedded as pixels, which a dark page leaves as they are; it turns the others dark."""
LEADING = ("accuracy", "artefacts")
"""Figures that stand before the tables."""
SHOWN_LIVE = ("gallery",)
"""Figures that the page does not repeat, because its script shows the same."""
COLOURS = 96  # of an embedded picture: fewer make a page of a third of the size
LARGEST = 128  # pixels across a picture of the gallery above which every second one is left out, and so on


def write_report(folder: Path) -> Path:
    """Write `report.html`, `report.md` and `figures/` from what a run left in `folder`; returns the page's path.

    Raises:
        UserError: the folder holds no finished run.
    """
    report = Report(folder)
    pictures = report.draw()
    write_text(folder / "report.md", report_markdown(report, pictures))
    write_text(folder / "report.html", render(report, pictures))
    return folder / "report.html"


def render(report: Report, pictures: dict[str, list[Picture]]) -> str:
    """The page. Everything that comes from the run is escaped, also inside the data of the script."""
    templates = files("mri_robust.report") / "templates"
    script, style = ((templates / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    how: Any = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("mri_robust.report"), autoescape=True, **how)
    environment.filters["weighted"] = weighted
    shown = {name: [_drawn(each) for each in own if each.name not in SHOWN_LIVE] for name, own in pictures.items()}
    return environment.get_template("page.html.j2").render(
        report=report,
        run=report.run,
        verdicts=verdicts(report),
        galleries=galleries(report),
        pictures=shown,
        style=Markup(style),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )


def weighted(sentence: str) -> Markup:
    """A sentence, escaped, with its percentages in bold and their intervals in small type."""
    text = re.sub(r"\d+\.\d\s%", r"<b>\g<0></b>", str(escape(sentence)))
    return Markup(re.sub(r"\[[\d., ]+\]", r'<span class="bounds">\g<0></span>', text))


def galleries(report: Report) -> list[dict[str, Any]]:
    """One entry per gallery, for the script: `heading`, `model`, `images`, each with `label`, `name`, `pictures`."""
    found = []
    for labels, strips in report.results.artefacts("gallery", seed=report.run["seeds"][0]):
        images = [
            {"label": each["label"], "name": each["name"], "pictures": list(map(_picture, each["cells"]))}
            for each in strips
        ]
        heading = f"{labels['experiment'].upper()}, {labels['protocol']}"
        found.append({"heading": heading, "model": model_title(labels["model"]), "images": images})
    return found


def _picture(cell: dict[str, Any]) -> dict[str, Any]:
    """`epsilon` in words, `predicted`, [class, share] of each class, `change` in 255ths, `image` as base64 of a PNG."""
    return {
        "epsilon": in_255ths(cell["epsilon"]) if cell["epsilon"] else "clean",
        "predicted": cell["predicted"],
        "probabilities": [[name, round(share, 4)] for name, share in cell["probabilities"].items()],
        "change": round(cell["change"] * 255, 2),
        "image": smaller(cell["image"]),
    }


def smaller(png: str) -> str:
    """A base64 PNG of at most 128 pixels a side: of a larger one whole pixels are left out, none is mixed.

    The pixels that stay keep their values, so that the change between two images stays what it is.
    """
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    step = -(-max(image.size) // LARGEST)
    if step == 1:
        return png
    size, shift = [-(-side // step) for side in image.size], step // 2 - step / 2
    picked = image.transform((size[0], size[1]), Image.Transform.AFFINE, (step, 0, shift, 0, step, shift))
    return _png(picked)


def inline_svg(text: str) -> Markup:
    """matplotlib's SVG as part of a page, with ids only where something refers to them: those name their content."""
    drawing = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', drawing))
    return Markup(re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", drawing))


def _drawn(picture: Picture) -> dict[str, Any]:
    kind = {"photograph": picture.name in PHOTOGRAPHS, "leading": picture.name in LEADING}
    if kind["photograph"]:
        image = Image.open(f"{picture.path}.png").convert("RGB")
        data = _png(image.quantize(COLOURS, dither=Image.Dither.NONE))
        tag = Markup('<img src="data:image/png;base64,{}" alt="{}" width="{}" height="{}">')
        drawing = tag.format(data, picture.caption, *image.size)
    else:
        drawing = inline_svg(Path(f"{picture.path}.svg").read_text(encoding="utf-8"))
    return {"caption": picture.caption, "drawing": drawing, **kind}


def _png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
