"""The arithmetic of the latency measurement, on drags whose answer is known."""

import math

import pytest

from .latency import Latency, evaluate, median, track

SETTLED = {"a": {(0, 0)}, "b": {(2, 0)}, "c": {(4, 0)}, "d": {(6, 0)}}
EVENTS = [(0.0, 0, 0), (100.0, 2, 0), (200.0, 4, 0), (300.0, 6, 0)]


def test_every_input_shown_after_ten_milliseconds():
    frames = [(-5.0, "z"), *((10.0 + 100 * i, "abcd"[i]) for i in range(4))]
    one = evaluate(EVENTS, frames, SETTLED)
    assert (one.p50, one.p95, one.settled, one.blank) == (10, 10, 10, 0)
    assert one.fps == pytest.approx(3 / 0.3) and one.unknown == 1


def test_an_input_that_is_skipped_waits_for_the_next_one_shown():
    one = evaluate(EVENTS, [(-5.0, "z"), (10.0, "a"), (310.0, "d")], SETTLED)
    assert one.p50 == 110 and one.p95 == 210  # waits 10, 210, 110, 10
    assert one.settled == 10


def test_a_picture_that_stands_behind_the_hand_is_charged_from_its_own_input():
    frames = [(-5.0, "z"), (150.0, "a"), (250.0, "b"), (350.0, "c"), (450.0, "d")]
    one = evaluate(EVENTS, frames, SETTLED)
    assert one.p50 == one.p95 == one.settled == 150


def test_a_widget_that_is_dead_has_no_finite_latency():
    one = evaluate(EVENTS, [(-5.0, "z")], SETTLED)
    assert one.p50 == one.p95 == one.settled == math.inf and one.fps == 0


def test_blank_frames_are_counted_and_no_picture():
    one = evaluate(EVENTS, [(-5.0, "z"), (5.0, None), (10.0, "a"), (305.0, None), (310.0, "d")], SETTLED)
    assert one.blank == 2 and one.settled == 10


def test_the_way_back_shares_no_pixel_with_the_way_out():
    places = track({"x": 10.0, "y": 20.0, "width": 300.0, "height": 40.0}, 180, pad=False)
    assert len(places) == 180 and {y for _, y in places} == {40}
    out, back = {x for x, _ in places[:91]}, {x for x, _ in places[91:]}
    assert not out & back and min(out | back) >= 27 and max(out | back) <= 293
    waving = track({"x": 10.0, "y": 20.0, "width": 300.0, "height": 300.0}, 180, pad=True)
    assert max(y for _, y in waving) - min(y for _, y in waving) > 200


def test_the_median_is_over_calm_drags_if_there_are_any():
    busy, calm = Latency(90, 99, 20, 60, 0, 180, 0, 1.2), Latency(10, 12, 59, 11, 0, 180, 0, 0.1)
    assert median([busy, calm, busy]) == (calm, 1)
    assert median([busy, busy]) == (busy, 0)
