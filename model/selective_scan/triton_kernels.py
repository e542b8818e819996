"""Triton kernels of the selective scan, forward and backward: a thread follows one channel through time.

Channels are the last axis of all tensors, so the threads of a warp read neighbouring numbers whatever the order of
the cells; the four directions of a map are read in place and none costs more than another. Time is cut into segments
that are scanned at once: first each from a state of zero (`segment_ends`), then again from what the segments before
it leave (`scan`). The backward pass does the same in the other direction of time.

Programs are (segments of blocks of channels, groups, samples); a group is a set of channels with its own B and C, of a
map a direction. Sums over programs are left to the caller, in a fixed order: nothing is added atomically, so the same
machine gives the same bits.

`no_type_check` keeps run-time type checkers off functions that Triton must read as written.
"""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def segment_ends(
    u, delta, A, B, bias, ends, spans,
    length, width, channels, states,
    u_batch, u_group, u_time, delta_batch, delta_group, delta_time, in_batch, in_group, in_time,
    HEIGHT: tl.constexpr, CROSSED: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr,
    SEGMENTS: tl.constexpr, STEPS: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write each segment's last state from a state of zero, and its sum of delta."""
    segment, channel, in_channels, group, sample = _place(channels, SEGMENTS, CHANNELS)
    state, in_states, at_state = _states(channel, in_channels, channels, states, STATES)
    slope, _, offset = _parameters(
        A, A, bias, group, channel, in_channels, state, in_states, channels, states, NUMBER
    )
    u += sample * u_batch + group * u_group
    delta += sample * delta_batch + group * delta_group
    B += sample * in_batch + group * in_group
    h = tl.zeros((STATES, CHANNELS), NUMBER)
    span = tl.zeros((CHANNELS,), NUMBER)
    for i in range(STEPS):
        time = segment * STEPS + i
        cell = _cell(time, group, length, width, HEIGHT, CROSSED)
        inside = in_channels & (time < length)
        x = tl.load(u + cell * u_time + channel, inside, 0.0).to(NUMBER)
        raw = tl.load(delta + cell * delta_time + channel, inside, 0.0).to(NUMBER) + offset
        step = tl.where(inside, _softplus(raw) if SOFTPLUS else raw, 0.0)
        into = tl.load(B + cell * in_time + state, (state < states) & (time < length), 0.0).to(NUMBER)
        h = tl.exp(step[None, :] * slope) * h + (step * x)[None, :] * into[:, None]
        span += step
    row = (sample * tl.num_programs(1) + group) * SEGMENTS + segment
    tl.store(ends + row * states * channels + at_state, h, in_states)
    tl.store(spans + row * channels + channel, span, in_channels)


@triton.jit
@no_type_check
def scan(
    u, delta, A, B, C, D, bias, ends, spans, y, history,
    length, width, channels, states,
    u_batch, u_group, u_time, delta_batch, delta_group, delta_time, in_batch, in_group, in_time,
    y_batch, y_group, y_time,
    HEIGHT: tl.constexpr, CROSSED: tl.constexpr, SOFTPLUS: tl.constexpr, HISTORY: tl.constexpr, NUMBER: tl.constexpr,
    SEGMENTS: tl.constexpr, STEPS: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write y or, with HISTORY, the state after every step: `history` is laid out as y with states before channels."""
    segment, channel, in_channels, group, sample = _place(channels, SEGMENTS, CHANNELS)
    state, in_states, at_state = _states(channel, in_channels, channels, states, STATES)
    slope, skip, offset = _parameters(
        A, D, bias, group, channel, in_channels, state, in_states, channels, states, NUMBER
    )
    u += sample * u_batch + group * u_group
    delta += sample * delta_batch + group * delta_group
    B += sample * in_batch + group * in_group
    C += sample * in_batch + group * in_group
    y += sample * y_batch + group * y_group
    history += (sample * y_batch + group * y_group) * states
    h = tl.zeros((STATES, CHANNELS), NUMBER)
    row = (sample * tl.num_programs(1) + group) * SEGMENTS
    # The state at the segment's start: an end state fades by exp(A * sum of delta) over each later segment. Every
    # program adds these up for itself, so that segments need not wait for one another.
    for other in range(SEGMENTS):
        before = other < segment
        span = tl.load(spans + (row + other) * channels + channel, in_channels & before, 0.0)
        end = tl.load(ends + (row + other) * states * channels + at_state, in_states & before, 0.0)
        h = tl.exp(span[None, :] * slope) * h + end
    for i in range(STEPS):
        time = segment * STEPS + i
        cell = _cell(time, group, length, width, HEIGHT, CROSSED)
        inside = in_channels & (time < length)
        x = tl.load(u + cell * u_time + channel, inside, 0.0).to(NUMBER)
        raw = tl.load(delta + cell * delta_time + channel, inside, 0.0).to(NUMBER) + offset
        step = tl.where(inside, _softplus(raw) if SOFTPLUS else raw, 0.0)
        in_shared = (state < states) & (time < length)
        into = tl.load(B + cell * in_time + state, in_shared, 0.0).to(NUMBER)
        h = tl.exp(step[None, :] * slope) * h + (step * x)[None, :] * into[:, None]
        if HISTORY:
            tl.store(history + cell.to(tl.int64) * y_time * states + at_state, h, in_states & (time < length))
        else:
            out_of = tl.load(C + cell * in_time + state, in_shared, 0.0).to(NUMBER)
            tl.store(y + cell * y_time + channel, tl.sum(h * out_of[:, None], 0) + skip * x, inside)


@triton.jit
@no_type_check
def segment_starts_gradients(
    delta, A, C, bias, dy, arrivals,
    length, width, channels, states,
    delta_batch, delta_group, delta_time, in_batch, in_group, in_time, dy_batch, dy_group, dy_time,
    HEIGHT: tl.constexpr, CROSSED: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr,
    SEGMENTS: tl.constexpr, STEPS: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the state that enters each segment, as if nothing came after the segment."""
    segment, channel, in_channels, group, sample = _place(channels, SEGMENTS, CHANNELS)
    state, in_states, at_state = _states(channel, in_channels, channels, states, STATES)
    slope, _, offset = _parameters(
        A, A, bias, group, channel, in_channels, state, in_states, channels, states, NUMBER
    )
    delta += sample * delta_batch + group * delta_group
    C += sample * in_batch + group * in_group
    dy += sample * dy_batch + group * dy_group
    p = tl.zeros((STATES, CHANNELS), NUMBER)
    for i in range(STEPS):
        time = segment * STEPS + STEPS - 1 - i
        cell = _cell(time, group, length, width, HEIGHT, CROSSED)
        inside = in_channels & (time < length)
        raw = tl.load(delta + cell * delta_time + channel, inside, 0.0).to(NUMBER) + offset
        step = tl.where(inside, _softplus(raw) if SOFTPLUS else raw, 0.0)
        upstream = tl.load(dy + cell * dy_time + channel, inside, 0.0).to(NUMBER)
        out_of = tl.load(C + cell * in_time + state, (state < states) & (time < length), 0.0).to(NUMBER)
        p = tl.exp(step[None, :] * slope) * (upstream[None, :] * out_of[:, None] + p)
    row = (sample * tl.num_programs(1) + group) * SEGMENTS + segment
    tl.store(arrivals + row * states * channels + at_state, p, in_states)


@triton.jit
@no_type_check
def scan_gradients(
    u, delta, A, B, C, D, bias, history, arrivals, spans, dy,
    du, ddelta, dA, dB, dC, dD, dbias,
    length, width, channels, states,
    u_batch, u_group, u_time, delta_batch, delta_group, delta_time, in_batch, in_group, in_time,
    dy_batch, dy_group, dy_time, y_batch, y_group, y_time, in_part,
    HEIGHT: tl.constexpr, CROSSED: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr,
    SEGMENTS: tl.constexpr, STEPS: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write all gradients: du laid out as y, ddelta as delta, dB and dC per block of channels, the rest per segment."""
    segment, channel, in_channels, group, sample = _place(channels, SEGMENTS, CHANNELS)
    state, in_states, at_state = _states(channel, in_channels, channels, states, STATES)
    slope, skip, offset = _parameters(
        A, D, bias, group, channel, in_channels, state, in_states, channels, states, NUMBER
    )
    groups = tl.num_programs(1)
    u += sample * u_batch + group * u_group
    delta += sample * delta_batch + group * delta_group
    ddelta += sample * delta_batch + group * delta_group
    B += sample * in_batch + group * in_group
    C += sample * in_batch + group * in_group
    part = tl.program_id(0) // SEGMENTS * in_part + sample * in_batch + group * in_group
    dB += part
    dC += part
    dy += sample * dy_batch + group * dy_group
    du += sample * y_batch + group * y_group
    history += (sample * y_batch + group * y_group) * states
    # p is the gradient that the step after passes to the state before it. States are read from `history`: running the
    # recurrence backwards would divide by decays near 0. Time is walked from the end, as p needs what comes after.
    p = tl.zeros((STATES, CHANNELS), NUMBER)
    row = (sample * groups + group) * SEGMENTS
    for i in range(SEGMENTS):
        other = SEGMENTS - 1 - i
        after = other > segment
        span = tl.load(spans + (row + other) * channels + channel, in_channels & after, 0.0)
        arrival = tl.load(arrivals + (row + other) * states * channels + at_state, in_states & after, 0.0)
        p = tl.exp(span[None, :] * slope) * p + arrival
    sum_A = tl.zeros((STATES, CHANNELS), NUMBER)
    sum_D = tl.zeros((CHANNELS,), NUMBER)
    sum_bias = tl.zeros((CHANNELS,), NUMBER)
    for i in range(STEPS):
        time = segment * STEPS + STEPS - 1 - i
        cell = _cell(time, group, length, width, HEIGHT, CROSSED)
        cell_before = _cell(time - 1, group, length, width, HEIGHT, CROSSED)
        inside = in_channels & (time < length)
        x = tl.load(u + cell * u_time + channel, inside, 0.0).to(NUMBER)
        raw = tl.load(delta + cell * delta_time + channel, inside, 0.0).to(NUMBER) + offset
        step = tl.where(inside, _softplus(raw) if SOFTPLUS else raw, 0.0)
        in_shared = (state < states) & (time < length)
        into = tl.load(B + cell * in_time + state, in_shared, 0.0).to(NUMBER)[:, None]
        out_of = tl.load(C + cell * in_time + state, in_shared, 0.0).to(NUMBER)[:, None]
        upstream = tl.load(dy + cell * dy_time + channel, inside, 0.0).to(NUMBER)
        has_before = in_states & (time > 0) & (time < length)
        h_before = tl.load(history + cell_before.to(tl.int64) * y_time * states + at_state, has_before, 0.0)

        decay = tl.exp(step[None, :] * slope)
        drive = (step * x)[None, :]
        g = upstream[None, :] * out_of + p
        p = decay * g
        through_decay = p * h_before
        tl.store(
            dC + cell * in_time + state,
            tl.sum(upstream[None, :] * (decay * h_before + drive * into), 1),
            in_shared,
        )
        tl.store(dB + cell * in_time + state, tl.sum(g * drive, 1), in_shared)
        ddrive = tl.sum(g * into, 0)
        tl.store(du + cell * y_time + channel, skip * upstream + ddrive * step, inside)
        dstep = tl.sum(through_decay * slope, 0) + ddrive * x
        dstep = tl.where(inside, dstep * _logistic(raw) if SOFTPLUS else dstep, 0.0)
        tl.store(ddelta + cell * delta_time + channel, dstep, inside)
        sum_A += through_decay * step[None, :]
        sum_D += upstream * x
        sum_bias += dstep
    own = ((sample * SEGMENTS + segment) * groups + group) * channels + channel
    tl.store(dA + own[None, :] * states + state[:, None], sum_A, in_states)
    tl.store(dD + own, sum_D, in_channels)
    tl.store(dbias + own, sum_bias, in_channels)


@triton.jit
@no_type_check
def _place(channels, SEGMENTS: tl.constexpr, CHANNELS: tl.constexpr):
    """Find the program's segment, its channels, which of these exist, its group and its sample."""
    segment = tl.program_id(0) % SEGMENTS
    channel = tl.program_id(0) // SEGMENTS * CHANNELS + tl.arange(0, CHANNELS)
    group, sample = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    return segment, channel, channel < channels, group, sample


@triton.jit
@no_type_check
def _states(channel, in_channels, channels, states, STATES: tl.constexpr):
    """Number the states, and tell which (state, channel) exist and where each lies in an array (states, channels)."""
    state = tl.arange(0, STATES)
    return (
        state,
        (state < states)[:, None] & in_channels[None, :],
        state[:, None] * channels + channel[None, :],
    )


@triton.jit
@no_type_check
def _parameters(
    A, D, bias, group, channel, in_channels, state, in_states, channels, states, NUMBER: tl.constexpr
):
    """Load A as (state, channel), D and the bias of delta, for the channels of a program."""
    of_group = group * channels + channel
    slope = tl.load(A + of_group[None, :] * states + state[:, None], in_states, 0.0).to(NUMBER)
    skip = tl.load(D + of_group, in_channels, 0.0).to(NUMBER)
    return slope, skip, tl.load(bias + of_group, in_channels, 0.0).to(NUMBER)


@triton.jit
@no_type_check
def _cell(time, group, length, width, HEIGHT: tl.constexpr, CROSSED: tl.constexpr):
    """Find the row-major cell that direction `group` visits at `time`: by rows, by columns, and both from the end."""
    if CROSSED:
        forward = tl.where(group >= 2, length - 1 - time, time)
        return tl.where(group % 2 == 1, forward % HEIGHT * width + forward // HEIGHT, forward)
    return time


@triton.jit
@no_type_check
def _softplus(x):
    """log(1 + exp(x)), precise where exp(x) vanishes beside 1."""
    e = tl.exp(-tl.abs(x))
    one_more = 1.0 + e
    log1p = tl.where(
        one_more == 1.0, e, tl.log(one_more) * e / tl.where(one_more == 1.0, 1.0, one_more - 1.0)
    )
    return tl.maximum(x, 0.0) + log1p


@triton.jit
@no_type_check
def _logistic(x):
    """1 / (1 + exp(-x)), the slope of softplus at x."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)
