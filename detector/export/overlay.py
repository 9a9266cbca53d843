"""The picture of a result: the scene with its boxes, zones, legend, scale, north and date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from detector.counting.zones import OTHER_KIND
from detector.detections import Detections
from detector.errors import ConfigError
from detector.export.overlay_furniture import Entry, Furniture, Strips
from detector.export.overlay_labels import Room, label_ships, label_zone
from detector.export.overlay_marks import (
    BoxKind,
    Pen,
    box_kinds,
    draw_boxes,
    draw_zone,
    hatch_nodata,
    hatch_unseen,
)
from detector.export.overlay_text import Style, clean_text, elide, text_width
from detector.export.overlay_view import (
    OverlayView,
    fit_view,
    font_size_px,
    north_direction,
    scale_bar,
)
from detector.files import atomic_path
from detector.geometry.windows import PixelWindow
from detector.lengths import CUT_WORDS, WHOLE
from detector.scenes.scene import Scene
from detector.scenes.stretch import brightened, eye_gain
from detector.scenes.types import SceneInfo
from detector.wording import counted

MIN_SIDE_PX = 640  # legend and scale need some room, also under a narrow scene
MATTE: Final = (225, 225, 225)  # beside a picture that is narrower than its legend
ZONE_NAME_COLOUR: Final = (190, 228, 250)  # the zones' blue, lighter: letters need contrast
ZONE_NAME_PX = 1.1  # size of zone names, in font sizes
ZONE_NAME_SHARE = 0.4  # longest zone name, of the picture's width
ZONE_NAME_EMS = 18  # a name up to this long, remarks too, may be wider than its zone
NAME_EMS = 4  # of it, without remarks, is always left
LABEL_SIZE = 0.8  # of labels of ships, in font sizes
LONGEST_CRS = 32  # a longer one is a definition, not a name
PNG_COMPRESSION = 2  # of 9: within 3 % of the size at 5, in half the time


@dataclass(frozen=True, slots=True)
class ZoneOutline:
    """A zone to be drawn.

    Attributes:
        name: in any script.
        kind: as `Zone.kind`.
        status: as in the counts table; `unobserved` is hatched.
        shapes: in file pixels.
    """

    name: str
    kind: str
    status: str
    shapes: tuple[Polygon, ...]


def draw_overlay(
    scene: Scene,
    detections: Detections,
    zones: Sequence[ZoneOutline],
    notes: Sequence[str],
    *,
    max_side_px: int = 4000,
) -> NDArray[np.uint8]:
    """Draw a scene with everything that was found in it.

    Ships and container stacks have a colour each, deck cargo is dashed, boxes that are cut (by the
    edge of the scene, nodata, clouds, tiles) are hatched; those that lie by half or more on unseen
    pixels are dashed in grey: no observations. Pixels without data are hatched grey. Nothing is
    drawn over the scene but marks and labels; a label that would hide a box or another label is
    left out. A scene below about 1,600 px is enlarged by a whole number, at most 3. A dark scene is
    brightened for the eye, in this picture only, and the line below it says so.

    Args:
        scene: open.
        detections: of the scene.
        zones: to be outlined.
        notes: sentences that a reader must know, in the order of weight.
        max_side_px: longest side of the result, at least 640.

    Returns:
        `(height, width, 3)` RGB.

    Raises:
        ConfigError: `max_side_px` is below 640.
        SceneError: the scene is damaged.
    """
    if max_side_px < MIN_SIDE_PX:
        raise ConfigError(
            f"an overlay of {max_side_px} px cannot be read; give at least {MIN_SIDE_PX}"
        )
    content = _Content(scene.info, detections, zones, notes)
    view, strips = _lay_out(content, max_side_px)
    picture, state = _draw_picture(scene, content, view, strips.font_px)
    return _compose(picture, strips, content.furniture(view, strips, state))


def write_overlay(
    path: Path,
    scene: Scene,
    detections: Detections,
    zones: Sequence[ZoneOutline],
    notes: Sequence[str],
    *,
    max_side_px: int = 4000,
) -> None:
    """Write `draw_overlay` as a PNG, whole or not at all, the same bytes every time.

    Raises:
        ConfigError: `max_side_px` is too small.
        SceneError: the scene is damaged.
        OutputError: the file cannot be written.
    """
    image = draw_overlay(scene, detections, zones, notes, max_side_px=max_side_px)
    options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION]
    # each row as its difference to the one above: 40 % less time than to choose, no larger
    options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    _, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]), options)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


@dataclass(frozen=True, slots=True)
class _State:
    """Why parts of a picture show no ground, and how much brighter it is than the scene."""

    nodata: bool
    clouds: bool
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class _Content:
    """What is drawn and said; the arguments of `draw_overlay`."""

    info: SceneInfo
    detections: Detections
    zones: Sequence[ZoneOutline]
    notes: Sequence[str]

    @property
    def has_cloud_mask(self) -> bool:
        """The scene tells where its clouds are, and there may be some."""
        return self.info.cloud_source not in (None, "user")

    def furniture(self, view: OverlayView, strips: Strips, state: _State) -> Furniture:
        """What stands around a picture."""
        metres = view.metres_a_pixel
        return Furniture(
            title=self.info.name,
            date=(self.info if self.info.when.iso else self.detections).when.words,
            entries=_legend(self.detections, self.zones, state),
            notes=self.notes,
            facts=_facts(self.info, view, state.gain),
            bar=scale_bar(metres, strips.max_bar_px) if metres is not None else None,
            north=north_direction(self.info, view),
        )


def _lay_out(content: _Content, max_side_px: int) -> tuple[OverlayView, Strips]:
    """The largest picture that leaves room for its strips, were every legend entry needed."""
    state = _State(nodata=content.info.valid_source != "all", clouds=content.has_cloud_mask)
    taken = 0
    while True:
        view = fit_view(content.info, max_side_px, max_side_px - taken)
        width = max(view.width, MIN_SIDE_PX)
        strips = Strips(width, font_size_px(min(max(view.width, view.height), 2 * width)))
        furniture = content.furniture(view, strips, state)
        needed = strips.top_height + strips.bottom_height(furniture)
        if view.height + needed <= max_side_px:
            return view, strips
        taken = max(needed, taken + 1)


def _draw_picture(
    scene: Scene, content: _Content, view: OverlayView, font_px: int
) -> tuple[NDArray[np.uint8], _State]:
    """The scene with its marks and labels."""
    info, detections, pen = content.info, content.detections, Pen.of(font_px)
    window, size = PixelWindow(0, 0, info.width, info.height), (view.width, view.height)
    pixels = scene.read(window, size)
    gain = eye_gain(pixels.rgb, pixels.valid)
    image = brightened(pixels.rgb, gain)
    clouds = np.zeros_like(pixels.valid)
    if content.has_cloud_mask:
        clouds = pixels.valid & ~scene.observation(window, size).seen
        hatch_unseen(image, clouds, pen)
    hatch_nodata(image, pixels.valid, pen)

    shapes = [
        draw_zone(image, zone.shapes, view, pen, hatched=zone.status == "unobserved")
        for zone in content.zones
    ]
    draw_boxes(image, detections, view, pen)
    room = Room(view.width, view.height, view.to_view(detections.corners))
    style = Style(round(font_px * ZONE_NAME_PX), bold=True)
    for zone, drawn in zip(content.zones, shapes, strict=True):
        text = _zone_text(zone, style, _zone_room_px(drawn, view, style))
        label_zone(image, text, drawn, style, ZONE_NAME_COLOUR, room)
    label_ships(image, detections, view, Style(max(12, round(font_px * LABEL_SIZE))), room)
    return image, _State(not pixels.valid.all(), bool(clouds.any()), gain)


def _compose(picture: NDArray[np.uint8], strips: Strips, furniture: Furniture) -> NDArray[np.uint8]:
    """Picture and strips in one."""
    height, width = picture.shape[:2]
    top, bottom = strips.top_height, strips.bottom_height(furniture)
    canvas = np.full((top + height + bottom, strips.width, 3), MATTE, np.uint8)
    left = (strips.width - width) // 2
    canvas[top : top + height, left : left + width] = picture
    strips.draw_top(canvas[:top], furniture)
    strips.draw_bottom(canvas[top + height :], furniture)
    return canvas


def _legend(detections: Detections, zones: Sequence[ZoneOutline], state: _State) -> list[Entry]:
    """Every class, counted; everything else only where it is in the picture."""
    kinds = box_kinds(detections)[::-1]
    whole = [kind for kind in kinds if not kind.dashed]
    unobserved = sum(zone.status == "unobserved" for zone in zones)
    entries = [Entry("box", counted(len(k.index), k.title), k.colour) for k in whole]
    entries += [
        Entry("dashed", f"{len(kind.index):,} {kind.title} (not counted)", kind.colour)
        for kind in kinds
        if kind.dashed and len(kind.index)
    ]
    entries += _cut_entries(detections, whole)
    if len(zones) > unobserved:
        entries.append(Entry("zone", counted(len(zones) - unobserved, "zone")))
    if unobserved:
        entries.append(Entry("unseen_zone", f"{counted(unobserved, 'zone')} not observed"))
    if state.nodata:
        entries.append(Entry("nodata", "no data"))
    if state.clouds:
        entries.append(Entry("cloud", "cloud, not observed"))
    return entries


def _cut_entries(detections: Detections, kinds: Sequence[BoxKind]) -> list[Entry]:
    """One a reason: what of the boxes that are drawn goes on where they end."""
    cut = np.where(detections.unseen, WHOLE, detections.cut)
    entries = []
    for reason, words in CUT_WORDS.items():
        colours = [kind.colour for kind in kinds if (cut[kind.index] == reason).any()]
        number = int((cut == reason).sum())
        if number:
            colour = colours[0] if colours else kinds[-1].colour
            entries.append(Entry("hatched", f"{number:,} cut by {words}", colour))
    return entries


def _facts(info: SceneInfo, view: OverlayView, gain: float) -> str:
    """Resolution, frame, size and brightness; what is unknown is said too."""
    scale = np.sqrt(view.scale_x * view.scale_y)
    shown = "full size" if abs(scale - 1.0) < 0.005 else f"drawn at {100.0 * scale:.3g} %"
    gsd = f"gsd {info.gsd_m:.3g} m" if info.gsd_m is not None else "gsd unknown, so no scale bar"
    if info.gsd_source == "estimated":
        gsd = f"about {info.gsd_m:.2g} m a pixel, estimated from container rows"
    crs = "no CRS, so north is unknown"
    if info.crs is not None:
        crs = info.crs if len(info.crs) <= LONGEST_CRS else "CRS without a code"
    facts = [gsd, crs, f"{info.width:,} x {info.height:,} px, {shown}"]
    if gain > 1.0:
        facts.append(f"a dark scene, brightened {gain:.1f} times for the eye")
    return " · ".join(facts)


def _zone_room_px(shapes: Sequence[Polygon], view: OverlayView, style: Style) -> int:
    """How wide the name of a zone may be."""
    widest = max((shape.bounds[2] - shape.bounds[0] for shape in shapes), default=0.0)
    wanted = max(round(widest), ZONE_NAME_EMS * style.size_px)
    return min(wanted, round(view.width * ZONE_NAME_SHARE))


def _zone_text(zone: ZoneOutline, style: Style, room_px: int) -> str:
    """Name, kind where the name doesn't tell it, and whether it was seen; the name is elided."""
    told = zone.kind.casefold() in zone.name.casefold() or zone.kind == OTHER_KIND
    remark = {"unobserved": " · not observed", "partial": " · partly observed"}
    rest = ("" if told else f" ({clean_text(zone.kind)})") + remark.get(zone.status, "")
    name_px = max(room_px - text_width(rest, style), NAME_EMS * style.size_px)
    return (elide(zone.name, style, name_px) + rest).strip()
