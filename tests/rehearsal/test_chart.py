"""The tuner's drawing, read as the XML it is."""

from xml.etree import ElementTree

import pytest

from voicechat.rehearsal.chart import HEIGHT, WIDTH, Panel, svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*points: tuple[float, float] | None) -> ElementTree.Element:
    names = [f"a<b & {number}" for number in range(len(points))]
    return ElementTree.fromstring(svg([Panel("Waits", "ms", "%", points)], names))


def test_every_setting_has_its_point_and_its_name() -> None:
    root = drawn((100.0, 5.0), (400.0, 0.0), None)
    circles = root.findall(f"{SVG}circle")
    assert len(circles) == 2 + 3, "points that were measured, and a legend of all"
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "3  a<b & 2" in texts


@pytest.mark.parametrize("points", [((0.0, 0.0),), ((1e-3, 3e5), (7.0, 12.0)), ((100.0, 100.0),)])
def test_points_stay_within_the_panel(points: tuple[tuple[float, float], ...]) -> None:
    for circle in drawn(*points).findall(f"{SVG}circle")[: len(points)]:
        assert 0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0 <= float(circle.attrib["cy"]) <= HEIGHT


def test_more_is_further_right_and_higher() -> None:
    low, high = drawn((10.0, 1.0), (20.0, 2.0)).findall(f"{SVG}circle")[:2]
    assert float(low.attrib["cx"]) < float(high.attrib["cx"])
    assert float(low.attrib["cy"]) > float(high.attrib["cy"])


def test_nothing_measured_is_said() -> None:
    assert "nothing measured" in [text.text for text in drawn(None).iter(f"{SVG}text")]
