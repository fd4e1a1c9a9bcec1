"""What figures share: labels apart, axes, looks, files."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure as Canvas

from care_bench.report.figures.drawing import DARK, drawn, log_axis, small_multiples
from care_bench.report.figures.looks import INK, looks
from care_bench.report.figures.placing import apart, label_points
from tests.sample_records import ROOT

DRAW = """
import sys
from care_bench.report.figures.drawing import drawn, small_multiples
def draw():
    canvas, ((panel,),) = small_multiples(1, 1)
    panel.plot([1, 2], [0.123456789, 3], marker="o", label="one")
    panel.set_title("a title")
    return canvas
for form in sys.argv[1].split(","):
    sys.stdout.buffer.write(drawn(draw, [form])[0])
"""


def draw() -> Canvas:
    canvas, ((panel,),) = small_multiples(1, 1)
    panel.plot([1, 2], [0.123456789, 3], marker="o")
    panel.set_title("a title")
    return canvas


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.0, 10.0], [0.0, 10.0]),  # far enough
        ([5.0, 5.0], [4.0, 6.0]),  # both give way
        ([5.0, 4.0, 20.0], [5.5, 3.5, 20.0]),  # in their order, around their mean of 4.5
        ([0.0, 1.0, 2.0], [-1.0, 1.0, 3.0]),
        ([0.0, 0.0, 3.0], [-1.0, 1.0, 3.0]),  # they touch the third, which stays
    ],
)
def test_labels_are_apart_and_near_to_where_they_belong(places: list[float], expected: list[float]) -> None:
    assert apart(places, 2.0) == pytest.approx(expected)


def test_neighbouring_looks_differ_in_colour_marker_and_line_and_none_is_used_twice() -> None:
    found = looks(40)
    assert len({(look.colour, look.marker) for look in found}) == 40
    for one, other in pairwise(found):
        assert (one.colour == other.colour, one.marker == other.marker, one.line == other.line) == (False,) * 3


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 1100.0, [1, 10, 100, 1000]),
        (0.09, 2.0, [0.1, 0.3, 1]),
        (0.11, 0.55, [0.15, 0.2, 0.3, 0.4]),
        (0.605, 0.7, [0.61, 0.64, 0.67]),  # 0.61, 0.62, ... 0.69, of which every third
        (0.009, 2e8, [0.01, 10, 1e4, 1e7]),
    ],
)
def test_a_logarithmic_axis_has_at_least_three_plain_numbers(low: float, high: float, expected: list[float]) -> None:
    _, ((panel,),) = small_multiples(1, 1)
    panel.set_ylim(low, high)
    log_axis(panel, "y")
    shown = [tick for tick in panel.get_yticks() if low <= tick <= high]
    assert shown == pytest.approx(expected)
    assert [panel.yaxis.get_major_formatter()(tick) for tick in shown] == [f"{tick:g}" for tick in expected]


def test_an_svg_has_short_coordinates_and_its_text_as_it_was_written() -> None:
    def with_text() -> Canvas:
        canvas, ((panel,),) = small_multiples(1, 1)
        panel.plot([1, 2], [0.123456789, 3])
        panel.set_title("0.0052 of 12.3456")
        return canvas

    (image,) = drawn(with_text, ["svg"])
    root = ElementTree.fromstring(image)
    assert "0.0052 of 12.3456" in [element.text for element in root.iter() if element.tag.endswith("text")]
    paths = [element.attrib["d"] for element in root.iter() if "d" in element.attrib]
    assert max(len(number.partition(".")[2]) for path in paths for number in path.split()) <= 2


def test_labels_of_near_points_do_not_cover_each_other() -> None:
    canvas, ((panel,),) = small_multiples(1, 1)
    panel.set(xlim=(0, 10), ylim=(0, 10))
    canvas.draw_without_rendering()
    label_points(panel, [(5.0, 5.0, "11"), (5.1, 5.0, "12"), (5.0, 5.1, "13")])
    boxes = [text.get_window_extent() for text in panel.texts]
    assert len(boxes) == 3
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not boxes[one].overlaps(boxes[other])


def test_an_svg_is_well_formed_readable_as_text_and_changes_its_ink_in_dark_mode() -> None:
    (svg,) = drawn(draw, ["svg"])
    root = ElementTree.fromstring(svg)
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a title" in texts
    style = next(root.iter("{http://www.w3.org/2000/svg}style")).text or ""
    assert style.startswith("@media (prefers-color-scheme: dark)")
    assert f'[style*="fill: {INK}"]{{fill:{DARK[INK]}!important}}' in style
    assert f"fill: {INK}" in svg.decode()
    assert b"<dc:date" not in svg
    assert b"123456" not in svg


def test_pictures_repeat_to_the_byte_in_another_process() -> None:
    """The other process orders sets in another way."""
    command = [sys.executable, "-c", DRAW, "svg,pdf,png"]
    other = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, env={"PYTHONHASHSEED": "1"}).stdout
    first = b"".join(drawn(draw, ["svg", "pdf", "png"]))
    assert first == other
    assert first.startswith(b"<?xml")
    assert b"%PDF" in first
    assert b"\x89PNG" in first


def test_a_picture_of_pixels_is_white_and_the_others_have_no_ground() -> None:
    from io import BytesIO

    from PIL import Image

    png, svg = drawn(draw, ["png"])[0], drawn(draw, ["svg"])[0]
    assert Image.open(BytesIO(png)).convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    assert b"fill: #ffffff" not in svg
