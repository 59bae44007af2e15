"""From the hand to the pixel: how long a dragged widget takes to show what the hand asked for, in a real browser.

Method. A real pointer drag (`Input.dispatchMouseEvent` of the Chrome DevTools protocol, 60 events a second) moves a
handle along its track and back. The time of an input is the event's own timestamp, set by the browser's input
thread, so that an event that waits behind a busy page is charged for its wait. After every rendered frame the probe
hashes the picture. Then the same pointer positions are visited one by one, each left to settle, which tells for
every picture the positions that show it; so every frame seen during the drag is known to show an input.

- latency of an input: the first frame that shows it, or a newer one, minus its time;
- frames per second: distinct pictures shown during the drag;
- settled: the last change of the picture after the last input;
- blank: frames in which there was no picture.

Inputs are sent on a clock, whether or not the page has answered the ones before (no coordinated omission). On the
way out the pointer visits even pixels, on the way back odd ones, so that the two ways have different pictures. The
repetitions during which other programs took more than a quarter of a core are left out, if calm ones remain.
"""

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

PROBE = (Path(__file__).parent / "probe.js").read_text(encoding="utf-8")
Position = tuple[int, int]


class Latency(NamedTuple):
    """One drag. Times in milliseconds."""

    p50: float
    p95: float
    fps: float
    settled: float
    blank: int
    inputs: int
    unknown: int  # frames whose picture no settled position shows
    others: float  # cores that other programs used meanwhile


def quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else math.inf


def evaluate(events, frames, shown_at: dict[str, set[Position]], others: float = 0.0) -> Latency:
    """Return the figures of one drag.

    events: (time, x, y) of each input; frames: (time, picture or None) whenever the picture changed;
    shown_at: picture -> the positions that settle on it.
    """
    first, last = events[0][0], events[-1][0]
    pictures = [(when, seen) for when, seen in frames if seen is not None]
    known, current, unknown = [], -1, 0
    for when, seen in pictures:
        places = shown_at.get(seen)
        unknown += not places
        # the newest input so far that stands where this picture is shown; pictures do not go back in time
        candidates = [
            i
            for i, (moment, x, y) in enumerate(events)
            if places and i >= current and moment <= when and (x, y) in places
        ]
        if candidates:
            current = candidates[-1]
            known.append((when, current))
    waits, at = [], 0
    for i, (moment, _, _) in enumerate(events):
        while at < len(known) and known[at][1] < i:
            at += 1
        if at < len(known):
            waits.append(known[at][0] - moment)
    changes = [when for k, (when, seen) in enumerate(pictures) if k and pictures[k - 1][1] != seen]
    during = sum(first <= when <= last for when in changes)
    settled = max(0.0, (changes[-1] if changes else math.inf) - last)
    seconds = (last - first) / 1000
    blank = sum(seen is None for _, seen in frames)
    return Latency(
        quantile(waits, 0.5), quantile(waits, 0.95), during / seconds, settled, blank, len(events), unknown, others
    )  # fmt: skip


def median(drags: Sequence[Latency], calm: float = 0.25) -> tuple[Latency, int]:
    """Return the median of each figure over the calm drags (over all, if none was calm), and how many were calm."""
    quiet = [drag for drag in drags if drag.others < calm]
    return Latency(*map(statistics.median, zip(*(quiet or drags), strict=True))), len(quiet)


def track(box: dict, steps: int, pad: bool) -> list[Position]:
    """Return the pointer positions of a drag along `box` and back; on a pad the way is a wave."""
    half, positions = steps // 2, []
    for i in range(steps):
        part = i / half if i <= half else 2 - i / half
        x = round(box["x"] + (0.06 + 0.88 * part) * box["width"]) & ~1 | (i > half)
        wave = 0.35 * box["height"] * math.sin(2 * math.pi * part) if pad else 0
        positions.append((x, round(box["y"] + box["height"] / 2 + wave)))
    return positions


class Cores:
    """How many cores all other programs used since the last call (this process and its children are not others)."""

    def __init__(self):
        self.before = self._now()

    @staticmethod
    def _now():
        whole = psutil.cpu_times()
        busy = sum(whole) - whole.idle - getattr(whole, "iowait", 0) - getattr(whole, "guest", 0)
        me, own = psutil.Process(), 0.0
        for process in (me, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
                own += times.user + times.system
            except psutil.Error:
                continue  # it ended meanwhile
        return time.monotonic(), busy - own

    def others(self) -> float:
        then, self.before = self.before, self._now()
        return max(0.0, (self.before[1] - then[1]) / (self.before[0] - then[0]))


async def measure(
    page, handle: str, picture: str, *, along: str | None = None, pad=False, repeats=3, seconds=3.0, rate=61
) -> list[Latency]:
    """Drag `handle` along itself, or along `along`, and watch `picture`: CSS selectors on an async page.

    The hand moves `rate` times a second, once more than the display of 60 draws, so that within a second it meets a
    frame at every phase. At the same rate the two clocks would stand still to each other, and the median would tell
    where they happen to stand: anything from a paint to a paint and a whole frame (16.7 ms) more.

    PROBE must be an init script of the page.
    """
    grip = page.locator(handle).first
    await grip.wait_for()
    await page.locator(picture).last.scroll_into_view_if_needed()
    await grip.scroll_into_view_if_needed()
    await page.wait_for_timeout(500)
    session = await page.context.new_cdp_session(page)
    box = await (page.locator(along).first if along else grip).bounding_box()
    positions = track(box, int(rate * seconds), pad)

    async def mouse(kind: str, place: Position):
        await session.send(
            "Input.dispatchMouseEvent",
            {
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1, "pointerType": "mouse",
                "buttons": 0 if kind == "mouseReleased" else 1,
            },
        )  # fmt: skip

    async def settled(quiet: int, most: int):
        await page.evaluate("([quiet, most]) => probe.settled(quiet, most)", [quiet, most])

    if along:
        held = await grip.bounding_box()
        await mouse(
            "mousePressed", (round(held["x"] + held["width"] / 2), round(held["y"] + held["height"] / 2))
        )
    else:
        await mouse("mousePressed", positions[0])
    await page.evaluate("selector => probe.start(selector)", picture)
    drags, shown_at = [], None
    for _ in range(repeats):
        await mouse("mouseMoved", positions[0])
        await settled(800, 20_000)
        await page.evaluate("selector => probe.start(selector)", picture)
        cores, begin, sent = Cores(), time.perf_counter(), []
        for i, place in enumerate(positions):
            await asyncio.sleep(max(0, begin + i / rate - time.perf_counter()))
            sent.append(asyncio.create_task(mouse("mouseMoved", place)))
        await asyncio.gather(*sent)
        await settled(700, 30_000)
        others = cores.others()
        events, frames = await page.evaluate("() => [probe.events, probe.frames]")
        if shown_at is None:
            shown_at = await _visit(page, mouse, settled, positions)
        drags.append(evaluate(events, frames, shown_at, others))
    await mouse("mouseReleased", positions[0])
    return drags


async def _visit(page, mouse, settled, positions) -> dict[str, set[Position]]:
    """Go to every position once and wait there; return picture -> positions."""
    shown_at: dict[str, set[Position]] = {}
    for place in sorted(set(positions), reverse=True):
        await page.evaluate("() => { probe.frames = []; }")
        await mouse("mouseMoved", place)
        await settled(120, 1000)
        shown_at.setdefault(await page.evaluate("() => probe.last"), set()).add(place)
    return shown_at
