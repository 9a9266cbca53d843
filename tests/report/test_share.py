"""What leaves the page: pictures to share, the text as Markdown, places, credits, the locator."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image, ImageSequence
from pyproj import Transformer

from detector.activity.looks.sites import LocalFrame, Site, read_site
from detector.classes import PORT
from detector.errors import OutputError
from detector.report import films, share
from detector.report.content import local_time
from detector.report.credits import read_credit
from detector.report.films import write_film
from detector.report.findings import Day
from detector.report.locator import HEIGHT_PX, LEAST_SPAN_DEG, WIDTH_PX, draw_locator
from detector.report.markdown import as_markdown, escaped
from detector.report.pictures import Pictures, Placed
from detector.report.publish import Report
from detector.report.sources import read_sources
from detector.report.words import Words
from detector.scenes.grid import Grid
from tests.report.make import DAYS, GSD_M, NORTH, SHIP_A, SHIP_B, UTM52, WEST, Made
from tests.scenes.rasters import gradient, write_raster

WORDS = Words.read()
CREDIT = "© Nobody 2026"
SHIP_COLOUR, STACK_COLOUR = PORT[PORT.id("ship")].colour, PORT[PORT.id("container_stack")].colour


@pytest.fixture(scope="module")
def written() -> list[str]:
    """Every text that was drawn into a picture to share."""
    return []


@pytest.fixture(scope="module")
def shared(made: Made, written: list[str]) -> Report:
    original = share.draw_text

    def record(image: Any, text: str, *rest: Any) -> None:
        written.append(text)
        original(image, text, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share, "draw_text", record)
        return made.report("shared", share=True, charts=False, credit=CREDIT)


def picture(report: Report, event_id: str, sheet: str) -> Image.Image:
    path = report.page.parent / "share" / f"{event_id}_{sheet}.png"
    assert path in report.shared
    return Image.open(path)


def holds(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(image.astype(int) - colour).max(axis=-1) <= 2).any())


def test_every_event_is_drawn_for_a_post_and_for_print(shared: Report, written: list[str]) -> None:
    events = [row for site in shared.document["sites"] for row in site["events"]]
    assert len(events) >= 4
    for row in events:
        post, printed = (picture(shared, row["event_id"], name) for name in ("post", "print"))
        assert post.size == (1200, 675)
        assert printed.size == (2480, 1395)
        assert round(printed.info["dpi"][0]) == 300
        title = f"{row['site']}: {row['text']}"
        assert written.count(title) == 2 * [f"{e['site']}: {e['text']}" for e in events].count(
            title
        )
        assert WORDS.days(row["first_day"], row["last_day"]) in written
    assert any(text.startswith(f"Imagery: {CREDIT}. Found by a network") for text in written)
    assert {"before, 3 October 2026", "after, 8 October 2026"} <= set(written)


def test_before_and_after_show_what_changed(shared: Report) -> None:
    gone = next(
        row for site in shared.document["sites"] for row in site["events"] if row["kind"] == "gone"
    )
    pixels = np.asarray(picture(shared, gone["event_id"], "post").convert("RGB"))
    left, right = pixels[:, :600], pixels[:, 600:]
    assert holds(left, STACK_COLOUR)
    assert not holds(right, STACK_COLOUR)


def test_a_zone_over_time_has_a_frame_a_date(shared: Report, made: Made) -> None:
    gifs = [path for path in shared.shared if path.suffix == ".gif"]
    zones = sum(len(read_site(path).zones) for path in made.sites)
    assert len(gifs) == zones
    for path in gifs:
        with Image.open(path) as image:
            assert image.n_frames == len(DAYS)  # type: ignore[attr-defined]
            times = []
            for frame in range(len(DAYS)):
                image.seek(frame)
                times.append(image.info["duration"])
        assert times == [1200] * (len(DAYS) - 1) + [2400]


def frames_of(path: Path) -> tuple[list[np.ndarray], float]:
    """The frames of a film, RGB, and how many a second."""
    film = cv2.VideoCapture(str(path))
    frames = []
    while (read := film.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return frames, film.get(cv2.CAP_PROP_FPS)


def test_the_mp4_of_a_zone_shows_what_its_gif_shows(shared: Report) -> None:
    gifs = [path for path in shared.shared if path.suffix == ".gif"]
    assert {path.with_suffix(".mp4") for path in gifs} <= set(shared.shared)
    with Image.open(gifs[0]) as image:
        images = [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(image)]
    frames, rate = frames_of(gifs[0].with_suffix(".mp4"))
    assert rate == pytest.approx(1 / 1.2, abs=0.002)
    assert len(frames) == len(images) + 1 == len(DAYS) + 1  # the last date is there twice
    for shown, image in zip(frames, [*images, images[-1]], strict=True):
        height, width = image.shape[:2]
        assert shown.shape[:2] == (height + height % 2, width + width % 2)
        assert np.abs(shown[:height, :width] - image).mean() < 6  # of 255: both are lossy


def test_the_bytes_of_an_mp4_hold_no_clock(tmp_path: Path) -> None:
    frames = [np.full((61, 81, 3), value, np.uint8) for value in (0, 90, 200)]
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, frames)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    means = [frame.mean() for frame in frames_of(tmp_path / "a.mp4")[0]]
    assert means == pytest.approx([0, 90, 200, 200], abs=3)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4"}


@pytest.mark.parametrize(("codecs", "remarks"), [(("none",), [films.NO_CODEC]), (("mp4v",), [])])
def test_where_no_codec_is_there_it_is_said_and_gifs_are_written(
    made: Made,
    shared: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codecs: tuple[str, ...],
    remarks: list[str],
) -> None:
    monkeypatch.setattr(films, "MP4_CODECS", codecs)
    rail = shared.document["sites"][1] | {"events": []}
    document = shared.document | {"sites": [rail]}
    written, told = share.write_shared(tmp_path, document, read_sources(made.activity), WORDS)
    assert told == remarks
    gifs = [path for path in shared.shared if path.suffix == ".gif"]
    (gif,) = [path for path in gifs if "rail" in path.name.lower()]
    wanted = [gif.name] if remarks else [gif.name, gif.with_suffix(".mp4").name]
    assert [path.name for path in written] == wanted
    if remarks:
        with pytest.raises(OutputError, match=r"a\.mp4: MP4 of zones: OpenCV here can write"):
            write_film(tmp_path / "a.mp4", [np.zeros((8, 8, 3), np.uint8)])
    assert {path.name for path in tmp_path.iterdir() if path.suffix} == set(wanted)


def test_without_being_asked_nothing_is_shared(made: Made, report: Report) -> None:
    assert report.shared == ()
    assert not (report.page.parent / "share").exists()
    assert {row["credit"] for row in report.document["provenance"]["scenes"]} == {""}


def test_the_text_as_markdown_holds_every_sentence(shared: Report) -> None:
    text = (shared.page.parent / "report.md").read_text(encoding="utf-8")
    assert text == as_markdown(shared.document, WORDS)
    for site in shared.document["sites"]:
        for sentence in (site["lead"], *site["found"], *site["unseen"]):
            assert escaped(sentence) in text
    for row in shared.document["provenance"]["scenes"]:
        assert f"{CREDIT}; {row['content_hash']}" in text
    weights = shared.document["provenance"]["scenes"][0]["weights"]
    assert text.endswith(f", weights {weights}\n")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("<script>", r"\<script\>"),
        ("1. Pier", r"1\. Pier"),
        ("- yard", r"\- yard"),
        ("a*b_c [d](e)", r"a\*b\_c \[d\](e)"),
        ("two\nlines", "two lines"),
        ("12.5 m", "12.5 m"),
    ],
)
def test_names_stay_text_in_markdown(text: str, literal: str) -> None:
    assert escaped(text) == literal


def test_a_visit_says_where_its_ship_lies(made: Made, shared: Report) -> None:
    to_degrees = Transformer.from_crs(UTM52, 4326, always_xy=True)
    true = {
        to_degrees.transform(WEST + r[1] * GSD_M, NORTH - r[2] * GSD_M) for r in (SHIP_A, SHIP_B)
    }
    visits = shared.document["sites"][0]["visits"]
    told = {(row["longitude_deg"], row["latitude_deg"]) for row in visits}
    assert len(told) == len(true) == 2
    assert np.allclose(sorted(told), sorted(true), rtol=0, atol=1e-5)
    page = shared.page.read_text(encoding="utf-8")
    for lon, lat in told:
        assert f"{lat:.5f}, {lon:.5f}" in page


def test_the_time_at_the_site_is_told_with_its_zone(made: Made) -> None:
    site = replace(read_site(made.sites[0]), time_zone=ZoneInfo("Asia/Vladivostok"))
    day = Day("2026-09-28", "whole", 1.0, (), acquired="2026-09-28T02:15:00Z")
    assert local_time(day, site, WORDS) == "12:15 local time (Asia/Vladivostok)"
    assert local_time(replace(day, acquired="2026-09-28"), site, WORDS) == ""
    assert local_time(day, replace(site, time_zone=ZoneInfo("UTC")), WORDS) == ""
    assert local_time(day, None, WORDS) == ""


@pytest.mark.parametrize(
    ("item", "credit"),
    [
        ({"properties": {"attribution": "ESA"}}, "ESA"),
        ({"properties": {}, "copyright": " (c)\nESA "}, "(c) ESA"),
        (
            {
                "properties": {
                    "license": "CC-BY-4.0",
                    "providers": [
                        {"name": "Host", "roles": ["host"]},
                        {"name": "Planet", "roles": ["producer"]},
                    ],
                }
            },
            "Planet (CC-BY-4.0)",
        ),
        ({"properties": {"providers": [{"name": "A"}, {"name": "B"}, {"name": 3}]}}, "A, B"),
        ({"properties": {"providers": "x", "credit": 7}}, "of the tag"),
        (None, "of the tag"),
    ],
)
def test_a_credit_is_read_beside_or_in_the_scene(
    tmp_path: Path, item: dict[str, Any] | None, credit: str
) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(20, 20))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(TIFFTAG_COPYRIGHT="of the tag")
    if item is not None:
        (tmp_path / "a.json").write_text(json.dumps(item))
    assert read_credit(str(path)) == credit
    assert read_credit(str(tmp_path / "none.tif")) == ""


def site_at(lon: float, lat: float, name: str = "port") -> Site:
    return Site(name, LocalFrame(lon, lat), (), ZoneInfo("UTC"))


def test_the_locator_shows_land_and_puts_sites_where_they_are() -> None:
    found = draw_locator([site_at(138.0, 36.0)])
    assert found is not None
    assert [(dot.x, dot.y, dot.names) for dot in found.dots] == [
        (WIDTH_PX / 2, HEIGHT_PX / 2, ("port",))
    ]
    rings = [
        [tuple(map(float, pair.split())) for pair in ring.split("L")]
        for ring in re.findall(r"M([^Z]+)Z", found.land)
    ]
    land = shapely.union_all([shapely.Polygon(ring) for ring in rings if len(ring) > 2])
    degree = HEIGHT_PX / LEAST_SPAN_DEG
    shrink = np.cos(np.radians(36.0))

    def is_land(lon: float, lat: float) -> bool:
        x, y = (lon - 138) * degree * shrink + WIDTH_PX / 2, HEIGHT_PX / 2 - (lat - 36) * degree
        return bool(land.contains(shapely.Point(x, y)))

    assert is_land(138.0, 36.2)  # Honshu
    assert is_land(127.5, 36.5)  # Korea
    assert not is_land(145.0, 32.0)  # the Pacific
    assert not is_land(134.0, 39.0)  # the sea between
    assert {"35°N", "135°E"} <= {line.label for line in found.lines}


def test_the_locator_goes_the_short_way_around_the_earth() -> None:
    found = draw_locator([site_at(179.0, 0.0, "east"), site_at(-179.0, 0.0, "west")])
    assert found is not None
    degree = HEIGHT_PX / LEAST_SPAN_DEG
    east, west = found.dots
    assert west.x - east.x == pytest.approx(2 * degree, abs=0.2)
    assert (east.x + west.x) / 2 == pytest.approx(WIDTH_PX / 2, abs=0.2)
    assert {"180°"} < {line.label for line in found.lines}
    assert draw_locator([]) is None


def test_sites_at_one_place_have_one_label() -> None:
    found = draw_locator([site_at(130.0, 42.0, "a"), site_at(130.1, 42.0, "b")])
    assert found is not None
    assert [dot.names for dot in found.dots] == [("a", "b"), ()]


def test_a_dark_scene_is_brightened_on_the_page(made: Made) -> None:
    sources = read_sources(made.activity)
    site = sources.sites[made.names.port]
    (scene, *_) = [s for s in sources.scenes.values() if Path(s.path).parent.name == "port"]
    placed = [Placed(scene, (0.0, 0.0))]
    grid = Grid.around((-50.0, -50.0, 50.0, 50.0), 100, 1.0, site.frame.crs)
    gallery = Pictures(site)
    plain = gallery.read(placed, grid)
    gallery._gains[scene.scene_id] = 2.0  # as of a dark scene
    bright = gallery.read(placed, grid)
    gallery.close()
    assert plain is not None
    assert bright is not None
    assert np.array_equal(bright, np.clip(plain.astype(int) * 2, 0, 255))
