"""What the page does with sound that comes and goes as samples: its worklet on an offline clock, and its resampler."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RATE = 24_000
BLOCK = 128
"""Samples that a browser renders at a time."""

RAMP = round(0.005 * RATE)

PLAY = """async ({ seconds, orders }) => {
    const context = new OfflineAudioContext(1, seconds * 24000, 24000);
    await context.audioWorklet.addModule("/static/player_worklet.js");
    const node = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    const reports = [];
    node.port.onmessage = ({ data }) => reports.push(data);
    node.connect(context.destination);
    const obey = async (due) => {
        for (const { samples, ...order } of due) {
            node.port.postMessage(samples ? { ...order, samples: Float32Array.from(samples) } : order);
        }
        await new Promise((resolve) => setTimeout(resolve, 100)); // until they have arrived on its thread
    };
    const times = [...new Set(orders.map(({ at }) => at))].filter((at) => at > 0);
    await obey(orders.filter(({ at }) => at === 0));
    for (const time of times) {
        context.suspend(time).then(async () => {
            await obey(orders.filter(({ at }) => at === time));
            context.resume();
        });
    }
    const played = await context.startRendering();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return [Array.from(played.getChannelData(0)), reports];
}"""

RESAMPLE = """async ({ samples, from, to }) => {
    const { Resampler } = await import("/static/resampler.js");
    const resampler = new Resampler(from, to);
    const made = [];
    for (let at = 0; at < samples.length; at += 0.02 * from) {
        made.push(...resampler.push(Float32Array.from(samples.slice(at, at + 0.02 * from))));
    }
    return made;
}"""


def play(page: "Page", seconds: float, *orders: dict[str, Any]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """What is heard of the orders, each `at` its time, and what the player reports."""
    heard, reports = page.evaluate(PLAY, {"seconds": seconds, "orders": list(orders)})
    return np.array(heard), reports


def numbered(seconds: float, begin: int = 0) -> list[float]:
    """Loud samples that can be told apart."""
    return [(0.25 + (begin + number) / 1e6) for number in range(round(seconds * RATE))]


def at(block: int) -> float:
    """The time at which a block begins."""
    return block * BLOCK / RATE


def test_held_sound_falls_silent_at_once_and_goes_on_where_it_was(page: "Page") -> None:
    sound = numbered(1.0)
    heard, _ = play(
        page, 2.0,
        {"at": 0, "order": "play", "item": "a", "samples": sound},
        {"at": at(20), "order": "hold"},
        {"at": at(60), "order": "goOn"},
    )  # fmt: skip
    held, on = 20 * BLOCK, 60 * BLOCK
    assert np.allclose(heard[:held], sound[:held])
    assert np.all(np.diff(heard[held : held + RAMP]) < 0), "it fades"
    assert not heard[held + RAMP : on].any()
    assert np.all(np.diff(heard[on : on + RAMP - 1]) > 0)
    rest = sound[held + 2 * RAMP :]
    assert np.allclose(heard[on + RAMP : on + RAMP + len(rest)], rest), "nothing was left out"


def test_cut_sound_falls_silent_at_once_and_says_what_was_played(page: "Page") -> None:
    pieces = [{"at": 0, "order": "play", "item": "a", "samples": numbered(0.02, 480 * n)} for n in range(50)]
    heard, (report, again) = play(
        page, 2.0,
        *pieces,
        {"at": at(30), "order": "cut"},
        {"at": at(30), "order": "cut"},  # as when the caller speaks, and then the answer is over
        {"at": at(30), "order": "play", "item": "b", "samples": [0.5] * 4800},
    )  # fmt: skip
    cut = 30 * BLOCK
    assert report == {"item": "a", "played": cut + RAMP, "left": RATE - cut - RAMP}
    assert again["left"] == 0
    assert np.all(np.diff(heard[cut : cut + RAMP]) < 0) and heard[cut + RAMP - 1] < 0.02
    assert np.allclose(heard[cut + RAMP : cut + RAMP + 4800], 0.5), "the next answer is heard whole"
    assert not heard[cut + RAMP + 4800 :].any()


def test_answer_that_is_cut_while_it_is_held_was_played_until_then(page: "Page") -> None:
    _, (report,) = play(
        page, 1.0,
        {"at": 0, "order": "play", "item": "a", "samples": numbered(0.5)},
        {"at": at(20), "order": "hold"},
        {"at": at(80), "order": "cut"},
    )  # fmt: skip
    assert report["played"] == 20 * BLOCK + RAMP


def test_who_is_late_shortens_pauses_and_never_holds_more_than_four_seconds(page: "Page") -> None:
    words, pause = [0.5] * RATE, [0.0] * (RATE // 2)
    heard, (report,) = play(
        page, 6.0,
        {"at": 0, "order": "play", "item": "a", "samples": [*words, *pause, *words]},
        {"at": at(600), "order": "play", "item": "b", "samples": numbered(3.0)},
        {"at": at(600), "order": "play", "item": "c", "samples": numbered(3.0)},
        {"at": at(610), "order": "cut"},
    )  # fmt: skip
    quiet = np.flatnonzero(np.abs(heard[: 600 * BLOCK]) < 0.01)
    assert len(pause) / 2 - BLOCK <= np.sum(quiet < 2 * RATE) <= len(pause) / 2 + BLOCK
    assert report["item"] == "c" and report["left"] <= 4 * RATE


@pytest.mark.parametrize(("source", "target"), [(48_000, 24_000), (44_100, 24_000), (16_000, 24_000), (24_000, 44_100)])
def test_resampled_sound_is_the_same_at_the_other_rate(page: "Page", source: int, target: int) -> None:
    def made(frequency: float) -> np.ndarray:
        tone = np.sin(2 * np.pi * frequency * np.arange(source) / source)
        found = page.evaluate(RESAMPLE, {"samples": tone.tolist(), "from": source, "to": target})
        assert len(found) == target
        return np.array(found[target // 4 : 3 * target // 4])

    kept = made(1000)
    turns = 2 * np.pi * 1000 * np.arange(len(kept)) / target
    basis = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    (parts, *_) = np.linalg.lstsq(basis, kept, rcond=None)
    assert np.hypot(*parts) == pytest.approx(1.0, abs=0.01)
    assert np.abs(kept - basis @ parts).max() < 1e-4
    if source > target:
        assert np.abs(made(13_500)).max() < 1e-3, "what the lower rate has no room for"
