import matplotlib
import numpy as np
import pytest
from nengo.exceptions import ValidationError
from scipy.linalg import expm
from scipy.special import eval_sh_legendre

from lmu_nengo.signal import state_space
from lmu_nengo.viz import plotting


@pytest.fixture
def axes():
    return matplotlib.figure.Figure().subplots()


def test_basis_is_the_shifted_legendre_polynomials(axes):
    assert plotting.basis(5, axes=axes) is axes
    assert len(axes.lines) == 5
    for i, line in enumerate(axes.lines):
        x, y = line.get_data()
        assert np.allclose(y, eval_sh_legendre(i, x), atol=1e-12)
        assert (x[0], x[-1]) == (0, 1)


def test_window_is_the_sum_of_polynomials_over_what_came_in(axes):
    m, truth = np.array([0.3, -1.0, 0.5]), np.sin(np.arange(50))
    assert plotting.window(m, 2.0, truth, now=7.0, axes=axes) is axes
    came, held = axes.lines
    assert (came.get_label(), held.get_label()) == ("input", "reconstruction")
    assert np.array_equal(came.get_ydata(), truth)
    for line in (came, held):
        assert np.allclose(line.get_xdata()[[0, -1]], [5.0, 7.0])
    ago = (7.0 - held.get_xdata()) / 2.0
    expected = sum(c * eval_sh_legendre(i, ago) for i, c in enumerate(m))
    assert np.allclose(held.get_ydata(), expected, atol=1e-12)


def test_impulse_responses_are_those_of_the_differential_equation(axes):
    plotting.impulse_responses(0.5, 4, dt=0.001, axes=axes)
    A, B = state_space(0.5, 4)
    t = axes.lines[0].get_xdata()
    assert np.allclose(t[[0, -1]], [0.001, 1.0])
    for k in (0, 100, 700):
        # the pulse lasts one step: the middle of it counts
        expected = expm(A * (t[k] - 0.0005)) @ B[:, 0]
        drawn = [line.get_ydata()[k] for line in axes.lines[:4]]
        assert np.allclose(drawn, expected, atol=1e-3 * np.abs(B).max())


def test_raster_has_a_row_for_each_neuron_and_decoded_values_at_the_right(axes):
    t = 0.001 * np.arange(1, 101)
    spikes = np.zeros((100, 3))
    spikes[[4, 50], 0] = spikes[99, 2] = 1000.0
    assert plotting.raster(t, spikes, decoded=np.cos(t), axes=axes) is axes
    rows = [c.get_positions() for c in axes.collections]
    assert [list(np.round(row, 6)) for row in rows] == [[0.005, 0.051], [], [0.1]]
    assert [c.get_lineoffset() for c in axes.collections] == [0, 1, 2]
    right = axes.figure.axes[-1]
    assert right is not axes
    assert np.array_equal(right.lines[0].get_ydata(), np.cos(t))


def test_errors_are_means_with_a_band_and_the_expected_slope(axes):
    sizes, values = [100, 400, 1600], [[0.2, 0.4], [0.1, 0.2], [0.05, 0.1]]
    plotting.errors(sizes, values, slope=-0.5, axes=axes)
    mean, expected = axes.lines
    assert np.allclose(mean.get_ydata(), [0.3, 0.15, 0.075])
    assert np.allclose(expected.get_ydata(), [0.3, 0.15, 0.075])  # four times, one half
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.05, 0.4)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    plotting.errors(sizes, [0.3, 0.2, 0.1], xlabel="order", axes=axes)
    assert axes.get_xlabel() == "order" and len(axes.collections) == 1


def test_training_curves_begin_with_epoch_one(axes):
    history = {"training": [3.0, 2.0, 1.0], "validation": [3.5, 2.5, 2.0]}
    plotting.training_curves(history, axes=axes)
    for line, (name, values) in zip(axes.lines, history.items(), strict=True):
        assert line.get_label() == name
        assert np.array_equal(line.get_data(), [[1, 2, 3], values])


def test_without_axes_a_new_figure_is_made():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    before = pyplot.get_fignums()
    axes = plotting.basis(2)
    assert pyplot.get_fignums() != before and axes.figure is pyplot.gcf()
    pyplot.close(axes.figure)


def test_what_does_not_fit_is_refused(axes):
    for call in (
        lambda: plotting.window(np.zeros((2, 3)), 1.0, axes=axes),
        lambda: plotting.window(np.zeros(3), 0.0, axes=axes),
        lambda: plotting.raster(np.arange(3), np.zeros((4, 2)), axes=axes),
        lambda: plotting.raster(np.arange(3), np.zeros((3, 2)), decoded=1.0, axes=axes),
        lambda: plotting.errors([1, 2], [0.1, 0.2, 0.3], axes=axes),
    ):
        with pytest.raises(ValidationError, match="must .*, got"):
            call()


def test_a_script_reads_its_options(tmp_path, monkeypatch, capsys):
    drawn = []

    def draw(seconds):
        drawn.append(seconds)
        return matplotlib.figure.Figure()

    def run(*arguments, text="\nA title\n=======\n\nMore."):
        monkeypatch.setattr("sys.argv", ["script.py", *map(str, arguments)])
        plotting.command_line(draw, text, seconds=5.0)

    run("--out", tmp_path / "picture.png", "--seconds", 2)
    run("--out", tmp_path / "picture.png", text="")
    assert drawn == [2.0, 5.0] and (tmp_path / "picture.png").is_file()
    run("--help")
    said = capsys.readouterr().out
    assert "A title" in said and "More." in said and "===" not in said
    with pytest.raises(SystemExit):
        run("--nonsense")
