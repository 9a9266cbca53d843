"""What other distributions add: named in their metadata, loaded when their name is asked for.

A distribution registers a name in one of our groups of entry points. The names come from its
metadata, so that options can list them; its code runs only when a user asks for the name.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any, TypeVar

from detector.errors import PluginError, QuaywatchError, nearest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Registered:
    """A name that a distribution registers.

    Attributes:
        name: that users ask for.
        distribution: name and version, for sentences.
        entry: where its code is.
    """

    name: str
    distribution: str
    entry: metadata.EntryPoint


@dataclass(frozen=True, slots=True)
class PluginGroup:
    """One table of ours that other distributions may add names to.

    Attributes:
        group: of the entry points, `detector.…`.
        what: what a name of it is, in sentences: `dataset kind`.
        built_in: names of ours, in the order in which they are shown.
        reserved: names that mean something else where this table's names may be written.
        call: positional arguments with which a plug-in is called, for sentences and the check.
    """

    group: str
    what: str
    built_in: tuple[str, ...]
    call: tuple[str, ...]
    reserved: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Names of ours, then those of plug-ins; reads metadata only."""
        added = {found.name for found in self._registered()}
        return (*self.built_in, *sorted(added.difference(self.built_in, self.reserved)))

    def get(self, name: str, built_in: Mapping[str, T]) -> T:
        """What stands behind a name; the code of a plug-in is loaded here, and nowhere else.

        Args:
            name: one of `names`.
            built_in: what stands behind our own names.

        Raises:
            PluginError: unknown, registered twice, or a plug-in that cannot be loaded or called.
        """
        self.check_taken(name)
        if name in built_in:
            return built_in[name]
        found = next((one for one in self._registered() if one.name == name), None)
        if found is None:
            known = self.names()
            raise PluginError(
                f"'{name}' is none of the {self.what}s {', '.join(known)}{nearest(name, known)}"
            )
        loaded: T = self._checked(found)
        return loaded

    def distribution(self, name: str) -> str | None:
        """The distribution that registers a name, in words; None for names of ours."""
        if name in self.built_in:
            return None
        return next((one.distribution for one in self._registered() if one.name == name), None)

    def check_taken(self, name: str) -> None:
        """Refuse a name of which nobody could say what it means.

        Raises:
            PluginError: a plug-in registers a name of ours, or two register the same.
        """
        found = [one for one in self._registered() if one.name == name]
        if found and name in (*self.built_in, *self.reserved):
            raise PluginError(
                f"{found[0].distribution} registers the {self.what} '{name}', which is built in; "
                "uninstall it, or have it renamed"
            )
        if len(found) > 1:
            both = " and ".join(one.distribution for one in found)
            raise PluginError(
                f"{both} register the same {self.what} '{name}'; uninstall one of them"
            )

    @contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """What the code of a plug-in raises is a sentence that names its distribution.

        Raises:
            PluginError: the plug-in failed; its own error is the cause.
        """
        try:
            yield
        except QuaywatchError:
            raise
        except Exception as error:
            made_by = self.distribution(name)
            if made_by is None:
                raise
            raise PluginError(
                f"the {self.what} '{name}' of {made_by} failed ({_in_words(error)})"
            ) from error

    def _registered(self) -> tuple[Registered, ...]:
        return _registered(self.group, tuple(sys.path))

    def _checked(self, found: Registered) -> Any:
        said = f"the {self.what} '{found.name}' of {found.distribution}"
        try:
            loaded = found.entry.load()
        except Exception as error:  # code of others may raise anything when it is imported
            raise PluginError(
                f"{said} cannot be loaded ({_in_words(error)}); mend or uninstall it"
            ) from error
        wanted = f"{found.entry.value} must be callable with ({', '.join(self.call)})"
        if not callable(loaded):
            raise PluginError(f"{said} is a {type(loaded).__name__}: {wanted}")
        if not _takes(loaded, len(self.call)):
            raise PluginError(f"{said} has another signature: {wanted}")
        return loaded


@cache
def _registered(group: str, path: tuple[str, ...]) -> tuple[Registered, ...]:
    """The entry points of a group on `sys.path`, which is the key under which they are kept."""
    return tuple(
        Registered(entry.name, _distribution(entry), entry)
        for entry in metadata.entry_points(group=group)
    )


def _distribution(entry: metadata.EntryPoint) -> str:
    if entry.dist is None:
        return f"an unknown distribution ({entry.value})"
    return f"the distribution '{entry.dist.name} {entry.dist.version}'"


def _takes(loaded: Callable[..., Any], arguments: int) -> bool:
    """Whether a call with so many positional arguments fits; True where nobody can tell."""
    try:
        inspect.signature(loaded).bind(*[None] * arguments)
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return True
    return True


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
