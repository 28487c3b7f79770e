"""QR codes: text to a picture and back, by libraries and programs that are loaded when used.

In here: making one (segno), as modules or as a PNG file's bytes; reading one out of a
PNG file (zxing-cpp with Pillow, or the program zbarimg).
Not in here: drawing one on a terminal (service.tool.qr_drawing), what the text says (dialects).
"""

from __future__ import annotations

import io
from shutil import which
from typing import TYPE_CHECKING, Final, TypeAlias

from watchword.edges.programs import CLEAN_ENVIRONMENT, SystemPrograms
from watchword.errors import HostError, OperatorError

if TYPE_CHECKING:
    import segno

FILE_LIMIT: Final = 4 << 20  # bytes of a PNG file that is read
MOST_PIXELS: Final = 20_000_000  # a picture can unpack to very much
_SECONDS: Final = 10.0
_OUTPUT_LIMIT: Final = 1 << 16  # bytes
_QUIET_ZONE: Final = 4  # modules around the code, as the standard asks for
_SCALE: Final = 8  # pixels of a module
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HINT: Final = "pip install 'watchword[qr]'"

Modules: TypeAlias = tuple[tuple[bool, ...], ...]
"""Rows from the top, True for dark, the light border included."""


def modules(text: str) -> Modules:
    """A text as a QR code. Raises HostError where segno is not installed."""
    return tuple(
        tuple(bool(each) for each in row) for row in _code(text).matrix_iter(border=_QUIET_ZONE)
    )


def png(text: str) -> bytes:
    """A text as a QR code in a PNG file. Raises HostError where segno is not installed."""
    picture = io.BytesIO()
    _code(text).save(picture, kind="png", scale=_SCALE, border=_QUIET_ZONE)
    return picture.getvalue()


def read_png(content: bytes) -> str:
    """The text of the one QR code in a PNG file.

    Raises OperatorError: this is no such picture; HostError: nothing here can read it.
    """
    if not content.startswith(_SIGNATURE):
        raise OperatorError("this is no PNG file", hint="save or export the picture as PNG")
    try:
        import zxingcpp  # noqa: PLC0415  (few runs need it)
        from PIL import Image  # noqa: PLC0415
    except ImportError:
        return _by_zbarimg(content)
    try:
        picture = Image.open(io.BytesIO(content), formats=("PNG",))
        if picture.width * picture.height > MOST_PIXELS:
            raise OperatorError(
                f"the picture has more than {MOST_PIXELS} pixels",
                hint="make it smaller, or cut it down to the code",
            )
        grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OperatorError("the PNG file cannot be read", hint="is it complete?") from error
    found = zxingcpp.read_barcodes(grey)
    return _only([each.text for each in found if each.format == zxingcpp.BarcodeFormat.QRCode])


def _code(text: str) -> segno.QRCode:
    try:
        import segno  # noqa: PLC0415  (few runs need it)
    except ImportError:
        raise HostError("making a QR code needs the library segno", hint=_HINT) from None
    return segno.make_qr(text, error="l")


def _by_zbarimg(content: bytes) -> str:
    if which("zbarimg", path=CLEAN_ENVIRONMENT["PATH"]) is None:
        raise HostError(
            "nothing on this machine can read a QR code out of a picture",
            hint=f"{_HINT}, or install zbarimg (Debian: zbar-tools), or pass the text itself",
        )
    argv = ("zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "png:-")
    ran = SystemPrograms(output_limit=_OUTPUT_LIMIT).run(argv, stdin=content, seconds=_SECONDS)
    text = ran.stdout.decode("utf-8", "replace").removesuffix("\n")
    return _only([text] if ran.status == 0 and text else [])


def _only(texts: list[str]) -> str:
    if len(texts) != 1:
        said = f"{len(texts)} QR codes" if texts else "no QR code that can be read"
        raise OperatorError(
            f"the picture has {said}", hint="take one picture of one code, straight and sharp"
        )
    return texts[0]
