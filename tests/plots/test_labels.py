import matplotlib.pyplot as plt
import pytest

from bayescale.plots.labels import draw_legend, few_ticks, plain_text, plain_ticks


def test_text_of_users_is_one_short_line_without_formulas() -> None:
    assert plain_text("two\nlines,  $x$") == r"two\nlines, \$x\$"
    assert plain_text("a" * 50) == "a" * 39 + "…"


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((3.5e3, 2.7e4), ["4800", "20000"]),
        ((0.2, 1.5), ["0.27", "1.1"]),
        ((3e8, 3e10), ["$\\mathdefault{10^{9}}$", "$\\mathdefault{10^{10}}$"]),
    ],
)
def test_a_small_panel_has_few_ticks(limits: tuple[float, float], labels: list[str]) -> None:
    ax = plt.gca()
    ax.set(xscale="log", xlim=limits)
    few_ticks(ax.xaxis)
    ax.figure.canvas.draw()
    shown = [
        tick.label1.get_text()
        for tick in ax.xaxis.get_major_ticks()
        if limits[0] <= tick.get_loc() <= limits[1]
    ]
    assert shown == labels


def test_only_a_short_axis_gets_plain_numbers() -> None:
    _, (short, long) = plt.subplots(1, 2)
    for ax, top in ((short, 3.0), (long, 100.0)):
        ax.set(yscale="log", ylim=(2.0, top))
        plain_ticks(ax.yaxis)
    short.figure.canvas.draw()
    assert [label.get_text() for label in short.get_yticklabels()][:3] == ["2.0", "2.2", "2.4"]
    assert "{10^{1}}" in [label.get_text() for label in long.get_yticklabels()][1]


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (["90% of new runs", "runs", "outside: 3 of 82, 8.2 expected"], 3),
        (["a long label of thirty letters"] * 4, 2),
        (["short"] * 9, 5),
    ],
)
def test_a_legend_has_as_many_columns_as_fit(labels: list[str], columns: int) -> None:
    ax = plt.gca()
    for k, label in enumerate(labels):
        ax.plot([0, k], label=label)
    draw_legend(ax)
    assert ax.get_legend()._ncols == columns
