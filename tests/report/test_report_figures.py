"""Figures show what the cells hold, and only that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from report_folder import cell, made, png, row

from mri_robust.report.drawing import COLOURS, amplified, decode, levelled, shortened, spread_out
from mri_robust.report.figures import FIGURES, draw_figures
from mri_robust.report.figures.confusion import MOST, confusion_panels, draw_confusion
from mri_robust.report.figures.curves import draw_training
from mri_robust.report.figures.roc import draw_roc
from mri_robust.report.figures.trigger import stamped_place
from mri_robust.report.results import open_results
from mri_robust.report.run_shapes import check_cell
from mri_robust.report.sweeps import gather_sweeps, read_curves

COUNTS = [[8, 2], [1, 0]]
# a dollar in a class name opens no formula, least of all one that cannot be read
MATRIX = {"confusion": [{"name": "test=clean", "classes": ["no$\\pattern$", "a$b"], "counts": COUNTS}]}
CURVE = {"curves": [{"name": "accuracy", "training": [0.5, 0.75], "test": [0.4, 0.6]}]}
ROC = {"roc": [{"name": "patterns", "fpr": [0, 0.2, 1], "tpr": [0, 0.9, 1], "auc": 0.85, "point": [0.2, 0.9]}]}
GREY = np.full((16, 16), 90)
STAMPED = np.where(np.add.outer(np.arange(16), np.arange(16)) > 27, 200, GREY)
RESULTS = {
    "confusion": MATRIX,
    "curves": CURVE,
    "pruning": {"pruning": [{"counts": [0, 8], "chosen": 8, "accuracy": [0.9, 0.8], "asr": [1.0, 0.1]}]},
    "roc": ROC,
    "samples": {"samples": [{"image": png(GREY), "caption": "score 0.5"}] * 7},
    "artefact-sheet": {
        "artefact_sheet": {
            "clean": png(GREY),
            "class": "g$x$",
            "rows": [
                {"artefact": name, "pictures": [png(GREY + level) for level in range(3)]} for name in ("a$", "b-c")
            ],
        }
    },
    "inversion": {
        "reconstructions": [
            {
                "name": name,
                "pictures": [{"class": each, "second_confidence": 0.5, "image": png(GREY)} for each in ("g$x$", "b")],
            }
            for name in ("class mean", "ours, from $grey")
        ]
    },
    "trigger": {
        "trigger": {"pattern": png(GREY[:8, :8]), "clean": png(GREY), "stamped": png(STAMPED), "class": "g$x$"}
    },
    "images": {
        "label": "a",
        "pictures": [
            {"epsilon": eps, "predicted": "a", "probability": 0.5, "change": eps, "image": png(GREY + 255 * eps)}
            for eps in (0.0, 0.2)
        ],
    },
}


def view(folder, *cells):
    folder.add(made(), [row("accuracy", 0.5)], cells)
    results = open_results(folder.write())
    return results.views(results.experiments[0])[0]


def drawn(folder):
    paths = draw_figures(open_results(folder.write()))
    for files in paths["made"].values():
        assert all((folder.path / path).read_bytes().startswith(b"\x89PNG") for path in files)
    return {protocol: [path.name for path in files] for protocol, files in paths["made"].items()}


@pytest.mark.parametrize("kind", sorted(RESULTS))
def test_each_kind_of_data_gives_the_figure_of_its_name_and_no_other(kind, folder):
    folder.add(made(), [row("accuracy", 0.5)], [cell(RESULTS[kind])])
    assert drawn(folder) == {"paper": [f"made-paper-{kind}.png"]}
    assert [path.name for path in (folder.path / "figures").iterdir()] == [f"made-paper-{kind}.png"]


def test_epsilon_tables_give_a_figure_of_accuracy_where_intervals_may_be_missing(folder):
    shared = {"attack": "fgsm", "model": "cnn_clean"}
    rows = [row("accuracy", 0.9, epsilon=eps, ci=ci, **shared) for eps, ci in ((0.1, (0.8, 1)), (0.2, (None, None)))]
    folder.add(made(layout="epsilon", headers=("ε",)), rows)
    assert drawn(folder) == {"paper": ["made-paper-accuracy.png"]}


def test_missing_data_draws_nothing(folder):
    empty = {"confusion": [], "curves": [{"name": "", "training": [], "test": []}], "roc": [], "samples": []}
    folder.add(made(), [row("accuracy", 0.5)], [cell({}), cell(empty | {"trigger": None, "pictures": []})])
    assert drawn(folder) == {"paper": []}
    assert not (folder.path / "figures").exists()


def test_every_figure_of_the_folder_has_data_here():
    assert set(FIGURES.names()) == {*RESULTS, "accuracy", "artefacts", "detectors", "extraction"}


def artefact_rows(model, clean, pgd, mean, *levels):
    """A model's accuracy on clean images, under PGD at 4/255, over all artefacts, and under one at rising severity."""
    ends = {"attack": "artefacts", "condition": "mean over all artefacts and severities"}
    return [
        row("accuracy", clean, model=model, attack="none", epsilon=0.0, ci=(clean - 0.05, clean + 0.05)),
        row("accuracy", pgd, model=model, attack="pgd", epsilon=4 / 255, condition="worst-case;restarts=1"),
        row("accuracy", mean, model=model, **ends, ci=(mean - 0.1, mean + 0.1)),
        *(
            row("accuracy", value, model=model, attack=name, condition=f"severity={level}")
            for name in ("bias-field", "spike")
            for level, value in enumerate(levels, start=1)
        ),
    ]


def test_a_sheet_whose_pictures_differ_in_size_is_refused():
    sheet = {"clean": png(GREY), "class": "a", "rows": [{"artefact": "spike", "pictures": [png(GREY[:8])]}]}
    with pytest.raises(ValueError, match="differ in size"):
        check_cell(cell({"artefact_sheet": sheet}))


def test_artefacts_have_a_panel_each_and_one_that_sets_natural_against_adversarial(folder):
    rows = artefact_rows("cnn_clean", 0.9, 0.1, 0.6, 0.8, 0.7) + artefact_rows("cnn_pgd", 0.8, 0.5, 0.55, 0.7, 0.6)
    folder.add(made(), rows)
    results = open_results(folder.write())
    figure = FIGURES.load("artefacts")(results.views(results.experiments[0])[0])
    bias, spike, against, unused = figure.axes
    assert [each.get_title() for each in (bias, spike, against)] == [
        "Bias field",
        "Spike",
        "Natural against adversarial",
    ]
    assert not unused.get_visible()
    assert [list(line.get_ydata()) for line in spike.get_lines()] == [[0.9, 0.8, 0.7], [0.8, 0.7, 0.6]]
    assert list(spike.get_lines()[0].get_xdata()) == [0, 1, 2]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in against.get_lines() if line.get_marker() != "None"]
    assert points[:2] == [(0.1, 0.6), (0.5, 0.55)]


def test_only_the_first_seed_and_the_own_protocol_are_drawn(folder):
    other = [cell(MATRIX, seed=43), cell(MATRIX, protocol="sound")]
    folder.add(made(), [row("accuracy", 0.5), row("accuracy", 0.5, protocol="sound")], [*other, cell(ROC)])
    assert drawn(folder) == {"paper": ["made-paper-roc.png"], "sound": ["made-sound-confusion.png"]}


def test_a_shared_cell_speaks_in_the_words_of_the_experiment_that_shows_it(folder):
    folder.add(made(), [row("accuracy", 0.5)], [cell(CURVE, experiment="other", protocol="sound", label="attacked")])
    folder.write(words={"made": [{"experiment": "made", "protocol": "paper", "label": "strength 3"}]})
    results = open_results(folder.path)
    (shown,) = results.views(results.experiments[0])
    assert [curve.label for curve in read_curves(shown.cells)] == ["strength 3"]


def test_panels_hold_the_counts_and_their_shares_of_the_true_class():
    (panel,) = confusion_panels([cell(MATRIX, label="share 0.05", model="cnn_badnets")])
    assert panel.counts.tolist() == COUNTS
    np.testing.assert_allclose(panel.shares, [[0.8, 0.2], [1.0, 0.0]])
    assert panel.title == "CNN_BadNets\nshare 0.05, test clean"
    assert panel.classes == ("no$\\pattern$", "a$b")


def test_a_class_without_images_has_no_share():
    (panel,) = confusion_panels(
        [cell({"confusion": [{"name": "", "classes": ["a", "b"], "counts": [[0, 0], [1, 3]]}]})]
    )
    np.testing.assert_allclose(panel.shares, [[0, 0], [0.25, 0.75]])


def test_the_confusion_figure_prints_the_counts_and_colours_the_shares(folder):
    axes = draw_confusion(view(folder, cell(MATRIX))).axes[0]
    assert [text.get_text() for text in axes.texts] == ["8", "2", "1", "0"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("cells", "entries", "shape"), [(4, 3, (4, 3)), (5, 1, (2, 4)), (20, 1, (3, 4)), (1, 1, (1, 1))]
)
def test_panels_wrap_and_the_figure_says_what_it_leaves_out(cells, entries, shape, folder):
    several = {"confusion": MATRIX["confusion"] * entries}
    figure = draw_confusion(view(folder, *[cell(several)] * cells))
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    shown = sum(axes.get_visible() for axes in figure.axes)
    assert shown == min(cells * entries, MOST)
    assert (f"{cells * entries - MOST} more" in figure.get_supxlabel()) == (cells * entries > MOST)


def test_curves_are_solid_on_test_images_and_dashed_on_training_batches(folder):
    other = {"curves": [{"name": "accuracy", "training": [0.1, 0.2], "test": []}]}
    axes = draw_training(view(folder, cell(CURVE, label="clean"), cell(other, label="attacked"))).axes[0]
    lines = {(line.get_linestyle(), to_hex(line.get_color()).upper()): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["-", COLOURS[0]], [0.4, 0.6])
    np.testing.assert_allclose(lines["--", COLOURS[0]], [0.5, 0.75])
    np.testing.assert_allclose(lines["--", COLOURS[1]], [0.1, 0.2])
    assert list(axes.lines[0].get_xdata()) == [1, 2]


def test_a_sweep_has_a_panel_of_the_last_epoch_over_its_number(folder):
    cells = [
        cell({"curves": [{"name": "", "training": [0.9], "test": [0.5, 1 / number]}]}, label=f"strength {number}")
        for number in (9, 1, 2)
    ]
    test, training, last = draw_training(view(folder, *cells)).axes
    assert (len(test.lines), len(training.lines)) == (3, 3)
    over = {tuple(np.round(line.get_ydata(), 3)): list(line.get_xdata()) for line in last.lines}
    assert over == {(1.0, 0.5, 0.111): [1.0, 2.0, 9.0], (0.9, 0.9, 0.9): [1.0, 2.0, 9.0]}
    assert last.get_xlabel() == "strength"


def test_many_curves_that_are_no_sweep_are_named_beside_their_last_epoch(folder):
    names = ["clean", "attacked", "defended", "clipped", "other"]
    cells = [cell(CURVE, label=f"training {name}") for name in names]
    last = draw_training(view(folder, *cells)).axes[-1]
    assert [label.get_text() for label in last.get_yticklabels()] == [
        "clean",
        "attacked",
        "defended",
        "clipped",
        "other",
    ]


def labelled(*labels):
    return read_curves([cell(CURVE, label=label) for label in labels])


def test_curves_that_count_one_number_up_are_a_sweep():
    together = [f"scale {n}, perturbation {n}, start cnn_clean" for n in (3, 1, 2)]
    apart = [f"scale {n}, perturbation 0, start cnn_clean" for n in (1, 2, 3)]
    sweeps = gather_sweeps(labelled(*together, *apart, "start scratch", "start scratch, strength 7"))
    assert [(sweep.title, sweep.word, sweep.numbers) for sweep in sweeps] == [
        ("start cnn_clean", "scale = perturbation", (1, 2, 3)),
        ("perturbation 0, start cnn_clean", "scale", (1, 2, 3)),
        ("", "", ()),
    ]
    assert [curve.label for curve in sweeps[0].curves] == [together[1], together[2], together[0]]
    assert [curve.label for curve in sweeps[2].curves] == ["start scratch", "start scratch, strength 7"]


def test_two_numbers_make_no_sweep():
    assert [sweep.word for sweep in gather_sweeps(labelled("epochs 5", "epochs 10"))] == [""]


def test_curves_of_one_label_are_told_apart_by_model_and_entry():
    two = {"curves": [{**CURVE["curves"][0], "name": name} for name in ("first", "second")]}
    cells = [cell(CURVE, label="s 3", model="cnn_drunk"), cell(CURVE, label="s 3"), cell(two), cell(CURVE, label="own")]
    labels = [curve.label for curve in read_curves(cells)]
    assert labels == ["CNN_drunk, s 3", "cnn_made, s 3", "cnn_made, first", "cnn_made, second", "own"]


def test_roc_curves_mark_the_chosen_threshold_and_print_the_area(folder):
    without = {"roc": [{**ROC["roc"][0], "name": "creeper", "point": None, "auc": 0.5}]}
    axes = draw_roc(view(folder, cell(ROC, label="small"), cell(without, label="small"))).axes[0]
    points = [list(zip(*line.get_data(), strict=True)) for line in axes.lines if line.get_marker() == "o"]
    assert points == [[(0.2, 0.9)]]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["small, patterns\nAUC 0.850", "small, creeper\nAUC 0.500", "chosen threshold"]


def test_the_stamped_place_is_what_changed_with_a_margin_inside_the_image():
    change = np.zeros((20, 30))
    change[10, 5], change[12, 28] = 1, -1
    assert stamped_place(change) == (7, 2, 16, 30)
    assert stamped_place(np.zeros((20, 30))) == (0, 0, 20, 30)


def test_amplified_changes_reach_black_or_white_and_no_change_is_grey():
    np.testing.assert_allclose(amplified(np.array([[0.0, -4.0, 2.0]])), [[127.5, 0.0, 191.25]])
    np.testing.assert_allclose(amplified(np.zeros((1, 2))), [[127.5, 127.5]])


def test_pictures_keep_their_colour_and_show_grey_through_where_transparent():
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]])
    assert decode(png(pixels)).tolist() == [[[10, 20, 30], [128, 128, 128]]]
    assert decode(png([[7]])).tolist() == [[[7, 7, 7]]]


def test_long_names_end_in_an_ellipsis():
    assert shortened("a\nb  c", 5) == "a b c"
    assert shortened("abcdef", 5) == "abcd…"


@pytest.mark.parametrize(
    ("places", "apart"),
    [
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.9, 0.1], [0.9, 0.1]),
        ([0.0, 0.0], [0.0, 0.1]),
        ([1.0, 1.0, 0.2], [0.9, 1.0, 0.2]),
        ([0.3, 0.3, 0.38], [0.3 - 0.22 / 3, 0.3 + 0.08 / 3, 0.3 + 0.38 / 3]),
        ([], []),
    ],
)
def test_labels_move_apart_by_the_least_squares(places, apart):
    """Last but one: with gap .1, places less their share of the gaps are .3 .2 .18, whose mean is .68/3."""
    assert spread_out(places, 0.1, 0.0, 1.0) == pytest.approx(apart)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_labels_never_overlap_leave_the_axes_or_change_order(places, gap):
    apart = spread_out(places, gap, 0.0, 1.0)
    least = min(gap, 1 / max(len(places) - 1, 1))
    assert all(second - first >= least - 1e-9 for first, second in zip(sorted(apart), sorted(apart)[1:], strict=False))
    assert min(apart) >= -1e-9
    assert max(apart) <= 1 + 1e-9
    for i, one in enumerate(places):
        for j, other in enumerate(places):
            assert not (one < other and apart[i] > apart[j])


def test_lines_that_end_near_each_other_count_as_equal():
    assert levelled([0.28, 0.9, 0.30, 0.29], 0.011) == pytest.approx([0.29, 0.9, 0.29, 0.29])
    assert levelled([0.1, 0.2], 0.01) == [0.1, 0.2]
