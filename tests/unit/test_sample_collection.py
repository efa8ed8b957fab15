"""The list of sample pictures: enough of each kind, in different formats, with titles that break careless code."""

from __future__ import annotations

from collections import Counter

from orchestrator.sample import gallery_baroque, gallery_modern, gallery_rococo, gallery_romantic
from orchestrator.sample.painter import Portrait
from orchestrator.sample.people import ACCEPTED, COLLECTION, LICENCE, REJECTED

GALLERIES = (gallery_baroque, gallery_rococo, gallery_romantic, gallery_modern)


def portraits() -> list[Portrait]:
    return [value for gallery in GALLERIES for value in vars(gallery).values() if isinstance(value, Portrait)]


def test_there_are_enough_of_each():
    """Four demo nights of three portraits and one that is turned down."""
    assert len(ACCEPTED) >= 14
    assert len(REJECTED) >= 5
    assert len(portraits()) == len(ACCEPTED)


def test_file_names_are_plain_and_used_once():
    """Two pictures of one name would overwrite each other."""
    slugs = [sample.slug for sample in COLLECTION]
    assert len(set(slugs)) == len(slugs)
    assert all(slug.replace("-", "").isascii() and slug.replace("-", "").isalnum() for slug in slugs)


def test_titles_are_hostile():
    """Real titles are; what the demo shows letter for letter it shows for theirs too."""
    titles = " ".join(sample.title for sample in COLLECTION)
    for awkward in ("'", "’", '"', "«", ":", "%", "[", "&", ",", "É", "°"):
        assert awkward in titles, awkward
    assert any(sample.title == "L'Été à 50 % : la marchande" for sample in ACCEPTED)


def test_formats_poses_and_lights_differ():
    """Portrait and landscape format, turned left, right and not much, lit from both sides."""
    sizes = Counter(portrait.size_px for portrait in portraits())
    assert len(sizes) >= 4
    assert any(width > height for width, height in sizes)
    yaws = [portrait.pose.yaw for portrait in portraits()]
    assert min(yaws) < -15
    assert max(yaws) > 15
    assert any(abs(yaw) < 12 for yaw in yaws)
    assert {portrait.light.direction[0] > 0 for portrait in portraits()} == {True, False}


def test_women_and_men_of_several_ages_and_complexions_sat():
    """Different faces are the point of having many."""
    faces = [portrait.face for portrait in portraits()]
    assert 6 <= sum(face.male > 0.4 for face in faces) <= 10
    assert sum(face.age > 0.6 for face in faces) >= 3
    lightness = sorted(sum(face.skin) for face in faces)
    assert lightness[0] < 0.5 * lightness[-1]


def test_one_file_needs_turning():
    """Step 0 has to heed EXIF, and cameras write it."""
    assert [sample.orientation for sample in COLLECTION if sample.orientation != 1] == [6]


def test_years_and_licence_are_given():
    """The catalogue's columns are filled, and nothing is anybody else's."""
    assert all(1500 < sample.year < 1950 for sample in COLLECTION)
    assert "CC0" in LICENCE
