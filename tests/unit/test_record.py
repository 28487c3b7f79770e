"""Records: frozen values that are defined quickly and behave like dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import pprint

import pytest

from watchword.record import record, replace


@record
class Place:
    file: str
    line: int = 0

    def __post_init__(self) -> None:
        if self.line < 0:
            raise ValueError("a line before the first")


@record
class Closed:
    key: str

    def __repr__(self) -> str:
        return "<closed>"


@record
class Pair:
    self: str
    value: str


@record
class Waiting:
    """It is all there is to say."""


def test_a_record_is_made_by_place_and_by_name_with_its_defaults() -> None:
    assert Place("a") == Place(file="a", line=0) == Place("a", 0)
    assert repr(Place("a", 3)) == "Place(file='a', line=3)"


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), (("a", 1, 2), {}), (("a",), {"file": "b"}), (("a",), {"lin": 1})],
)
def test_a_record_takes_its_fields_and_no_others(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    make: type = Place
    with pytest.raises(TypeError, match="Place"):
        make(*values, **named)


def test_a_record_cannot_be_changed() -> None:
    place = Place("a")
    for name in ("line", "new"):
        with pytest.raises(AttributeError, match=f"Place.{name} cannot be changed"):
            setattr(place, name, 1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        del place.line


def test_equal_records_hash_alike_and_others_differ() -> None:
    assert hash(Place("a", 1)) == hash(Place("a", 1))
    assert Place("a", 1) != Place("a", 2)
    other: object = Closed("a")
    assert Place("a") != other
    assert len({Place("a"), Place("a"), Place("b")}) == 2


def test_a_field_may_have_any_name_there_is() -> None:
    pair = Pair("a", value="b")
    assert replace(pair, value="c", self="d") == Pair("d", "c")


def test_records_without_fields_are_equal_if_they_are_of_one_kind() -> None:
    assert Waiting() == Waiting()
    assert hash(Waiting()) == hash(Waiting())
    other: object = Place("a")
    assert Waiting() != other
    assert repr(Waiting()) == "Waiting()"


def test_a_record_is_checked_whenever_it_is_made() -> None:
    with pytest.raises(ValueError, match="before the first"):
        Place("a", -1)
    with pytest.raises(ValueError, match="before the first"):
        replace(Place("a", 1), line=-1)
    with pytest.raises(TypeError, match="Place"):
        replace(Place("a"), lin=1)


def test_what_a_class_says_of_itself_is_kept() -> None:
    assert repr(Closed("secret")) == "<closed>"
    assert "secret" not in pprint.pformat([Closed("secret")])


def test_dataclasses_takes_a_record_for_one_of_its_own() -> None:
    place = Place("a", 1)
    assert dataclasses.is_dataclass(place)
    assert dataclasses.replace(place, line=2) == replace(place, line=2) == Place("a", 2)
    assert [each.name for each in dataclasses.fields(Place)] == ["file", "line"]
    assert dataclasses.asdict(place) == {"file": "a", "line": 1}


def test_a_record_is_matched_by_its_fields() -> None:
    match Place("a", 7):
        case Place(file, line):
            assert (file, line) == ("a", 7)


def test_a_record_is_copied_and_pickled_like_any_value() -> None:
    place = Place("a", 7)
    assert copy.copy(place) == copy.deepcopy(place) == pickle.loads(pickle.dumps(place)) == place  # noqa: S301


def test_no_record_is_made_of_another() -> None:
    with pytest.raises(TypeError, match="Longer is derived from a record"):

        @record
        class Longer(Place):
            column: int = 0
