import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd

from report.images import charts

LOSSES = {"train/loss": [2.0, 1.0, 0.8], "val/loss": [2.1, 1.2, 1.3]}
HISTORY = pd.DataFrame({"epoch": [0, 1, 2], **LOSSES, "lr": [3.0, 2, 1]})


def pixels(path):
    """The picture, B,G,R."""
    return cv2.imread(str(path))


def test_the_diagonal_of_a_confusion_matrix_is_dark(tmp_path):
    """A perfect classifier darkens the diagonal and leaves the rest light."""
    picture = pixels(charts.confusion([[9, 0], [0, 9]], ["happy", "sad"], tmp_path / "c.png"))
    height, width = picture.shape[:2]

    assert picture[height // 4, width // 4].sum() < 450
    assert picture[height // 4, 3 * width // 4].sum() > 600


def test_a_label_that_never_occurs_divides_nothing_by_zero(tmp_path):
    """An empty row of the matrix is drawn empty."""
    with np.errstate(all="raise"):
        path = charts.confusion([[3, 1], [0, 0]], ["a", "b"], tmp_path / "c.png")

    assert path.stat().st_size > 1000


def test_the_same_data_give_the_same_bytes(tmp_path):
    """Otherwise DVC would take an unchanged picture for a new one."""
    losses = charts.curve_panels(HISTORY)["loss"]
    a_svg, b_svg, a_png, b_png = (
        charts.save(charts.curve_figure("loss", losses), tmp_path / name).read_bytes()
        for name in ("a.svg", "b.svg", "a.png", "b.png")
    )

    assert a_svg == b_svg
    assert a_png == b_png


def test_curves_of_one_figure_share_a_panel():
    """Train and validation loss share a panel; the known figures come first, in their order."""
    panels = charts.curve_panels(HISTORY.assign(**{"val/zeta": 1.0, "val/macro_f1": 0.5}))

    assert list(panels) == ["loss", "macro_f1", "lr", "zeta"]
    assert set(panels["loss"]) == {"train", "val"}


def test_the_best_epoch_of_a_writer_has_the_fewest_bits():
    """Fewer bits per character are better; negated, more are."""
    falling = pd.Series([2.4, 2.0], index=[1, 2])

    for name, best in (("bits", "best 2.000, epoch 2"), ("neg_bits_per_character", "best 2.400, epoch 1")):
        axes = charts.curve_figure(name, {"val": falling}).axes[0]
        assert axes.get_title(loc="right") == best


def test_epochs_count_from_one():
    """As in the training log and the pager's `resumes at epoch 12`; Lightning counts from 0."""
    panels = charts.curve_panels(HISTORY)
    axes = charts.curve_figure("loss", panels["loss"]).axes[0]

    assert list(panels["loss"]["val"].index) == [1, 2, 3]
    assert axes.get_title(loc="right") == "best 1.200, epoch 2"
    assert list(charts.curve_panels(HISTORY.drop(columns="epoch"))["lr"][""].index) == [1, 2, 3]


def test_curves_of_one_epoch_and_of_none():
    """A run killed after one epoch still has a dot; without epochs there is no panel."""
    panels = charts.curve_panels(HISTORY[:1])

    assert charts.curve_figure("lr", panels["lr"]).axes[0].lines[0].get_marker() == "o"
    assert charts.curve_panels(HISTORY[:0]) == {}


def test_gaps_in_a_curve_are_left_out():
    """A figure that is not measured every epoch keeps its epochs."""
    history = HISTORY.assign(**{"val/fid": [np.nan, 4.0, np.nan]})

    assert list(charts.curve_panels(history)["fid"]["val"].index) == [2]


def test_reliability_counts_every_sample(tmp_path):
    """Confidence of exactly 0 and 1 belong to the first and the last bin."""
    axes, below = charts.reliability_figure(np.array([0.0, 1.0, 1.0]), np.array([0, 1, 0])).axes

    assert [bar.get_height() for bar in below.patches][::9] == [1, 2]
    assert [bar.get_height() for bar in axes.patches] == [0.0, 0.5]
    assert charts.reliability(np.array([0.7]), np.array([True]), tmp_path / "r.png").is_file()


def test_an_inline_chart_follows_the_page_and_escapes_labels():
    """Its colours are CSS variables, a label cannot become an element, and its style applies to nothing else."""
    svg = charts.inline(charts.confusion_figure([[1, 0], [0, 1]], ["<script>", "b&c"]), 'a "title"')

    assert "var(--second)" in svg
    assert charts.SECOND not in svg
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert "<style" not in svg
    assert 'aria-label="a &quot;title&quot;"' in svg


def test_dollars_in_a_label_are_drawn_as_they_are(tmp_path):
    """A label is shown as it is written."""
    svg = charts.confusion([[1, 0], [0, 1]], ["$x_1$", "$\\bad"], tmp_path / "c.svg").read_text()

    assert "$x_1$" in svg
    assert "$\\bad" in svg


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    """No global setting outlives a chart, and no figure is kept by pyplot."""
    before = dict(mpl.rcParams)
    charts.save(charts.curve_figure("loss", charts.curve_panels(HISTORY)["loss"]), tmp_path / "a.svg")
    charts.save(charts.interval_figure(0.02, 0.01, 0.03, 0.005), tmp_path / "i.png")

    assert dict(mpl.rcParams) == before
