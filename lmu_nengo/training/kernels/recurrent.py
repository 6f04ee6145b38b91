"""A recurrence over all steps of a sequence, with its gradient written out."""

import tensorflow as tf


def recurrence(weights, drive, activation, n_linear):
    """
    Solve ``s[t] = phi(s[t-1]) P' + g[t]`` for all steps, from zero.

    ``phi`` leaves the first ``n_linear`` values of the state as they are and applies
    ``activation`` to the others. The backward pass goes through the steps for the errors
    only; the gradient of the weights is one product of all steps at the end.

    Parameters
    ----------
    weights : tf.Tensor of shape (size, size)
        ``P``.
    drive : tf.Tensor of shape (n_steps, batch, size)
        ``g``.
    activation : callable
        A function of a tensor, element by element.
    n_linear : int
        How many values are linear.

    Returns
    -------
    states : tf.Tensor of shape (n_steps, batch, size)
        ``s``; before the activation, that is.
    """

    def phi(s):
        linear, current = s[..., :n_linear], s[..., n_linear:]
        return tf.concat([linear, activation(current)], axis=-1)

    @tf.custom_gradient
    def solve(weights, drive):
        def step(s, g):
            return tf.linalg.matmul(phi(s), weights, transpose_b=True) + g

        states = scan(step, drive)

        def gradient(errors):
            current = states[..., n_linear:]
            with tf.GradientTape() as tape:
                tape.watch(current)
                total = tf.reduce_sum(activation(current))
            slopes = tape.gradient(total, current)

            def back(delta, now):
                error, slope = now
                delta = tf.linalg.matmul(delta, weights)
                linear, current = delta[..., :n_linear], delta[..., n_linear:]
                return tf.concat([linear, current * slope], axis=-1) + error

            deltas = scan(back, (errors, slopes), reverse=True)
            before = tf.concat([phi(tf.zeros_like(states[:1])), phi(states[:-1])], axis=0)
            size = weights.shape[0]
            d_weights = tf.linalg.matmul(
                tf.reshape(deltas, (-1, size)),
                tf.reshape(before, (-1, size)),
                transpose_a=True,
            )
            return d_weights, deltas

        return states, gradient

    return solve(weights, drive)


def scan(step, inputs, reverse=False):
    """
    States of a recurrence that starts from zero.

    Parameters
    ----------
    step : callable
        Gives the next state from the state and one step of the inputs.
    inputs : tf.Tensor or tuple of tf.Tensor
        Of shapes (n_steps, batch, size); the state has the shape of the first.
    reverse : bool
        Go from the last step to the first.

    Returns
    -------
    states : tf.Tensor
        Of the shape of the first input.
    """
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    n_steps = parts[0].shape[0]
    arrays = [
        tf.TensorArray(x.dtype, n_steps, element_shape=x.shape[1:]).unstack(x)
        for x in parts
    ]
    result = tf.TensorArray(
        parts[0].dtype, n_steps, element_shape=parts[0].shape[1:], clear_after_read=False
    )

    def body(i, state, result):
        t = n_steps - 1 - i if reverse else i
        now = tuple(array.read(t) for array in arrays)
        state = step(state, now if len(now) > 1 else now[0])
        return i + 1, state, result.write(t, state)

    _, _, result = tf.while_loop(
        lambda i, *_: i < n_steps,
        body,
        (tf.constant(0), tf.zeros_like(parts[0][0]), result),
        maximum_iterations=n_steps,
        parallel_iterations=1,
    )
    states = result.stack()
    states.set_shape(parts[0].shape)
    return states
