"""Classes are data: what each is, how it is cut, counted and drawn, as entries of one table.

A network, a set of labels and a table of detections name their classes with a `ClassSet`; class
ids are positions in it. Nothing else in the program knows a class by its number: it asks the set
for what an entry says (`ClassSet.mask`, `ClassSet.with_role`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from detector.documents import DocumentError, read_yaml
from detector.errors import ConfigError

LENGTH_UNKNOWN: Final = "unknown"
NO_LENGTH_CLASS: Final = ""

Colour = tuple[int, int, int]
Ground = Literal["water", "land"]
Reading = Literal["fine", "both"]
Role = Literal[
    "read_coarse", "crossing", "voted", "counted", "containers", "visits", "by_area", "boxable"
]
"""What an entry can be asked for with `ClassSet.mask`: names of its yes-or-no attributes."""

# Okabe and Ito (2008), Color Universal Design: told apart with any colour vision. For classes that
# name no colour; the first ones are taken by ships and stacks.
FREE_COLOURS: Final[tuple[Colour, ...]] = ((0, 158, 115), (0, 114, 178), (230, 159, 0))
LEAST_LONGEST_M: Final = 1.0


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """One class: an entry of `TABLE`, of a model card or of a file of classes.

    Attributes:
        name: in labels, cards and tables; lower case with underscores.
        title: one of it, for pictures and pages; by default the name with spaces.
        heading: many of it, for the head of a column; by default the title with an s.
        ground: what it stands on, `water` or `land`.
        longest_m: fragments are not joined beyond it.
        impossible_m: a box longer than this is no object of the class.
        reading: `fine`: kept at the fine scale, fragments joined by union; `both`: the long ones
            are read at the coarse scale too, and tiles overlap by `longest_m`.
        colour: of its boxes, RGB.
        length_limits_m: rising limits of its length classes; empty: none are told.
        slice_limits_m: of an evaluation's lengths; by default `length_limits_m`.
        counted: whether it has rows in tables of counts.
        voted: whether duplicates move the box that is kept, as `tiling.voting` does.
        crossing: whether of two boxes of it that cross only the better one stands.
        cargo_of: name of the class on which it is deck cargo, not counted; empty: of none.
        cargo_colour: of its boxes there.
        containers: whether containers in it are estimated.
        visits: whether its objects come and go, one by one.
        by_area: whether its amount is told by area too.
        readable_px: least length in the claim of the counts, pixels as read; 0: no limit.
        least_inside: share inside a chip from which a cut box is still taught.
        boxable: whether an axis-aligned box says enough of one to be scored or oriented.

    Raises:
        ConfigError: a value is out of range.
    """

    name: str
    title: str = ""
    heading: str = ""
    ground: Ground = "land"
    longest_m: float = 1000.0
    impossible_m: float = float("inf")
    reading: Reading = "fine"
    colour: Colour = FREE_COLOURS[0]
    length_limits_m: tuple[float, ...] = ()
    slice_limits_m: tuple[float, ...] = ()
    counted: bool = True
    voted: bool = False
    crossing: bool = False
    cargo_of: str = ""
    cargo_colour: Colour = (204, 121, 167)
    containers: bool = False
    visits: bool = False
    by_area: bool = False
    readable_px: float = 0.0
    least_inside: float = 0.5
    boxable: bool = False

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip() or "," in self.name:
            raise ConfigError(f"a class needs a name without commas, not '{self.name}'")
        if self.ground not in ("water", "land") or self.reading not in ("fine", "both"):
            raise ConfigError(
                f"class '{self.name}': ground is water or land, reading is fine or both, not "
                f"'{self.ground}' and '{self.reading}'"
            )
        if not self.longest_m >= LEAST_LONGEST_M or not 0 <= self.least_inside <= 1:
            raise ConfigError(
                f"class '{self.name}': longest_m is at least {LEAST_LONGEST_M:g} and least_inside "
                f"from 0 to 1, not {self.longest_m} and {self.least_inside}"
            )
        for limits in (self.length_limits_m, self.slice_limits_m):
            if any(not 0 < a < b for a, b in pairwise((*limits, float("inf")))):
                raise ConfigError(
                    f"class '{self.name}': limits of lengths rise from above 0, not {limits}"
                )
        for colour in (self.colour, self.cargo_colour):
            if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
                raise ConfigError(f"class '{self.name}': a colour is red, green, blue, 0 to 255")

    @property
    def words(self) -> str:
        """One of it, in words."""
        return self.title or self.name.replace("_", " ")

    @property
    def many(self) -> str:
        """Many of it, for the head of a column."""
        return self.heading or f"{self.words}s"

    @property
    def read_coarse(self) -> bool:
        """Whether the coarse scale answers for long ones."""
        return self.reading == "both"

    @property
    def length_classes(self) -> tuple[str, ...]:
        """Names of the length classes, in order; empty where none are told."""
        limits = self.length_limits_m
        if not limits:
            return ()
        between = (f"{low:g}-{high:g} m" for low, high in pairwise(limits))
        return (f"<{limits[0]:g} m", *between, f">={limits[-1]:g} m")

    def to_plain(self) -> dict[str, Any]:
        """What differs from an entry of the name alone, as values for YAML and JSON."""
        usual = ClassEntry(self.name)
        changed = {k: v for k, v in asdict(self).items() if k == "name" or v != getattr(usual, k)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in changed.items()}

    @classmethod
    def from_plain(cls, values: Any, where: str) -> Self:
        """Read what `to_plain` wrote, or a person.

        Args:
            values: a mapping with `name`.
            where: named in errors.

        Raises:
            ConfigError: keys are unknown or missing, or a value is of another kind or range.
        """
        if not isinstance(values, Mapping) or "name" not in values:
            raise ConfigError(f"{where}: a class is a mapping with a name")
        unknown = sorted(set(map(str, values)) - {item.name for item in fields(cls)})
        if unknown:
            raise ConfigError(f"{where}: a class has no {', '.join(unknown)}")
        try:
            typed = {key: _typed(key, value) for key, value in values.items()}
            return cls(**typed)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: class '{values['name']}' is mistyped ({error})") from error
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error


SHIP: Final = ClassEntry(
    name="ship",
    ground="water",
    # Ever Given and her class: 399.9 m; the longest warships and tankers afloat are shorter.
    longest_m=400.0,
    # Seawise Giant was 458.5 m; 5 % on top for the error of a box.
    impossible_m=481.0,
    reading="both",
    colour=(240, 228, 66),
    length_limits_m=(25.0, 60.0, 150.0),
    crossing=True,
    visits=True,
    # Of 242 true ships below it on the dev split the starting weights found 17 %, of 1,054 on
    # rendered scenes 2 %; of those above it 86 % and 70 %.
    readable_px=32.0,
    least_inside=0.7,  # with less, a ship cannot be told in size or kind
    boxable=True,
)
CONTAINER_STACK: Final = ClassEntry(
    name="container_stack",
    heading="stacks",
    ground="land",
    # A block train of 740 m (the length that the EU's TSI INF asks of freight lines), with a
    # margin; rows in yards end at 300-500 m.
    longest_m=1000.0,
    colour=(213, 94, 0),
    slice_limits_m=(15.0, 40.0, 100.0),
    voted=True,
    cargo_of="ship",
    containers=True,
    by_area=True,
    least_inside=0.15,  # less is a sliver that nobody boxes
)

TABLE: Final[Mapping[str, ClassEntry]] = {entry.name: entry for entry in (SHIP, CONTAINER_STACK)}
"""The classes that the program knows by itself; their order is that of every table."""


@dataclass(frozen=True)
class ClassSet:
    """The classes of a network, of labels or of detections; class ids are positions in it.

    Attributes:
        entries: in the order of the ids.

    Raises:
        ConfigError: there is none, or two have one name.
    """

    entries: tuple[ClassEntry, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.entries or len(set(self.names)) < len(self.entries):
            raise ConfigError(f"classes have names of their own, not {list(self.names)}")

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[ClassEntry]:
        return iter(self.entries)

    def __getitem__(self, class_id: int) -> ClassEntry:
        return self.entries[class_id]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names, in the order of the ids."""
        return tuple(entry.name for entry in self.entries)

    def id(self, name: str) -> int:
        """Id of a class.

        Raises:
            ConfigError: the set has no such class.
        """
        if name not in self.names:
            raise ConfigError(f"class '{name}' is none of {', '.join(self.names)}")
        return self.names.index(name)

    def with_role(self, role: Role) -> list[int]:
        """Ids of the classes of which an attribute is true, in the order of the tables."""
        return [i for i in self.in_order if getattr(self.entries[i], role)]

    def mask(self, class_ids: NDArray[np.integer], role: Role) -> NDArray[np.bool_]:
        """Which objects `(N,)` are of classes with a role."""
        having = np.array([bool(getattr(entry, role)) for entry in self.entries])
        return np.asarray(having[class_ids])

    def values(self, class_ids: NDArray[np.integer], attribute: str) -> NDArray[np.float64]:
        """A number of each object's class, `(N,)`."""
        table = np.array([getattr(entry, attribute) for entry in self.entries], np.float64)
        return np.asarray(table[class_ids])

    def is_named(self, class_ids: NDArray[np.integer], name: str) -> NDArray[np.bool_]:
        """Which objects `(N,)` are of the class of a name; none where the set has no such class."""
        return np.asarray(class_ids == (self.names.index(name) if name in self.names else -1))

    @cached_property
    def in_order(self) -> tuple[int, ...]:
        """Ids in the order of every table: those of `TABLE` first, in its order.

        So results don't depend on the order of a network's outputs.
        """
        known = list(TABLE)
        place = {name: i for i, name in enumerate(known)}
        ranked = sorted(range(len(self)), key=lambda i: (place.get(self.names[i], len(known)), i))
        return tuple(ranked)

    def ranks(self, class_ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Places `(N,)` of the objects' classes in the order of the tables."""
        return np.asarray(np.argsort(np.array(self.in_order, np.int64))[class_ids], np.int64)

    @cached_property
    def cargoes(self) -> tuple[tuple[int, int], ...]:
        """Pairs of ids: a class, and one that is deck cargo on it."""
        return tuple(
            (self.names.index(entry.cargo_of), class_id)
            for class_id, entry in enumerate(self.entries)
            if entry.cargo_of in self.names
        )

    @cached_property
    def boxable(self) -> int | None:
        """The class whose axis-aligned boxes can be used, the first of several; None: no class."""
        return next(iter(self.with_role("boxable")), None)

    def ids_in(self, other: ClassSet) -> NDArray[np.int64]:
        """Ids `(C,)` that the classes have in another set, by name; -1 where it lacks one."""
        there = other.names
        return np.array([there.index(n) if n in there else -1 for n in self.names], np.int64)

    def length_classes(
        self, class_ids: NDArray[np.integer], length_m: NDArray[np.floating]
    ) -> list[str]:
        """Length class of every object.

        Args:
            class_ids: `(N,)`.
            length_m: `(N,)` lengths in metres; NaN where the gsd is unknown.

        Returns:
            `N` names: one of the class's `length_classes` where the length is known, else
            `LENGTH_UNKNOWN`; `NO_LENGTH_CLASS` for classes without.

        Examples:
            >>> PORT.length_classes(np.array([0, 0, 1]), np.array([60.0, np.nan, 40.0]))
            ['60-150 m', 'unknown', '']
        """
        result = np.full(len(class_ids), NO_LENGTH_CLASS, object)
        for class_id, entry in enumerate(self.entries):
            mine = np.flatnonzero(class_ids == class_id)
            if entry.length_limits_m and len(mine):
                names = np.array([*entry.length_classes, LENGTH_UNKNOWN], object)
                bins = np.digitize(length_m[mine], entry.length_limits_m)
                result[mine] = names[np.where(np.isnan(length_m[mine]), len(names) - 1, bins)]
        return [str(name) for name in result]

    def to_plain(self) -> list[Any]:
        """For YAML and JSON: the name of an entry of `TABLE`, else the entry."""
        return [e.name if TABLE.get(e.name) == e else e.to_plain() for e in self.entries]

    @classmethod
    def from_plain(cls, values: Any, where: str) -> Self:
        """Read what `to_plain` wrote.

        Args:
            values: names of `TABLE`, and entries of further classes.
            where: named in errors.

        Raises:
            ConfigError: no list, an unknown name, or an entry that cannot be used.
        """
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise ConfigError(f"{where}: the classes are a list of names and entries")
        entries = tuple(_entry(value, where) for value in values)
        try:
            return cls(entries)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    @classmethod
    def named(
        cls, names: Iterable[str], own: Mapping[str, Any] | None = None, where: str = "classes"
    ) -> Self:
        """The set of these names.

        Args:
            names: in the order of the ids.
            own: plain entries, by name, of classes that `TABLE` does not know.
            where: named in errors.

        Raises:
            ConfigError: a name is not known, or an own entry is of a class that is.
        """
        own, wanted = own or {}, list(names)
        if not isinstance(own, Mapping) or not all(isinstance(v, Mapping) for v in own.values()):
            raise ConfigError(f"{where}: entries of its own are mappings, by the name of the class")
        known = sorted(set(own) & set(TABLE))
        unused = sorted(set(own) - set(wanted))
        if known or unused:
            raise ConfigError(
                f"{where}: an entry of its own for '{(known or unused)[0]}', which "
                f"{'the program knows already' if known else 'is none of its classes'}"
            )
        plain = [{"name": n, **dict(own[n])} if n in own else n for n in wanted]
        return cls.from_plain(plain, where)

    @classmethod
    def found(cls, names: Iterable[str]) -> Self:
        """A set for the names that a table holds, when nothing else is known of its classes."""
        others = sorted(set(map(str, names)) - set(TABLE))
        return cls((*TABLE.values(), *(ClassEntry(name) for name in others)))


PORT: Final = ClassSet((SHIP, CONTAINER_STACK))
"""The classes of the shipped weights and of the port pool."""


def read_classes(path: Path) -> ClassSet:
    """The classes of a YAML file: a list of names of `TABLE` and of entries.

    Raises:
        ConfigError: the file cannot be read, or an entry cannot be used.
    """
    try:
        content = read_yaml(path)
    except (OSError, DocumentError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a YAML list of classes ({reason})") from error
    return ClassSet.from_plain(content, str(path))


def _entry(value: Any, where: str) -> ClassEntry:
    if not isinstance(value, str):
        return ClassEntry.from_plain(value, where)
    if value not in TABLE:
        raise ConfigError(
            f"{where}: class '{value}' is none of {', '.join(TABLE)}; give its entry, with a name "
            "and its ground"
        )
    return TABLE[value]


def _typed(key: str, value: Any) -> Any:
    """Lists as tuples, numbers as floats, and nothing where another kind is needed."""
    usual = getattr(ClassEntry("any"), key)
    if isinstance(usual, tuple):
        number = int if "colour" in key else float
        return tuple(number(part) for part in value)
    if isinstance(usual, bool) != isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}")
    return float(value) if isinstance(usual, float) else type(usual)(value)
