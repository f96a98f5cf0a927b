"""A run made by hand for the tests of `report.html`: every number of it can be found again on the page."""

from __future__ import annotations

from report_folder import cell, made, png, row

from mri_robust.report.html.page import write_page

NASTY = "<img src=x onerror=alert(1)>"
BREAKING = "</script>\u2028&"
CLEAN = [[100] * 4 for _ in range(4)]


def shifted(*changes):
    """The clean image with (row, column, change) added."""
    pixels = [list(line) for line in CLEAN]
    for down, along, change in changes:
        pixels[down][along] += change
    return png(pixels)


def picture(epsilon, image, change, **shares):
    predicted = max(shares, key=shares.get)
    return {
        "epsilon": epsilon / 255,
        "predicted": predicted,
        "probability": shares[predicted],
        "probabilities": shares,
        "change": change / 255,
        "image": image,
    }


def gallery_image(label="glioma", name="first.png"):
    return {
        "label": label,
        "name": name,
        "pictures": [
            picture(0, png(CLEAN), 0, glioma=0.97, notumor=0.03),
            picture(1, shifted((0, 0, 1)), 1, glioma=0.6, notumor=0.4),
            picture(2, shifted((0, 0, 2), (1, 1, -1)), 2, glioma=0.25, notumor=0.75),
        ],
    }


def old_gallery():
    """A gallery's result from before it held several images."""
    pictures = [
        {key: value for key, value in each.items() if key != "probabilities"} for each in gallery_image()["pictures"]
    ]
    return {"label": "glioma", "name": "old.png", "pictures": pictures}


def evasion_rows():
    """CNN_clean and CNN_PGD: clean, a row of the study, and the worst case at 1/255, 2/255 and 4/255."""
    measured = {
        "cnn_clean": {"clean": 0.9, "study": 0.7, 1: 0.5, 2: 0.3, 4: 0.1},
        "cnn_pgd": {"clean": 0.85, "study": 0.8, 1: 0.8, 2: 0.75, 4: 0.6},
    }
    study = {"attack": "pgd", "epsilon": 0.001, "alpha": 0.0005, "steps": 5, "condition": "printed=0.01/0.001/5"}
    rows = []
    for model, values in measured.items():
        shared = {"experiment": "pgd", "model": model}
        for key, value in values.items():
            if key == "clean":
                place = {"attack": "none", "epsilon": 0.0}
            elif key == "study":
                place = study
            else:
                place = {"attack": "pgd", "epsilon": key / 255, "alpha": key / 1020, "steps": 40}
                place["condition"] = "worst-case;restarts=5"
            both = {**shared, **place, "protocol": "sound"}
            paper = 0.31 if key == "study" else None
            rows.append(row("accuracy", value, ci=(value - 0.05, value + 0.05), paper=paper, **both))
            rows.append(row("missed_tumour_rate", (1 - value) / 2, **both))
        rows.append(row("accuracy", 0.9, **shared, attack="none", epsilon=0.0))
        rows.append(row("accuracy", values["study"] - 0.4, **shared, **study, paper=0.31))
    return rows


def backdoor_rows():
    shared = {"experiment": "backdoor", "protocol": "sound", "model": "cnn_backdoor"}
    return [
        row("accuracy", 0.8, **shared, condition="test=clean", ci=(0.75, 0.85)),
        row("recall", 0.5, **shared, condition="test=clean", label=NASTY, paper=0.4),
        row("recall", 0.25, **shared, condition="test=clean", label=BREAKING, paper=0.6),
        row("asr", 0.99, **shared, condition="test=triggered", ci=(0.98, 1.0)),
        row("asr", 0.6, **{**shared, "model": "cnn_badnets"}, condition="share=0.1;test=triggered", ci=(0.5, 0.7)),
        row("accuracy", 0.3, **{**shared, "protocol": "paper"}, condition="test=clean"),
        row("recall", 0.375, **{**shared, "protocol": "paper"}, condition="test=clean", label=NASTY, paper=0.4),
    ]


def snooping_rows():
    shared = {"experiment": "snooping", "protocol": "sound", "model": "resnet18_snoop", "weights": "none"}
    chosen, half = "test=small;threshold=chosen", "test=small;threshold=0.5"
    return [
        row("recall", 0.7, **shared, attack="patterns", condition=chosen, label="pattern", ci=(0.6, 0.8)),
        row("fpr", 0.2, **shared, attack="patterns", condition=chosen, ci=(0.1, 0.3)),
        row("recall", 0.4, **shared, attack="creeper", condition="test=unseen;threshold=chosen", label="pattern"),
        row("recall", 0.5, **shared, attack="patterns", condition=half, label="pattern", paper=0.54),
        row("fpr", 0.1, **shared, attack="patterns", condition=half),
        row("recall", 0.45, **{**shared, "protocol": "paper"}, attack="patterns", condition=half, label="pattern"),
        row("fpr", 0.35, **{**shared, "protocol": "paper"}, attack="patterns", condition=half),
    ]


def pipeline_rows():
    shared = {"experiment": "pipeline", "protocol": "sound", "model": "cnn_backdoor"}
    alone, guarded = "snooper=none;test=triggered", "snooper=small;test=triggered"
    return [
        row("asr", 0.99, **shared, condition=alone),
        row("asr", 0.25, **shared, condition=guarded, ci=(0.2, 0.3)),
        row("referred", 0.3, **shared, condition=guarded.replace("triggered", "clean")),
    ]


def fill(folder):
    """Add four experiments with their galleries to a folder."""
    epsilon = {"layout": "epsilon", "headers": ("ε", "α", "steps"), "columns": ("cnn_clean", "cnn_pgd")}
    pictures = {"images": [gallery_image(), gallery_image("notumor", f"{BREAKING}{NASTY}.png")]}
    galleries = [
        cell(pictures, experiment="pgd", protocol="sound", model="cnn_clean"),
        cell(old_gallery(), experiment="pgd", protocol="paper", model="cnn_clean"),
    ]
    folder.add(made("pgd", threats=("evasion",), **epsilon), evasion_rows(), galleries)
    folder.add(made("backdoor", threats=("backdoor",)), backdoor_rows())
    folder.add(made("snooping", threats=("trigger-detection",)), snooping_rows())
    folder.add(made("pipeline", "conditions", threats=("backdoor", "trigger-detection")), pipeline_rows())
    return folder


def page_of(folder, **run):
    """The path of the page of a folder that is filled."""
    return write_page(folder.write(**run))
