"""Compiled loops of the selective scan for CPU, forward and backward: each row is a few passes over time.

Everything that Numba compiles lives in this one file, because its compile cache notices a change only in
the file of the function that it cached. Callers share tasks out among threads; the loops release the GIL.
Work and memory are linear in the length of a row. Nothing but the inputs is kept for the backward pass, which
computes the states again.

`no_type_check` keeps run-time type checkers off functions that Numba must read as written.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, types
from numba.extending import overload

# Sums over time may be regrouped, so that they use vector registers; NaN and infinity keep their meaning.
LOOPS: Any = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
# Range reduction in the exponential must not be regrouped.
EXACT: Any = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

CHANNELS_AT_ONCE = 8
"""How many channels of a map are laid out as rows together."""
ROW_CELLS = 4096
"""Short rows are scanned in groups of about so many cells."""


@njit(cache=True, **LOOPS)
@no_type_check
def scan_rows(start, stop, parts, softplus, u, delta, A, B, C, D, bias, y):
    """Write y for the tasks [start, stop): task i is part i % parts of the channels of a sample's group."""
    groups, states, length = B.shape[1:]
    width = u.shape[1] // groups
    scratch = np.empty((3, 1, length), u.dtype)
    inputs = np.empty((1 + 2 * states, length), u.dtype)
    weight = np.ones((1, 1), u.dtype)
    for task in range(start, stop):
        b, k, part = task // parts // groups, task // parts % groups, task % parts
        inputs[1 : 1 + states] = B[b, k]
        inputs[1 + states :] = C[b, k]
        for c in range(k * width + part * width // parts, k * width + (part + 1) * width // parts):
            one = slice(c, c + 1)
            inputs[0] = delta[b, c]
            y[b, c] = 0
            _scan(softplus, False, u[b, one], inputs, weight, bias[one], A[one], D[one], y[b, one], scratch)


@njit(cache=True, **LOOPS)
@no_type_check
def scan_rows_gradients(
    start, stop, parts, softplus, u, delta, A, B, C, D, bias, dy, du, ddelta, dA, dB, dC, dD, dbias
):
    """Add the gradients of `scan_rows` for the tasks [start, stop); dA, dD, dbias per sample, dB and dC per part."""
    groups, states, length = B.shape[1:]
    width = u.shape[1] // groups
    scratch, padded = np.empty((5, 1, length), u.dtype), np.zeros((2, 1, length + 2), u.dtype)
    inputs = np.empty((1 + 2 * states, length), u.dtype)
    dinputs = np.empty((1 + 2 * states, length), u.dtype)
    weight, unused = np.ones((1, 1), u.dtype), np.zeros((1, 1), u.dtype)
    for task in range(start, stop):
        b, k, part = task // parts // groups, task // parts % groups, task % parts
        inputs[1 : 1 + states] = B[b, k]
        inputs[1 + states :] = C[b, k]
        dinputs[:] = 0
        for c in range(k * width + part * width // parts, k * width + (part + 1) * width // parts):
            one = slice(c, c + 1)
            inputs[0] = delta[b, c]
            dinputs[0] = 0
            _gradients(
                softplus, False, u[b, one], inputs, weight, bias[one], A[one], D[one], dy[b, one],
                scratch, padded, du[b, one], dinputs, unused, dbias[b, one], dA[b, one], dD[b, one],
            )  # fmt: skip
            ddelta[b, c] = dinputs[0]
        dB[part, b, k] = dinputs[1 : 1 + states]
        dC[part, b, k] = dinputs[1 + states :]


@njit(cache=True, **LOOPS)
@no_type_check
def scan_grid(start, stop, parts, u, projected, dt_weight, dt_bias, A, D, y):
    """Write y (batch, height, width, channels), the four directions summed, for the tasks [start, stop).

    Task i is part i % parts of the channels of one sample. `projected` holds, for each cell and direction,
    the `rank` inputs of delta, then B, then C.
    """
    height, width, channels = u.shape[1:]
    length = height * width
    group = max(1, min(ROW_CELLS // length, CHANNELS_AT_ONCE))
    scratch = np.empty((3, group, length), u.dtype)
    inputs = np.empty((4, projected.shape[3] // 4, length), u.dtype)
    rows = np.empty((2, CHANNELS_AT_ONCE, length), u.dtype)
    sums = np.empty((2, CHANNELS_AT_ONCE, length), u.dtype)
    for task in range(start, stop):
        b, part = task // parts, task % parts
        _unfold_directions(projected[b], inputs)
        last = (part + 1) * channels // parts
        for first in range(part * channels // parts, last, CHANNELS_AT_ONCE):
            size = min(CHANNELS_AT_ONCE, last - first)
            # Rows and columns are copied out once; directions 2 and 3 read the same copies from the end.
            _unfold(u[b], first, size, rows)
            sums[:] = 0
            for j in range(0, size, group):
                row = slice(j, min(j + group, size))
                c = slice(first + j, min(first + j + group, last))
                for k in range(4):
                    _scan(
                        True, k >= 2, rows[k % 2, row], inputs[k], dt_weight[k, c], dt_bias[k, c],
                        A[k, c], D[k, c], sums[k % 2, row], scratch,
                    )  # fmt: skip
            _fold(sums, first, size, y[b])


@njit(cache=True, **LOOPS)
@no_type_check
def scan_grid_gradients(
    start, stop, parts, u, projected, dt_weight, dt_bias, A, D, dy, du, dprojected, dweight, dbias, dA, dD
):
    """Write du and, per part, dprojected of `scan_grid` for the tasks [start, stop); add other gradients per sample."""
    height, width, channels = u.shape[1:]
    length = height * width
    group = max(1, min(ROW_CELLS // length, CHANNELS_AT_ONCE))
    scratch, padded = np.empty((5, group, length), u.dtype), np.zeros((2, group, length + 2), u.dtype)
    inputs = np.empty((4, projected.shape[3] // 4, length), u.dtype)
    dinputs = np.empty((4, projected.shape[3] // 4, length), u.dtype)
    rows = np.empty((2, CHANNELS_AT_ONCE, length), u.dtype)
    drows = np.empty((2, CHANNELS_AT_ONCE, length), u.dtype)
    dsums = np.empty((2, CHANNELS_AT_ONCE, length), u.dtype)
    for task in range(start, stop):
        b, part = task // parts, task % parts
        _unfold_directions(projected[b], inputs)
        dinputs[:] = 0
        last = (part + 1) * channels // parts
        for first in range(part * channels // parts, last, CHANNELS_AT_ONCE):
            size = min(CHANNELS_AT_ONCE, last - first)
            _unfold(u[b], first, size, rows)
            _unfold(dy[b], first, size, dsums)
            drows[:] = 0
            for j in range(0, size, group):
                row = slice(j, min(j + group, size))
                c = slice(first + j, min(first + j + group, last))
                for k in range(4):
                    _gradients(
                        True, k >= 2, rows[k % 2, row], inputs[k], dt_weight[k, c], dt_bias[k, c],
                        A[k, c], D[k, c], dsums[k % 2, row], scratch, padded, drows[k % 2, row],
                        dinputs[k], dweight[b, k, c], dbias[b, k, c], dA[b, k, c], dD[b, k, c],
                    )  # fmt: skip
            _fold(drows, first, size, du[b])
        _fold_directions(dinputs, dprojected[part, b])


@njit(**LOOPS)
@no_type_check
def _scan(softplus, reverse, u, inputs, weight, bias, A, D, y, scratch):
    """Add the outputs of some rows (row, time) to y.

    `inputs` holds what the rows share, as rows of their own: the inputs of delta, then B, then C.
    delta is `bias + weight @ inputs`, through softplus or not.
    """
    count, length = u.shape
    rank, states = weight.shape[1], A.shape[1]
    delta, decay, state = scratch[0, :count], scratch[1, :count], scratch[2, :count]
    _steps(inputs, weight, bias, delta)
    if softplus:
        flat = delta.reshape(-1)
        for i in range(flat.size):
            flat[i] = _softplus(flat[i])
    for j in range(count):
        for t in range(length):
            y[j, t] += D[j] * u[j, t]
    # One state at a time, each step of the work a loop of its own over time: only the recurrence is a chain, so all
    # other loops use vector registers, the exponentials of all rows in one.
    for n in range(states):
        B, C = inputs[rank + n], inputs[rank + states + n]
        for j in range(count):
            for t in range(length):
                decay[j, t] = delta[j, t] * A[j, n]
                state[j, t] = delta[j, t] * u[j, t] * B[t]
        flat = decay.reshape(-1)
        for i in range(flat.size):
            flat[i] = _exp(flat[i])
        for j in range(count):
            _recur(decay[j], state[j], reverse)
            for t in range(length):
                y[j, t] += C[t] * state[j, t]


@njit(**LOOPS)
@no_type_check
def _gradients(
    softplus, reverse, u, inputs, weight, bias, A, D, dy, scratch, padded, du, dinputs, dweight, dbias, dA, dD
):
    """Add the gradients of the rows that `_scan` scans; `padded` is two cells longer than a row, zero at both ends."""
    count, length = u.shape
    rank, states = weight.shape[1], A.shape[1]
    delta, slope, ddelta = scratch[0, :count], scratch[1, :count], scratch[2, :count]
    ddrive, g = scratch[3, :count], scratch[4, :count]
    # The gradient runs against the scan: it meets the decay of the step after, the state of the one before.
    after, before = (0, 2) if reverse else (2, 0)
    _steps(inputs, weight, bias, delta)
    slope[:] = 1
    if softplus:
        flat, flat_slope = delta.reshape(-1), slope.reshape(-1)
        for i in range(flat.size):
            flat_slope[i] = _logistic(flat[i])
            flat[i] = _softplus(flat[i])
    ddelta[:] = 0
    ddrive[:] = 0
    for n in range(states):
        B, C = inputs[rank + n], inputs[rank + states + n]
        dB, dC = dinputs[rank + n], dinputs[rank + states + n]
        for j in range(count):
            for t in range(length):
                g[j, t] = delta[j, t] * A[j, n]
        flat = g.reshape(-1)
        for i in range(flat.size):
            flat[i] = _exp(flat[i])
        for j in range(count):
            decay, state = padded[0, j, 1 : length + 1], padded[1, j, 1 : length + 1]
            state_before = padded[1, j, before : before + length]
            for t in range(length):
                decay[t] = g[j, t]
                state[t] = delta[j, t] * u[j, t] * B[t]
                g[j, t] = dy[j, t] * C[t]
            _recur(decay, state, reverse)
            _recur(padded[0, j, after : after + length], g[j], not reverse)
            total = dA[j, n]
            for t in range(length):
                dC[t] += dy[j, t] * state[t]
                dB[t] += g[j, t] * delta[j, t] * u[j, t]
                ddrive[j, t] += g[j, t] * B[t]
                through_decay = g[j, t] * state_before[t] * decay[t]
                ddelta[j, t] += through_decay * A[j, n]
                total += through_decay * delta[j, t]
            dA[j, n] = total
    for j in range(count):
        of_bias, of_D = dbias[j], dD[j]
        for t in range(length):
            du[j, t] += D[j] * dy[j, t] + ddrive[j, t] * delta[j, t]
            ddelta[j, t] = (ddelta[j, t] + ddrive[j, t] * u[j, t]) * slope[j, t]
            of_bias += ddelta[j, t]
            of_D += dy[j, t] * u[j, t]
        dbias[j], dD[j] = of_bias, of_D
        for r in range(rank):
            total = dweight[j, r]
            for t in range(length):
                dinputs[r, t] += ddelta[j, t] * weight[j, r]
                total += ddelta[j, t] * inputs[r, t]
            dweight[j, r] = total


@njit(**LOOPS)
@no_type_check
def _steps(inputs, weight, bias, delta):
    """Write delta = bias + weight @ inputs, with as many of the first rows of inputs as weight has columns."""
    for j in range(weight.shape[0]):
        delta[j] = bias[j]
        for r in range(weight.shape[1]):
            for t in range(delta.shape[1]):
                delta[j, t] += weight[j, r] * inputs[r, t]


@njit(**EXACT)
@no_type_check
def _recur(decay, state, reverse):
    """Write h_t = decay_t h_{t-1} + state_t in place of state, from h = 0; from last to first if `reverse`.

    Four steps are composed before they meet h: the chain of dependent operations is a quarter as long.
    """
    length = state.size
    step = -1 if reverse else 1
    i = length - 1 if reverse else 0
    h = state.dtype.type(0)
    for _ in range(length // 4):
        j, k, m = i + step, i + 2 * step, i + 3 * step
        a, x = decay[i], state[i]
        state[i] = a * h + x
        a, x = decay[j] * a, decay[j] * x + state[j]
        state[j] = a * h + x
        a, x = decay[k] * a, decay[k] * x + state[k]
        state[k] = a * h + x
        a, x = decay[m] * a, decay[m] * x + state[m]
        h = a * h + x
        state[m] = h
        i += 4 * step
    for _ in range(length % 4):
        h = decay[i] * h + state[i]
        state[i] = h
        i += step


@njit(**LOOPS)
@no_type_check
def _unfold(grid, first, size, rows):
    """Copy `size` channels of (height, width, channels), from `first`, into rows: row-major, then column-major."""
    height, width = grid.shape[:2]
    for h in range(height):
        for w in range(width):
            for j in range(size):
                rows[0, j, h * width + w] = grid[h, w, first + j]
    for w in range(width):
        for h in range(height):
            for j in range(size):
                rows[1, j, w * height + h] = grid[h, w, first + j]


@njit(**LOOPS)
@no_type_check
def _fold(rows, first, size, grid):
    """Write the sum of both orders back to the grid: the transpose of `_unfold`."""
    height, width = grid.shape[:2]
    for h in range(height):
        for w in range(width):
            for j in range(size):
                grid[h, w, first + j] = rows[0, j, h * width + w] + rows[1, j, w * height + h]


@njit(**LOOPS)
@no_type_check
def _unfold_directions(grid, rows):
    """Copy (height, width, 4 * count) into (4, count, length), column-major for directions 1 and 3."""
    height, width = grid.shape[:2]
    count = rows.shape[1]
    for h in range(height):
        for w in range(width):
            for k in range(4):
                t = w * height + h if k % 2 else h * width + w
                for i in range(count):
                    rows[k, i, t] = grid[h, w, k * count + i]


@njit(**LOOPS)
@no_type_check
def _fold_directions(rows, grid):
    """Copy (4, count, length) back into (height, width, 4 * count): the inverse of `_unfold_directions`."""
    height, width = grid.shape[:2]
    count = rows.shape[1]
    for h in range(height):
        for w in range(width):
            for k in range(4):
                t = w * height + h if k % 2 else h * width + w
                for i in range(count):
                    grid[h, w, k * count + i] = rows[k, i, t]


LOG2_E = np.float32(1 / math.log(2))
LN_2_HIGH = np.float32(0.693359375)  # few enough bits that its product with a power of two is exact
LN_2_LOW = np.float32(math.log(2) - 0.693359375)
ONE, HALF, ZERO, TWO = np.float32(1), np.float32(0.5), np.float32(0), np.float32(2)
LOWEST, HIGHEST = np.float32(-87), np.float32(88)
E2, E3, E4, E5, E6, E7 = (np.float32(1 / math.factorial(i)) for i in range(2, 8))
T1, T2, T3, T4, T5, T6 = (np.float32(2 / (2 * i + 1)) for i in range(1, 7))


def _exp(x):
    """exp(x). In float32 the relative error is 1e-7 for x in [-87, 88]; beyond, x is clipped to these bounds."""
    raise NotImplementedError("compiled code only")


def _softplus(x):
    """log(1 + exp(x)), and x itself beyond 20."""
    raise NotImplementedError("compiled code only")


def _logistic(x):
    """1 / (1 + exp(-x)), the slope of softplus at x."""
    raise NotImplementedError("compiled code only")


@overload(_exp, jit_options=EXACT)
@no_type_check
def _exp_of(x):
    if x is not types.float32:
        return lambda x: math.exp(x)

    def taylor(x):
        x = LOWEST if x < LOWEST else x
        x = HIGHEST if x > HIGHEST else x
        power = np.floor(x * LOG2_E + HALF)
        r = x - power * LN_2_HIGH - power * LN_2_LOW
        series = (((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2) * r * r + r + ONE
        return series * np.int32((np.int32(power) + 127) << 23).view(np.float32)  # times 2 ** power

    return taylor


@overload(_softplus, jit_options=EXACT)
@no_type_check
def _softplus_of(x):
    if x is not types.float32:
        return lambda x: x if x > 20 else math.log1p(math.exp(x))

    def taylor(x):
        # log(1 + e) = 2 artanh(z) with z = e / (e + 2), at most 1/3 since e is.
        e = _exp(-abs(x))
        z = e / (e + TWO)
        q = z * z
        return max(x, ZERO) + ((((((T6 * q + T5) * q + T4) * q + T3) * q + T2) * q + T1) * q + TWO) * z

    return taylor


@overload(_logistic, jit_options=EXACT)
@no_type_check
def _logistic_of(x):
    if x is not types.float32:
        return lambda x: 1.0 if x > 20 else 1 / (1 + math.exp(-x))

    def stable(x):
        e = _exp(-abs(x))
        return (ONE if x >= ZERO else e) / (ONE + e)

    return stable
