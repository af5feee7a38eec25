"""The fast writer against the plain one: the same bytes, whatever comes after whatever."""

from hypothesis import given
from hypothesis import strategies as st

from evidence.form import Form
from evidence.observation import Sample, content

NUMBERS = st.sampled_from([0, 23, 24, 255, 256, 65535, 65536, 65537, 2**32 - 1, 2**32, 2**63])
SAMPLES = st.builds(
    Sample,
    stream=st.just(300),
    seq=NUMBERS,
    tai=NUMBERS,
    bound=st.one_of(st.none(), NUMBERS),
    source=st.integers(0, 5),
    flags=st.sampled_from([0, 3, 256, 259]),
    heard=st.one_of(NUMBERS, NUMBERS.map(lambda number: -number)),
    heard_bound=st.one_of(st.none(), NUMBERS),
    prev=st.binary(min_size=32, max_size=32),
    kind=st.integers(1, 40),
    raw=st.binary(max_size=40),
)


@given(st.lists(SAMPLES, min_size=1, max_size=8))
def test_it_writes_what_the_plain_writer_writes(samples: list[Sample]):
    form = Form()
    assert [form.content(sample) for sample in samples] == [content(one) for one in samples]


def test_usual_samples_are_packed_and_equal():
    form = Form()
    usual = Sample(7, 70_000, 2**60, 1000, 5, 3, 20_000_000, None, bytes(32), 16, bytes(126))
    for step in range(300):
        sample = usual._replace(seq=70_000 + step, heard=65_000 + step, tai=2**60 + step)
        assert form.content(sample) == content(sample)
