"""Tasks and networks of `baselines`, and growing delays, against closed forms."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from experiments._lib.pytorch import one_thread  # noqa: E402
from experiments.baselines import _networks, _tasks, _training  # noqa: E402
from experiments.baselines.baselines import Runs  # noqa: E402
from experiments.recall._symbol import make_sets, one_hot  # noqa: E402
from experiments.recall.curriculum import Learner, lmu_accuracy  # noqa: E402
from lmu_nengo import LegendreMemory  # noqa: E402
from lmu_nengo.signal import simulate  # noqa: E402
from tests.experiments.commands import figures_of  # noqa: E402

TASKS = _tasks.make_tasks()


def test_adding_a_constant_is_wrong_by_a_sixth():
    x, y = _tasks.adding(40, np.random.default_rng(0), 40_000)
    assert np.array_equal(x[..., 1].sum(axis=1), np.full(len(x), 2))
    assert np.array_equal(x[:, :20, 1].sum(axis=1), np.ones(len(x)))  # one in each half
    marked = x[0, x[0, :, 1] == 1, 0]
    assert y.shape == (40_000, 1, 1) and y[0, 0, 0] == pytest.approx(marked.sum())
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert y.var() == pytest.approx(1 / 6, rel=0.02)


def test_copying_without_memory_has_a_cross_entropy_of_ln_8():
    x, y = _tasks.copy(15, np.random.default_rng(0), 300)
    assert x.shape == (300, 35, 10) and np.array_equal(x.sum(axis=2), np.ones((300, 35)))
    assert np.array_equal(x[:, :10].argmax(axis=2), y)
    assert (x[:, 10:].argmax(axis=2) == 9).sum(axis=0).tolist() == [0] * 15 + [300] + [
        0
    ] * 9
    silent = torch.zeros(300, 10, 8)
    loss = _training.loss_of(TASKS["copy_10"], silent, torch.as_tensor(y))
    assert loss.item() == pytest.approx(np.log(8))


def test_chrono_gates_forget_as_slowly_as_their_biases_say():
    """Only the gates' biases are left: a cell keeps 1 - 1/T of its state in a step."""
    torch.manual_seed(0)
    n_steps, units = 200, 500
    network = _networks.Recurrent("lstm", units, TASKS["adding_100"], "default")
    bias = _networks.chrono(units, n_steps)
    spans = np.exp(bias.numpy()) + 1
    assert spans.min() >= 2 and spans.max() <= n_steps
    assert spans.mean() == pytest.approx((2 + n_steps) / 2, rel=0.1)  # uniform
    task = TASKS["adding_100"]._replace(n_steps=n_steps)
    for kind, place in (("lstm", units), ("gru", units)):
        network = _networks.Recurrent(kind, units, task, "chrono")
        layer = network.layer
        with torch.no_grad():
            for name in ("weight_ih_l0", "weight_hh_l0"):
                getattr(layer, name).zero_()
            x, one = torch.zeros(1, 30, 2), torch.ones(1, 1, units)
            state = layer(x, (0 * one, one))[1][1] if kind == "lstm" else layer(x, one)[1]
            spans = torch.exp(layer.bias_ih_l0[place : place + units]) + 1
            assert state[0, 0].numpy() == pytest.approx(
                ((1 - 1 / spans) ** 30).numpy(), rel=1e-3
            )
    assert torch.equal(
        _networks.Recurrent("lstm", 4, task, "chrono").layer.bias_hh_l0, torch.zeros(16)
    )


def test_identity_start_adds_up_its_input():
    network = _networks.Recurrent("rnn", 3, TASKS["adding_100"], "identity")
    with torch.no_grad():
        network.layer.weight_ih_l0.copy_(torch.ones(3, 2))
        states = network.layer(torch.ones(1, 5, 2))[0][0]
    assert states[:, 0].tolist() == [2, 4, 6, 8, 10]


@pytest.mark.parametrize("n_outputs", [1, 4])
def test_windowed_lmu_reads_the_states_of_a_memory(n_outputs):
    n_steps, order = 30, 5
    Ad, Bd = LegendreMemory(theta=0.03, order=order, dt=0.001).discrete()
    x = np.random.default_rng(0).standard_normal((n_steps, 1))
    states = simulate(Ad, Bd, x)[-n_outputs:]
    lags = _networks.memory_lags(n_steps, order, n_outputs)
    found = np.tensordot(x[:, 0], lags, (0, 0))
    assert found == pytest.approx(states * np.sqrt(n_steps / (2 * np.arange(order) + 1)))
    sizes = (n_steps, 2, 3, _tasks.LMU(order, 0, ()), 1.0, None, n_outputs)
    network = _networks.build("lmu", _tasks.Task(*sizes), "default", seed=0)
    shown = torch.zeros(1, n_steps, 2)
    shown[0, :, 1] = torch.as_tensor(x[:, 0])
    weights, bias = (p.detach().numpy() for p in network.after[0].parameters())
    assert network(shown)[0].detach().numpy() == pytest.approx(
        found @ weights[:, order:].T + bias, abs=1e-5
    )


@pytest.mark.parametrize("kind", _networks.N_GATES)
@pytest.mark.parametrize("name", ["digits", "adding_100", "copy_10"])
def test_no_network_has_more_parameters_than_the_lmu(kind, name):
    task = TASKS[name]
    allowed = _networks.count(_networks.build("lmu", task, "default", 0))
    network = _networks.build(kind, task, "default", 0)
    larger = _networks.Recurrent(kind, network.layer.hidden_size + 1, task)
    assert _networks.count(network) <= allowed < _networks.count(larger)


def test_training_ends_when_the_task_is_solved_or_the_time_is_over():
    task = TASKS["copy_10"]._replace(enough=0.3)
    setting = _training.Setting(1e-2, "cosine", "default")
    clock = iter(range(10_000)).__next__  # each update takes a second
    network, solved = _training.train("lmu", task, setting, 0, 200, clock=clock)
    assert solved["validation"] <= 0.3
    assert _training.test(network, task, task.make(0)[2])[0] < 0.35
    assert solved["updates"] == solved["seconds"] < 200
    task = task._replace(enough=-1)
    clock = iter(range(100)).__next__
    over = _training.train("lmu", task, setting, 0, 20, clock=clock)[1]
    assert over["updates"] == 20 and len(over["curve"]) == 21
    assert over["validation"] == min(error for _, error, _ in over["curve"])


@pytest.mark.parametrize(("rate", "n_tried"), [(3e-3, 11), (0.1, 13), (3e-5, 14)])
def test_search_returns_what_had_the_lowest_error(rate, n_tried):
    best = _training.Setting(rate, "constant", "chrono")

    def attempt(setting, whole):
        wrong = abs(np.log10(setting.rate / rate)) + (setting.start != best.start)
        wrong += setting.schedule != best.schedule
        return {"validation": 1 / (1 + wrong) if whole else wrong, "loss": 0.0}

    found, tried, finalists = _training.search("lstm", attempt)
    assert len(tried) == n_tried and tried[-1] == (*best, 0)
    # the second best is better after the whole time
    assert finalists[0] == (*best, 1)
    assert finalists[1][:3] == found and finalists[1][3] < 1
    assert found.rate != best.rate


@pytest.mark.parametrize("resume", [False, True])
def test_a_part_is_made_once_in_a_run(resume, tmp_path):
    made = []

    def make():
        made.append(1)
        return {"best": len(made)}

    for n_made in (1, 1 if resume else 2):  # the second run is another process
        runs = Runs(TASKS, 1.0, tmp_path, resume)
        for _ in range(3):
            assert runs.part("digits-lmu-search", ["asked"], make)["best"] == n_made
        assert len(made) == n_made


def test_growing_delays_are_learned_one_after_the_other():
    learner = Learner("rnn", seed=0, seconds=60)
    for delay in (5, 10):
        assert learner.learn(*make_sets(delay, 1, seed=0)[:2])
        assert learner.accuracy(make_sets(delay, 200, seed=0)[2]) > 95
    assert not Learner("rnn", seed=0, seconds=0).learn(*make_sets(5, 1, seed=0)[:2])


def test_a_window_that_is_too_long_recalls_and_one_that_is_too_short_does_not():
    delay, noise = 200, 0.03
    sets = make_sets(delay, 300, seed=0)
    for theta, lowest, highest in ((500, 99, 100), (100, 0, 30)):
        silent, noisy = lmu_accuracy(sets, delay, theta, (0, noise), seed=0)
        assert silent == 100  # the faintest trace is enough
        assert lowest <= noisy <= highest
        # the same with the noise in the input itself
        rng = np.random.default_rng(0)
        shown = [one_hot(each.shown) for each in sets]
        loud = [x + noise * rng.standard_normal(x.shape) for x in shown]
        assert abs(recall(loud, sets, theta) - noisy) < 12


def recall(inputs, sets, theta):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    Ad, Bd = LegendreMemory(theta=theta * 0.001, order=16, dt=0.001).discrete()
    states = []
    for x in (inputs[0], inputs[2]):
        m = np.zeros((len(x), x.shape[2], 16))
        for step in x.swapaxes(0, 1):
            m = m @ Ad.T + step[..., None] * Bd[:, 0]
        states.append(m.reshape(len(x), -1))
    scaler = StandardScaler().fit(states[0])
    reader = LogisticRegression(max_iter=1000)
    reader.fit(scaler.transform(states[0]), sets[0].answers)
    return 100 * reader.score(scaler.transform(states[1]), sets[2].answers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baselines", "curriculum", "psmnist_order"])
def test_commands_run_and_resume(name, tmp_path):
    first, second = (
        figures_of(name, tmp_path, "--quick", "--resume")["figures"] for _ in range(2)
    )
    assert first == second
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_training_leaves_the_rest_of_the_process_as_it_was():
    n_threads = torch.get_num_threads()
    tiny = np.array([2e-308])
    with one_thread():
        is_flushed = (tiny / 10 == 0).all()  # where the processor can
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
        assert (tiny / 10 == 0).all() == is_flushed == torch.set_flush_denormal(True)
    assert torch.get_num_threads() == n_threads
    assert (tiny / 10 > 0).all()  # a subnormal number
