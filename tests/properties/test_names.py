"""Names of datasets and files: what is a name, in any case, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.draw import LETTERS, rootnames, texts
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.identifiers import (
    bucket_key,
    dataset_name,
    file_name,
    is_dataset_name,
    product_url,
    split_filename,
    split_local_filename,
    visit_of,
)

suffixes = st.text(LETTERS, min_size=2, max_size=8)
spaces = st.text(" \t\n", max_size=3)


@given(rootnames, st.randoms(use_true_random=False), spaces, spaces)
def test_a_name_is_known_in_any_case(name: str, random: object, before: str, after: str) -> None:
    mixed = "".join(random.choice((c, c.upper())) for c in name)  # type: ignore[attr-defined]
    assert dataset_name(before + mixed + after) == name
    assert is_dataset_name(mixed)
    assert visit_of(mixed) == name[:6]


@given(texts)
def test_a_text_is_a_name_or_an_error_of_one_line(text: str) -> None:
    if is_dataset_name(text):
        name = dataset_name(text)
        assert (len(name), name.isascii(), name) == (9, True, dataset_name(name))
        return
    with pytest.raises(BadArgumentError) as caught:
        dataset_name(text)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()


@given(rootnames, suffixes)
def test_names_of_files_are_split_into_what_they_were_made_of(name: str, suffix: str) -> None:
    file = file_name(name, suffix)
    assert split_filename(file) == (name, suffix)
    assert split_local_filename(file.upper()) == split_local_filename(f"{file}.gz") == (name, suffix)
    assert bucket_key(name, suffix).endswith(f"/{file}")
    assert product_url("http://server/", name, suffix).endswith(f"/{file}")


@given(st.one_of(texts, st.tuples(texts, rootnames, texts, suffixes, texts).map("".join)))
def test_a_name_of_a_file_never_leaves_its_folder(text: str) -> None:
    for name in (text, f"{text}.fits", f"{text}_ima.fits"):
        try:
            root, suffix = split_filename(name)
        except BadArgumentError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert file_name(root, suffix) == name
            assert set(name) <= {*LETTERS, "_", "."}
        local = split_local_filename(name)
        assert local is None or file_name(*local) in name.lower()
