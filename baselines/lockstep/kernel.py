"""Perceptrons forwards and backwards, and Adam, compiled: one flat vector holds what is learned.

Products go to SciPy's BLAS on one thread; everything else is a loop over numbers that lie in
the processor's cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import numba
import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - what Numba's products call, loaded before the limit
from threadpoolctl import threadpool_limits

# With more threads than one the order of a sum would depend on their number.
threadpool_limits(1, "blas")

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled when it is first called, and kept on disk where that is possible."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(CACHE or "")
    try:
        # `reassoc` lets sums be vectorised. Not `nnan`: what has diverged must be seen.
        math = {"contract", "nsz", "reassoc"}
        made: Callable[P, R] = numba.njit(
            # Of a function that is called, a process that compiles takes the copy compiled alone,
            # and one that reads from disk the copy in its caller, which rounds otherwise.
            forceinline=True,
            fastmath=math,
            error_model="numpy",
            nogil=True,
            cache=CACHE is not None,
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    return made


def _cache() -> Path | None:
    """A folder for these sources: by itself Numba takes what it compiled of a function for good
    although one that it calls has changed."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "rl-ablation-harness" / f"lockstep-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: no home
        return None
    return folder if os.access(folder, os.W_OK) else None


CACHE = _cache()
F = np.float32
ZERO, ONE, TWO = F(0), F(1), F(2)
HALF_LOG_TWO_PI = F(0.5 * np.log(2 * np.pi))
# Not `int`: Numba has a type for each of them.
TANH, RELU, LINEAR, LEAKY = np.int64(0), np.int64(1), np.int64(2), np.int64(3)
NONE = np.empty(0, np.int64)
SLOPE = F(0.01)  # torch's, of a leaky ReLU below 0


class Learned(NamedTuple):
    """Flat vectors of a length: parameters, their gradient and Adam's two moments."""

    values: np.ndarray
    gradient: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Net(NamedTuple):
    """A perceptron in a flat vector: layer by layer a matrix (out, in), then its bias."""

    start: int
    widths: np.ndarray  # of its input, its layers and its output
    activation: np.int64  # between layers

    @property
    def end(self) -> int:
        return self.start + sum((i + 1) * o for i, o in pairwise(self.widths.tolist()))


# Tanh as a quotient of polynomials, good to 5e-7; from Eigen, generic_fast_tanh_float.
LIMIT = F(7.90531110763549805)
A1, A3, A5, A7, A9, A11, A13 = map(
    F,
    (
        4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
        -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16,
    ),
)  # fmt: skip
B0, B2, B4, B6 = map(
    F, (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
)


@compiled
def tanh(x):
    x = LIMIT if x > LIMIT else x  # `min` would swallow a NaN
    x = -LIMIT if x < -LIMIT else x
    y = x * x
    odd = A1 + y * (A3 + y * (A5 + y * (A7 + y * (A9 + y * (A11 + y * A13)))))
    return x * odd / (B0 + y * (B2 + y * (B4 + y * B6)))


@compiled
def activate(z, bias, kind):  # z (n, width)
    """Add the bias, then the activation, in place."""
    rows, width = z.shape
    for i in range(rows):
        if kind == TANH:
            for j in range(width):
                z[i, j] = tanh(z[i, j] + bias[j])
        elif kind == RELU:
            for j in range(width):
                x = z[i, j] + bias[j]
                z[i, j] = ZERO if x < ZERO else x
        elif kind == LEAKY:
            for j in range(width):
                x = z[i, j] + bias[j]
                z[i, j] = SLOPE * x if x < ZERO else x
        else:
            for j in range(width):
                z[i, j] += bias[j]


@compiled
def through_activation(delta, h, bias_gradient, kind):  # delta, h (n, width)
    """The gradient before the activation, in place, and its sum over rows: the bias's."""
    rows, width = delta.shape
    bias_gradient[:] = ZERO
    for i in range(rows):
        if kind == TANH:
            for j in range(width):
                delta[i, j] *= ONE - h[i, j] * h[i, j]
        elif kind == RELU:
            for j in range(width):
                delta[i, j] = delta[i, j] if h[i, j] > ZERO else ZERO
        elif kind == LEAKY:
            for j in range(width):
                delta[i, j] = delta[i, j] if h[i, j] > ZERO else SLOPE * delta[i, j]
        for j in range(width):
            bias_gradient[j] += delta[i, j]


@compiled
def forward(p, net, x, layers):  # x (n, widths[0]) -> (n, widths[-1])
    """:param layers: flat, n * sum(widths[1:]): filled with what each layer puts out."""
    n, (into, out) = x.shape[0], net.widths[:2]
    matrix = p[net.start : net.start + into * out].reshape(out, into)
    np.dot(x, matrix.T, layers[: n * out].reshape(n, out))
    return forward_from(p, net, n, layers)


@compiled
def forward_from(p, net, n, layers):
    """From the product of the first layer on, with which `layers` begin."""
    start, widths, at = net.start, net.widths, 0
    last = widths.size - 2
    z = layers[: n * widths[1]].reshape(n, widths[1])
    for k in range(last + 1):
        into, out = widths[k], widths[k + 1]
        if k > 0:
            h, z = z, layers[at : at + n * out].reshape(n, out)
            np.dot(h, p[start : start + into * out].reshape(out, into).T, z)
        start += into * out
        activate(z, p[start : start + out], net.activation if k < last else LINEAR)
        start, at = start + out, at + n * out
    return z


@compiled
def living(d):  # (n, width)
    """Columns that are not 0 throughout, where there are few enough to be packed; else none.

    Of the last hidden layer of a ReLU network half the units are off for a whole batch.
    """
    rows, width = d.shape
    alive = np.zeros(width, np.int32)
    for i in range(rows):
        for j in range(width):
            alive[j] |= np.int32(d[i, j] != ZERO)
    live = np.flatnonzero(alive)
    return live if 4 * live.size <= 3 * width else NONE


@compiled
def packed(d, matrix, live):  # d (n, width), matrix (width, into)
    """Columns of the one and rows of the other."""
    columns = np.empty((d.shape[0], live.size), F)
    rows = np.empty((live.size, matrix.shape[1]), F)
    for i in range(d.shape[0]):
        for q in range(live.size):
            columns[i, q] = d[i, live[q]]
    for q in range(live.size):
        rows[q] = matrix[live[q]]
    return columns, rows


@compiled
def backward(p, g, net, x, layers, delta, spare):
    """Write the gradient of a network's numbers into g.

    :param layers: as `forward` filled it.
    :param delta: flat, n * max(widths): begins with the gradient of the outputs (n, widths[-1]).
    :param spare: as large.
    """
    into, out = net.widths[:2]
    d = backward_to(p, g, net, x.shape[0], layers, delta, spare)
    np.dot(d.T, x, g[net.start : net.start + into * out].reshape(out, into))


@compiled
def backward_to(p, g, net, n, layers, delta, spare):
    """All but the first layer's matrix: its gradient is the product of what this returns."""
    start, widths = net.start, net.widths
    last, at, kind = widths.size - 2, 0, LINEAR
    for k in range(last + 1):
        at += n * widths[k + 1]
        start += (widths[k] + 1) * widths[k + 1]
    for k in range(last, -1, -1):
        into, out = widths[k], widths[k + 1]
        at -= n * out
        start -= (into + 1) * out
        bias = start + into * out
        d = delta[: n * out].reshape(n, out)
        h = layers[at : at + n * out].reshape(n, out)
        through_activation(d, h, g[bias : bias + out], kind)
        if k > 0:
            before = layers[at - n * into : at].reshape(n, into)
            matrix = p[start : start + into * out].reshape(out, into)
            d_before = spare[: n * into].reshape(n, into)
            d_matrix = g[start : start + into * out].reshape(out, into)
            live = living(d) if kind == RELU else NONE
            if live.size > 0:
                columns, rows = packed(d, matrix, live)
                np.dot(columns, rows, d_before)
                np.dot(columns.T, before, rows)
                d_matrix[:] = ZERO
                for q in range(live.size):
                    d_matrix[live[q]] = rows[q]
            else:
                np.dot(d, matrix, d_before)
                np.dot(d.T, before, d_matrix)
            delta, spare, kind = spare, delta, net.activation
    return d


@compiled
def slope(delta, h, kind):  # (width,)
    """The gradient before the activation, in place."""
    if kind == TANH:
        for j in range(h.size):
            delta[j] *= ONE - h[j] * h[j]
    elif kind == RELU:
        for j in range(h.size):
            delta[j] = delta[j] if h[j] > ZERO else ZERO
    elif kind == LEAKY:
        for j in range(h.size):
            delta[j] = delta[j] if h[j] > ZERO else SLOPE * delta[j]


@compiled
def input_gradient(p, net, layers, n, asked, delta, spare, first):
    """The gradient by a network's inputs from the `first` on, of some rows.

    :param layers: as `forward` filled it with n rows.
    :param asked: (m,) of them.
    :param delta: flat, m * max(widths): begins with the gradient of their outputs (m, widths[-1]).
    :param spare: as large.
    """
    start, widths = net.start, net.widths
    m, last, at = asked.size, widths.size - 2, n * widths[1:].sum()
    end = start + ((widths[:-1] + 1) * widths[1:]).sum()
    for k in range(last, -1, -1):
        into, out = widths[k], widths[k + 1]
        at -= n * out
        end -= (into + 1) * out
        d = delta[: m * out].reshape(m, out)
        if k < last:
            h = layers[at : at + n * out].reshape(n, out)
            for i in range(m):
                slope(d[i], h[asked[i]], net.activation)
        matrix = p[end : end + into * out].reshape(out, into)
        if k == 0:
            break
        live = living(d) if k < last and net.activation == RELU else NONE
        if live.size > 0:
            columns, rows = packed(d, matrix, live)
            np.dot(columns, rows, spare[: m * into].reshape(m, into))
        else:
            np.dot(d, matrix, spare[: m * into].reshape(m, into))
        delta, spare = spare, delta
    return np.dot(d, np.ascontiguousarray(matrix[:, first:]))


@compiled
def clip_norm(g, most):
    """torch.nn.utils.clip_grad_norm_ over all of it."""
    total = ZERO
    for i in range(g.size):
        total += g[i] * g[i]
    factor = F(most) / (np.sqrt(total) + F(1e-6))
    if not factor >= ONE:  # also where it is no number
        for i in range(g.size):
            g[i] *= factor


@compiled
def adam(p, g, m, v, step, rate, eps):
    """torch.optim.Adam with its own betas; `step` counts from 1."""
    size = F(rate / (1 - 0.9**step))
    scale = F(1 / np.sqrt(1 - 0.999**step))
    for i in range(g.size):
        m[i] += (g[i] - m[i]) * F(0.1)
        v[i] = v[i] * F(0.999) + g[i] * g[i] * F(0.001)
        p[i] -= size * m[i] / (np.sqrt(v[i]) * scale + F(eps))
