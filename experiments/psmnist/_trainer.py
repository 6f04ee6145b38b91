"""How the rate networks of the psMNIST experiments are trained without NengoDL."""

import numpy as np

import lmu_nengo
from experiments._lib.command_line import console
from experiments._lib.parallel import use_all_cores
from experiments._lib.results import checksum
from experiments.psmnist._distortion import distort


def train(
    classifier,
    preset,
    images,
    y,
    order,
    validation,
    seed,
    checkpoint,
    seconds=np.inf,
    resume=False,
):
    """Do the same as `experiments.psmnist._training.train` with JAX."""
    import jax
    import optax

    from lmu_nengo.training.jax import Checkpoint, Trainer

    use_all_cores()  # for what comes later; one device trains, with all threads
    network, output = classifier.network, classifier.output
    n_batches = preset.epochs * (len(images) // preset.batch)
    lmu_nengo.realize(network, lmu_nengo.Windowed(images.shape[1]))
    options = {"seed": seed, "progress_bar": False, "devices": jax.local_devices()[:1]}
    trainer = Trainer(network, minibatch_size=preset.batch, **options)
    trainer.compile(
        optax.adam(optax.cosine_decay_schedule(preset.rate, n_batches), eps=1e-7),
        loss={output: "sparse_categorical_crossentropy"},
        metrics={output: "accuracy"},
        change_inputs=pusher(classifier.memory, preset.push) if preset.push else None,
    )
    settings = {
        **preset._asdict(),
        "seed": seed,
        "data": checksum(images, y, order, *validation),
    }
    keeper = Checkpoint(trainer, checkpoint, "val_output_accuracy", resume, settings)
    held_out = validation[0][:, order, None], validation[1][:, None, None]

    def report(epoch, logs):
        right = 100 * logs["val_output_accuracy"]
        console.print(
            f"Epoch {epoch + 1}/{preset.epochs}: validation accuracy {right:.2f} %"
        )
        return keeper.seconds > seconds

    def fit(shown, labels, epochs):
        trainer.fit(
            shown[:, order, None],
            labels[:, None, None],
            validation_data=held_out,
            initial_epoch=keeper.epoch,
            epochs=epochs,
            callbacks=[keeper, report],
        )

    if keeper.epoch < preset.epochs and not preset.distorted:
        fit(images, y, preset.epochs)
    while preset.distorted and keeper.epoch < preset.epochs:
        if keeper.seconds > seconds:
            break
        rng = np.random.default_rng([seed, keeper.epoch])
        fit(distort(images, rng), y, keeper.epoch + 1)
    keeper.restore_best()
    return keeper.history, trainer.n_parameters, keeper.seconds


def pusher(memory, distance):
    """
    Let training see inputs that are made harder for it: adversarial training.

    Every other digit of a batch is moved by ``distance`` along the gradient of its loss
    (Goodfellow et al. 2015, with the Euclidean norm of Miyato et al. 2016). The memory is
    linear, ``m = M x``: along the gradient ``g`` of the coefficients, pixels move by
    ``M' g``, and coefficients by ``M M' g``.

    Parameters
    ----------
    memory : lmu_nengo.LegendreMemory
        The memory.
    distance : float
        Euclidean length of the move, in pixels.

    Returns
    -------
    change_inputs : function
        As `lmu_nengo.training.Trainer.compile` takes it.
    """
    import jax
    import jax.numpy as jnp

    from lmu_nengo.signal.discretization import impulse_response

    n_steps = memory.realization.n_steps
    response = impulse_response(*memory.discrete(), n_steps)
    gram = (response.T @ response).astype(np.float32)

    def change_inputs(inputs, loss):
        gradients = jax.grad(loss)(inputs)
        changed = dict(inputs)
        for i, g in gradients.items():
            if g.ndim != 3:  # the last pixel, which only the memory reads
                continue
            move = g @ gram
            length = jnp.sqrt(jnp.maximum(jnp.sum(move * g, axis=(1, 2)), 0)) + 1e-12
            moved = (jnp.arange(len(g)) % 2) * distance / length
            changed[i] = inputs[i] + moved[:, None, None] * move
        return changed

    return change_inputs
