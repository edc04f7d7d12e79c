"""Laws of the sums: bundles of measures and histograms form a commutative group, and percentiles keep their promise."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import floor

from hypothesis import example, given
from hypothesis import strategies as st

from streams.engine.histogram import ZERO, Ranks, bucket, middle, upper
from streams.engine.measures import COUNT, MEASURES, pack, unpack

TEN_YEARS = 10 * 366 * 86_400 * 1_000_000
CAPACITY = {measure.name: (1 << measure.bits) - 1 for measure in MEASURES}


def bundles() -> st.SearchStrategy[dict[str, int]]:
    """Measures that four of still fit into a pane."""
    return st.fixed_dictionaries({}, optional={name: st.integers(0, most // 4) for name, most in CAPACITY.items()})


def nonzero(*several: dict[str, int]) -> dict[str, int]:
    """Return the sums that are not 0."""
    total: Counter[str] = Counter()
    for measures in several:
        total.update(measures)
    return {name: value for name, value in total.items() if value}


@given(bundles())
def test_a_bundle_gives_back_what_was_packed(measures: dict[str, int]) -> None:
    """Unpack undoes pack, zeros left out."""
    assert unpack(pack(measures)) == nonzero(measures)


@given(bundles(), bundles(), bundles())
def test_bundles_add_as_their_measures_do(a: dict[str, int], b: dict[str, int], c: dict[str, int]) -> None:
    """Associative, commutative, with an identity; and each lane keeps to itself."""
    assert (pack(a) + pack(b)) + pack(c) == pack(a) + (pack(b) + pack(c))
    assert pack(a) + pack(b) == pack(b) + pack(a)
    assert pack(a) + pack({}) == pack(a)
    assert unpack(pack(a) + pack(b) + pack(c)) == nonzero(a, b, c)


@given(st.lists(bundles(), max_size=4), st.data())
def test_withdrawing_undoes_adding_in_any_order(added: list[dict[str, int]], data: st.DataObject) -> None:
    """Some added, some of them withdrawn, interleaved anyhow: what stays is the sum of those not withdrawn."""
    withdrawn = data.draw(st.sets(st.integers(0, len(added) - 1))) if added else set()
    moves = [pack(measures) for measures in added] + [-pack(added[index]) for index in withdrawn]
    total = sum(data.draw(st.permutations(moves)))
    assert unpack(total) == nonzero(*(measures for index, measures in enumerate(added) if index not in withdrawn))


def test_a_lane_holds_its_largest_value_beside_full_neighbours() -> None:
    """No lane runs over into the next."""
    assert unpack(pack(CAPACITY)) == CAPACITY
    assert COUNT == 32


durations = st.one_of(
    st.integers(0, TEN_YEARS),
    st.integers(0, 3600).map(lambda seconds: seconds * 1_000_000),
    st.integers(-40, 28).map(lambda power: max(1, floor(Fraction(2) ** power * 1_000_000))),
)


@given(durations)
@example(1)
@example(TEN_YEARS)
def test_a_bucket_is_within_a_percent_of_its_durations(duration: int) -> None:
    """Middle within 1/256 of the duration, which is at most the bucket's upper end."""
    seconds = Fraction(duration, 1_000_000)
    if duration == 0:
        assert bucket(duration) == ZERO
        assert middle(ZERO) == upper(ZERO) == 0
    else:
        assert abs(Fraction(middle(bucket(duration))) - seconds) <= seconds / 256 + Fraction(1, 10**12)
        assert Fraction(upper(bucket(duration))) >= seconds * (1 - Fraction(1, 2**50))


@given(durations, durations)
def test_buckets_keep_the_order_of_durations(a: int, b: int) -> None:
    """A longer duration is never in a lower bucket."""
    assert (bucket(a) <= bucket(b)) or a > b


@given(st.integers(0, 128))
def test_whole_seconds_are_a_buckets_upper_end(seconds: int) -> None:
    """So that counting up to a threshold is exact."""
    assert upper(bucket(seconds * 1_000_000)) == seconds
    assert upper(bucket(seconds * 1_000_000 + 1)) > seconds


@given(st.lists(durations, min_size=1), st.integers(0, 100))
def test_percentiles_are_within_a_percent_of_the_exact_ones(waits: list[int], percent: int) -> None:
    """Against the shortest wait that so many percent of all do not exceed."""
    found = Ranks(Counter(map(bucket, waits))).percentile(percent)
    enough = [wait for wait in waits if 100 * sum(other <= wait for other in waits) >= percent * len(waits)]
    exact = Fraction(min(enough), 1_000_000)
    assert found is not None
    assert abs(Fraction(found) - exact) <= exact / 100


def test_there_is_no_percentile_of_nothing() -> None:
    """None, and not 0."""
    assert Ranks({}).percentile(50) is None


@given(st.lists(durations), st.lists(durations))
def test_histograms_merge_and_retract(a: list[int], b: list[int]) -> None:
    """The histogram of all is the sum, and taking one away leaves the other."""
    first, second = Counter(map(bucket, a)), Counter(map(bucket, b))
    both = Counter(map(bucket, a + b))
    assert first + second == both
    assert both - second == first
