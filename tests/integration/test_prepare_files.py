"""Every odd picture file has an answer: a proper picture, or one sentence why not. None is an accident."""

from __future__ import annotations

import io
import random
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from steps.errors import InvalidInput
from steps.intake import Intake, Unusable, read_picture

SIZE = (400, 300)


def read(path: Path, **changes: int) -> Intake:
    return read_picture(path, **({"max_pixels": 10_000_000, "min_side": 64, "longest": 1280} | changes))


def sample() -> Image.Image:
    """Four quarters of known colours."""
    picture = Image.new("RGB", SIZE, (200, 40, 40))
    picture.paste((40, 200, 40), (200, 0, 400, 150))
    picture.paste((40, 40, 200), (0, 150, 200, 300))
    picture.paste((220, 220, 220), (200, 150, 400, 300))
    return picture


def quarters(picture: Image.Image) -> list[tuple[int, int, int]]:
    width, height = picture.size
    places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    return [picture.getpixel((int(x * width), int(y * height))) for x, y in places]


def is_close(picture: Image.Image, other: Image.Image, tolerance: int = 12) -> bool:
    pairs = zip(quarters(picture), quarters(other), strict=True)
    return all(abs(a - b) <= tolerance for one, two in pairs for a, b in zip(one, two, strict=True))


def saved(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95}),
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.bmp", {}),
        ("a.gif", {}),
        ("a.jp2", {}),
        ("a.avif", {"quality": 90}),
        ("a.ppm", {}),
        ("été 50% 'a' : b\n.png", {}),
    ],
)
def test_usual_formats_and_names_are_read(tmp_path, name, options):
    """An owner's folder has all of them, under names that nobody foresaw."""
    intake = read(saved(sample(), tmp_path / name, **options))
    assert intake.picture.mode == "RGB"
    assert intake.picture.size == SIZE
    assert is_close(intake.picture, sample(), 20)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F", "LAB"])
def test_every_pixel_layout_becomes_plain_colour(tmp_path, mode):
    """Grey, palette, printing inks, deep grey: the picture must look the same afterwards."""
    grey = sample().convert("L")
    picture, expected = {
        "I;16": (Image.fromarray(np.asarray(grey, np.uint16) * 257), grey.convert("RGB")),
        "I": (Image.fromarray(np.asarray(grey, np.int32)), grey.convert("RGB")),
        "F": (Image.fromarray(np.asarray(grey, np.float32) / 255), grey.convert("RGB")),
        "L": (grey, grey.convert("RGB")),
        "1": (grey.point(lambda v: 255 * (v > 100)).convert("1"), grey.point(lambda v: 255 * (v > 100)).convert("RGB")),
        "LA": (grey.convert("LA"), grey.convert("RGB")),
        "P": (sample().quantize(8), sample()),
        "LAB": (
            ImageCms.profileToProfile(
                sample(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
            ),
            sample(),
        ),
    }.get(mode) or (sample().convert(mode), sample())
    intake = read(saved(picture, tmp_path / "a.tif"))
    assert intake.picture.mode == "RGB"
    assert is_close(intake.picture, expected, 40 if mode in ("CMYK", "LAB") else 12)


def test_sixteen_bits_a_channel_are_not_clipped(tmp_path):
    """Scanners make them; clipping would turn a painting white."""
    deep = np.asarray(sample(), np.uint16)[:, :, ::-1] * 257
    for name in ("a.png", "a.tif"):
        assert cv2.imwrite(str(tmp_path / name), deep)
        assert is_close(read(tmp_path / name).picture, sample())
    assert cv2.imwrite(str(tmp_path / "g.png"), deep[:, :, 1])
    assert is_close(
        read(tmp_path / "g.png").picture, Image.fromarray((deep[:, :, 1] >> 8).astype(np.uint8)).convert("RGB")
    )


def test_transparency_is_laid_over_white(tmp_path):
    """A cut-out bust has no background; black would be read as a black painting."""
    picture = sample().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 200, 150))
    assert quarters(read(saved(picture, tmp_path / "a.png")).picture)[0] == (255, 255, 255)
    assert quarters(read(saved(picture.quantize(8), tmp_path / "p.png")).picture)[0] == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """Phones store portraits lying down; a face on its side is not found."""
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = sample() if back is None else sample().transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    intake = read(saved(stored, tmp_path / "a.jpg", exif=exif, quality=95))
    assert intake.picture.size == (intake.width, intake.height) == SIZE
    assert is_close(intake.picture, sample(), 20)


def test_broken_exif_and_a_foreign_profile_are_ignored(tmp_path):
    """What stands beside the pixels is often rubbish, and the pixels are fine."""
    wrong = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for number, profile in enumerate((b"rubbish", wrong)):
        path = saved(sample(), tmp_path / f"{number}.jpg", icc_profile=profile, exif=b"Exif\x00\x00rubbish", quality=95)
        assert is_close(read(path).picture, sample(), 20)


def test_a_colour_profile_is_honoured(tmp_path):
    """Wide-gamut scans look pale when it is dropped. A profile with swapped primaries proves that it is used."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    tags = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    intake = read(saved(sample(), tmp_path / "a.png", icc_profile=bytes(profile)))
    first, second, *_ = quarters(intake.picture)
    assert first[1] > 150 > first[0]  # what was stored as red means green
    assert second[0] > 150 > second[1]
    assert "profile" in " ".join(intake.notes)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_turned_down(tmp_path, kind):
    """Its first picture is rarely the painting; a person should decide."""
    frames = [sample(), sample().transpose(Image.Transpose.ROTATE_180)]
    frames[0].save(tmp_path / "a.bin", kind, save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(Unusable, match="animation"):
        read(tmp_path / "a.bin")


def test_pages_are_not_an_animation(tmp_path):
    """Museums store a thumbnail as the second page of a TIFF, cameras one in an MPO."""
    thumbnail = sample().resize((100, 75))
    for kind in ("TIFF", "MPO"):
        sample().save(tmp_path / kind, kind, save_all=True, append_images=[thumbnail])
        assert is_close(read(tmp_path / kind).picture, sample(), 25)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "JPEG2000", "GIF", "BMP"])
def test_a_truncated_file_is_turned_down(tmp_path, kind):
    """A half-copied file must not become half a painting with a grey bottom."""
    whole = io.BytesIO()
    grain = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(grain).save(whole, kind)
    path = tmp_path / "a.bin"
    for share in (0.02, 0.5, 0.9):
        path.write_bytes(whole.getvalue()[: int(share * len(whole.getvalue()))])
        with pytest.raises(Unusable) as caught:
            read(path)
        assert caught.value.check.passed is False


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x00" * 500, "no picture"),
        (b"Mona Lisa\n" * 100, "is a text and no picture"),
        ("La Joconde, peinte à Florence\n".encode() * 100, "is a text and no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is a drawing (SVG)"),
        (b"<!DOCTYPE html><title>404</title>", "is a web page"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "is a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 400 400\n", "is PostScript"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
    ],
)
def test_what_is_no_picture_is_turned_down_by_what_it_is(tmp_path, content, words):
    """A download that went wrong is the usual cause. EPS among them: Pillow would start an outside program for it."""
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(Unusable) as caught:
        read(tmp_path / "a.jpg")
    assert words in caught.value.sentence


@pytest.mark.parametrize("size", [(30_000, 300), (300, 30_000)])
def test_a_strip_is_turned_down_by_its_header(tmp_path, size):
    """30,000 pixels wide and 300 high: shrunk to what a model gets, its people would be ten pixels tall."""
    with pytest.raises(Unusable, match=f"a strip: {size[0]} x {size[1]} pixels"):
        read(saved(Image.new("L", size), tmp_path / "a.png"))


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG whose header is true, and whose pixels would fill the memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\x00" * 10_000_000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(50_000, 50_000), (4000, 4000)])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, size):
    """Neither Pillow's limit nor the memory may be what stops it."""
    (tmp_path / "a.png").write_bytes(bomb(*size))
    started = time.perf_counter()
    with pytest.raises(Unusable, match="claims"):
        read(tmp_path / "a.png", max_pixels=15_000_000)
    assert time.perf_counter() - started < 1


def test_a_picture_that_pillow_would_warn_of_is_read(tmp_path):
    """The owner's limit counts, not the library's 89 million pixels: those scans are the best ones."""
    path = saved(Image.new("L", (10_000, 9_000)), tmp_path / "a.png")
    assert read(path, max_pixels=100_000_000).picture.size == (1280, 1152)


def test_a_tiny_picture_is_turned_down(tmp_path):
    """By its shorter side, with the numbers in the sentence."""
    for width, height in ((400, 63), (1, 1)):
        with pytest.raises(Unusable, match=rf"{width} x {height} .* 64"):
            read(saved(sample().resize((width, height)), tmp_path / "a.png"))


def test_the_longer_side_is_bounded(tmp_path):
    """Models get at most so much; a large JPEG is shrunk while it is decoded."""
    for name in ("a.jpg", "a.png"):
        intake = read(saved(sample().resize((3000, 2250)), tmp_path / name), longest=800)
        assert intake.picture.size == (800, 600)
        assert (intake.width, intake.height) == (3000, 2250)
        assert is_close(intake.picture, sample(), 20)


def test_a_file_that_is_gone_is_an_error_of_its_own(tmp_path):
    """That is not the painting's fault: nothing is turned down for it."""
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none.png", tmp_path / "folder"):
        with pytest.raises(InvalidInput):
            read(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_damaged_bytes_never_cause_anything_else(tmp_path, kind):
    """Whatever a decoder raises, the answer is a picture or a sentence. Seeded, so that a failure comes back."""
    whole = io.BytesIO()
    sample().save(whole, kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    chance = random.Random(kind)
    path = tmp_path / "a.bin"
    answers = 0
    for _ in range(60):
        content = bytearray(whole.getvalue())
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            assert read(path).picture.mode == "RGB"
        except Unusable:
            answers += 1
    assert answers > 0
