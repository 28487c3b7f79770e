"""Frozen values that cost nothing to define: what all programs start with.

In here: ``record``, which type checkers treat as ``dataclass(frozen=True)``, and
``replace``.
Not in here: dataclasses, which take 0.5 ms each to define, and the module nearly as
long to import as Python to start. They are for values that change, that are made for each packet or
live by the thousand and so have slots, or that hide one of their fields.

A record compares, hashes and shows itself by its fields, like a dataclass, and
``dataclasses.replace``, ``fields`` and ``asdict`` take it for one. What a class
defines itself is kept. The figures are in docs/decisions/0015.
"""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar, dataclass_transform

    _T = TypeVar("_T")
else:

    def dataclass_transform(**_said: bool) -> Callable[[object], object]:
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True)
def record(cls: type[_T]) -> type[_T]:
    """Make a frozen value of a class: its annotations are the fields, in order.

    A field may have a default, which is shared and so has to be immutable.
    ``__post_init__`` is called as for a dataclass. No record is made of another.
    """
    if hasattr(cls, "_field_names"):
        raise TypeError(f"{cls.__name__} is derived from a record")
    names = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    own: dict[str, Any] = {
        "__match_args__": names,
        "_field_names": frozenset(names),
        "_defaults": defaults,
        "_last_defaults": tuple(defaults.values()),  # type checkers refuse others behind them
        "_values": attrgetter(*(names or ("__class__",))),
        "__dataclass_fields__": _FieldsOnDemand(),
        "__init__": _init if hasattr(cls, "__post_init__") else _fill,
        "__replace__": replace,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__eq__": _equal,
        "__hash__": _hash,
        "__repr__": _show,
    }
    for name, value in own.items():
        if name not in cls.__dict__:
            setattr(cls, name, value)
    return cls


def replace(value: _T, /, **changes: Any) -> _T:
    """The same record with other values for some fields."""
    return type(value)(**{**value.__dict__, **changes})


class _FieldsOnDemand:
    """What makes ``dataclasses`` take a record for one of its own, made when it asks."""

    def __get__(self, _value: object, cls: Any) -> Any:
        from dataclasses import make_dataclass  # noqa: PLC0415  (loads slowly)

        made: Any = make_dataclass(
            cls.__name__, cls.__match_args__, init=False, repr=False, eq=False
        )
        for name in ("__dataclass_params__", "__dataclass_fields__"):
            type.__setattr__(cls, name, getattr(made, name))
        return cls.__dataclass_fields__


def _fill(self: Any, /, *values: Any, **named: Any) -> None:
    """Of the fields, those given by place, those given by name, and defaults of the rest."""
    fields, names = self.__dict__, self.__match_args__
    if not named:
        short = len(names) - len(values)
        whole = values + self._last_defaults[-short:] if short else values
        if len(whole) == len(names):
            fields.update(zip(names, whole, strict=True))
            return
    fields.update(self._defaults)
    fields.update(zip(names, values, strict=False))
    fields.update(named)
    if len(values) > len(names) or not named.keys().isdisjoint(names[: len(values)]):
        raise TypeError(f"{type(self).__name__} is given more than its fields")
    if fields.keys() != self._field_names:
        wrong = ", ".join(sorted(fields.keys() ^ self._field_names))
        raise TypeError(f"{type(self).__name__}: missing or unknown: {wrong}")


def _init(self: Any, /, *values: Any, **named: Any) -> None:
    _fill(self, *values, **named)
    self.__post_init__()


def _refuse(self: object, name: str, *_: object) -> NoReturn:
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")


def _equal(self: Any, other: Any) -> bool:
    return type(other) is type(self) and bool(self._values(self) == self._values(other))


def _hash(self: Any) -> int:
    return hash(self._values(self))


def _show(self: Any) -> str:
    shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.__match_args__)
    return f"{type(self).__name__}({shown})"
