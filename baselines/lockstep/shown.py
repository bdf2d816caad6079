"""What networks are shown in an update, each row once, and only what differs where that is little.

In a world of few states most rows of a minibatch are equal: a network answers them once. Where
most numbers of a row are what they are in all others, such as the zeros of a one-hot code, the
first layer adds up those that are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.lockstep.kernel import ZERO, F, backward_to, compiled, forward_from

# A product reads numbers one by one in so many times the time of a dense one.
SPARSE = 16


class Shown(NamedTuple):
    """Rows of numbers; where few differ from `base`, those that do."""

    rows: np.ndarray  # (m, D)
    base: np.ndarray  # (D,)
    starts: np.ndarray  # (m + 1,): where each row begins in `places`; (1,) if too many differ
    places: np.ndarray
    values: np.ndarray  # less `base`


class Distinct(NamedTuple):
    """Rows in the order of steps."""

    shown: Shown
    of: np.ndarray  # (N,): the row of `shown` that each is


@compiled
def numbered(rows, keys):  # (n, D), (D,)
    """Equal rows have the same number: the numbers (n,), and where each was first (m,).

    :param keys: odd numbers, drawn at random.
    """
    n, width = rows.shape
    bits = rows.view(np.uint32)
    size = 2
    while size < 2 * n:
        size *= 2
    table, number, first, known = np.full(size, -1), np.empty(n, np.int64), np.empty(n, np.int64), 0
    for i in range(n):
        code = np.uint64(0)
        for j in range(width):
            code += np.uint64(bits[i, j]) * keys[j]
        at = np.int64(code >> np.uint64(33)) & (size - 1)
        while table[at] >= 0:
            other, same = first[table[at]], True
            for j in range(width):
                same &= bits[i, j] == bits[other, j]
            if same:
                break
            at = (at + 1) & (size - 1)
        if table[at] < 0:
            table[at] = known
            first[known] = i
            known += 1
        number[i] = table[at]
    return number, first[:known]


@compiled
def differing(rows, base):  # (m, D), (D,)
    """`starts`, `places` and `values` of Shown."""
    m, width = rows.shape
    most, count = m * width // SPARSE, 0
    places, values = np.empty(most, np.int64), np.empty(most, F)
    starts = np.zeros(m + 1, np.int64)
    for i in range(m):
        for j in range(width):
            if rows[i, j] != base[j]:
                if count == most:
                    return starts[:1], places[:0], values[:0]
                places[count] = j
                values[count] = rows[i, j] - base[j]
                count += 1
        starts[i + 1] = count
    return starts, places[:count], values[:count]


def shown(rows: np.ndarray, base: np.ndarray | None = None) -> Shown:
    """:param base: what most numbers of a row may be, place by place; 0 by default."""
    base = np.zeros(rows.shape[1], F) if base is None else base
    return Shown(rows, base, *differing(rows, base))


def once(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (N, D)
    """Each row once (m, D), and which of them each was (N,)."""
    keys = np.random.default_rng(0).integers(2**63, size=rows.shape[1], dtype=np.uint64) * 2 + 1
    of, first = numbered(rows, keys)
    return rows[first], of


def distinct(rows: np.ndarray) -> Distinct:  # (N, D)
    rows, of = once(rows)
    return Distinct(shown(rows), of)


# Minibatches --------------------------------------------------------------------------------------


@compiled
def grouped(of, rows, slots, which, group):
    """Which rows a minibatch shows, each once.

    :param of: of Distinct, of which `rows` (n,) are asked.
    :param slots: (m,) -1 everywhere, and left so.
    :param which: filled with rows of `shown`, in the order in which they come.
    :param group: (n,): filled with the place of each in `which`.
    :return: how many they are.
    """
    count = 0
    for i in range(rows.size):
        row = of[rows[i]]
        if slots[row] < 0:
            slots[row] = count
            which[count] = row
            count += 1
        group[i] = slots[row]
    for i in range(count):
        slots[which[i]] = -1
    return count


@compiled
def forward_shown(p, net, shown, which, x, layers):
    """`kernel.forward` of the rows `which` (k,).

    :param x: (k, D): filled with them where the product reads them, or there is no hidden layer.
    """
    k, width, out = which.size, shown.rows.shape[1], net.widths[1]
    matrix = p[net.start : net.start + width * out].reshape(out, width)
    z = layers[: k * out].reshape(k, out)
    if shown.starts.size == 1:
        for i in range(k):
            x[i] = shown.rows[which[i]]
        np.dot(x, matrix.T, z)
        return forward_from(p, net, k, layers)
    common = np.dot(matrix, shown.base)
    for i in range(k):
        z[i] = common
        if net.widths.size == 2:
            x[i] = shown.rows[which[i]]
        for at in range(shown.starts[which[i]], shown.starts[which[i] + 1]):
            place, value = shown.places[at], shown.values[at]
            for j in range(out):
                z[i, j] += matrix[j, place] * value
    return forward_from(p, net, k, layers)


@compiled
def backward_shown(p, g, net, shown, which, x, layers, delta, spare):
    """`kernel.backward` of the rows that `forward_shown` has shown."""
    k, width, out = which.size, shown.rows.shape[1], net.widths[1]
    d = backward_to(p, g, net, k, layers, delta, spare)
    gradient = g[net.start : net.start + width * out].reshape(out, width)
    if shown.starts.size == 1:
        np.dot(d.T, x, gradient)
        return
    for j in range(out):
        total = ZERO
        for i in range(k):
            total += d[i, j]
        for place in range(width):
            gradient[j, place] = total * shown.base[place]
    for i in range(k):
        for at in range(shown.starts[which[i]], shown.starts[which[i] + 1]):
            place, value = shown.places[at], shown.values[at]
            for j in range(out):
                gradient[j, place] += d[i, j] * value
