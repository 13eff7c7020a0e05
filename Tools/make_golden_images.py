"""Image goldens beyond those of make_golden_processor.py: other formats, modes and depths, and animations.

Needs Pillow 12.3.0 and numpy. For every file in Tests/Fixtures/images-extra, expected.json has what Pillow shows: size,
and the RGB of the reference's "object" path (alpha over white, EXIF ignored) and "url" path (EXIF applied, alpha dropped)
as the offset of their bytes in expected.rgb.

    python3 Tools/make_golden_images.py Tests/Fixtures/images-extra
"""
import io, json, os, struct, sys, warnings, zlib
import numpy as np
import PIL
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
out = sys.argv[1]
os.makedirs(out, exist_ok=True)
fromarray = Image.fromarray


def photo(h, w, c=3, seed=0):
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    r = np.random.RandomState(seed)
    a = np.stack([127 + 70 * np.sin(x / (5 + 2 * k) + y / 17.0) + 50 * np.cos(y / (4 + k)) for k in range(c)], -1)
    a += r.randn(h, w, c) * 4
    y0, x0 = h // 3, w // 4
    a[y0:y0 + h // 4, x0:x0 + w // 3] = r.randint(0, 256, c)
    return np.clip(a, 0, 255).astype(np.uint8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, color, rows, extra=b"", interlace=0):
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def unfiltered(samples, depth):
    """Rows of one-component samples [H, W] packed to `depth` bits, filter 0."""
    rows = b""
    for row in samples:
        bits = "".join(format(int(v), f"0{depth}b") for v in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    return rows


def interlaced(pixels):
    """Rows of all seven Adam7 passes of pixels [H, W, bytes], filter 0."""
    rows = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = pixels[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + r.tobytes() for r in part)
    return rows


files = {}


def add(name, data, **options):
    if isinstance(data, Image.Image):
        buffer = io.BytesIO()
        data.save(buffer, name.split(".")[-1].replace("jpg", "jpeg"), **options)
        data = buffer.getvalue()
    files[name] = data


# PNG
g16 = (np.arange(24 * 18).reshape(18, 24) * 151 % 65536).astype(">u2")
g16[0, :6] = [0, 1, 254, 255, 256, 65535]
rows16 = lambda a: b"".join(b"\0" + r.astype(">u2").tobytes() for r in a)
wide = np.random.RandomState(1).randint(0, 65536, (11, 13, 4))
add("gray16.png", png(24, 18, 16, 0, rows16(g16)))
add("gray16_trns.png", png(24, 18, 16, 0, rows16(g16), chunk(b"tRNS", struct.pack(">H", 254))))
add("gray_alpha16.png", png(13, 11, 16, 4, rows16(wide[..., :2])))
add("rgb16.png", png(13, 11, 16, 2, rows16(wide[..., :3])))
add("rgba16.png", png(13, 11, 16, 6, rows16(wide)))
small = np.random.RandomState(2).randint(0, 256, (9, 11))
colors = bytes(np.random.RandomState(3).randint(0, 256, 48).astype(np.uint8))
add("gray2.png", png(11, 9, 2, 0, unfiltered(small % 4, 2)))
add("gray4.png", png(11, 9, 4, 0, unfiltered(small % 16, 4)))
add("gray4_trns.png", png(11, 9, 4, 0, unfiltered(small % 16, 4), chunk(b"tRNS", struct.pack(">H", 17))))
add("gray8_trns.png", png(11, 9, 8, 0, unfiltered(small, 8), chunk(b"tRNS", struct.pack(">H", int(small[4, 4])))))
add("bilevel_trns.png", png(11, 9, 1, 0, unfiltered(small % 2, 1), chunk(b"tRNS", struct.pack(">H", 0))))
add("palette1.png", png(11, 9, 1, 3, unfiltered(small % 2, 1), chunk(b"PLTE", colors[:6])))
add("palette2_trns.png", png(11, 9, 2, 3, unfiltered(small % 4, 2), chunk(b"PLTE", colors[:12]) + chunk(b"tRNS", b"\x80\0\xff")))
add("palette4_short.png", png(11, 9, 4, 3, unfiltered(small % 8, 4), chunk(b"PLTE", colors[:15])))
add("rgb_trns.png", png(4, 1, 8, 2, b"\0" + bytes(range(12)), chunk(b"tRNS", struct.pack(">3H", 3, 4, 5))))
add("interlaced.png", png(37, 29, 8, 2, interlaced(photo(29, 37, seed=20)), interlace=1))
add("interlaced_tiny.png", png(1, 3, 8, 6, interlaced(photo(3, 1, 4, seed=21)), interlace=1))
exif = Image.Exif()
exif[0x0112] = 8
add("exif8.png", fromarray(photo(10, 14, seed=22)), exif=exif)
xmp = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x='adobe:ns:meta/' tiff:Orientation=\"3\"/>"
add("xmp3.png", png(4, 2, 8, 2, b"".join(b"\0" + bytes(range(12 * i, 12 * i + 12)) for i in (1, 2)), chunk(b"iTXt", xmp)))
zeros = zlib.compress(bytes(8 << 20), 9)                 # chunks that would inflate to 8 MiB each
bomb = chunk(b"iCCP", b"p\0\0" + zeros) + chunk(b"zTXt", b"t\0\0" + zeros) + chunk(b"iTXt", b"t\0\1\0\0\0" + zeros)
# JPEG
cmyk = fromarray(photo(40, 52, 4, seed=23), "CMYK")
add("cmyk.jpg", cmyk, quality=90)                        # Pillow writes an Adobe marker, transform 0
base = files["cmyk.jpg"]
at = base.index(b"\xff\xee")
add("ycck.jpg", base[:at + 15] + b"\x02" + base[at + 16:])   # the same data declared YCCK
for orientation in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    add(f"exif{orientation}.jpg", fromarray(photo(11, 16, seed=24)), quality=90, exif=exif)
add("progressive_gray.jpg", fromarray(photo(33, 35, seed=25)[..., 0]), quality=80, progressive=True)
add("subsampling422.jpg", fromarray(photo(31, 45, seed=26)), quality=85, subsampling=1)
add("restarts.jpg", fromarray(photo(40, 40, seed=27)), quality=85, restart_marker_blocks=2)
add("rgb.jpg", fromarray(photo(24, 24, seed=28)), quality=90, keep_rgb=True)
# WebP
add("lossy.webp", fromarray(photo(61, 75, seed=29)), quality=80)
add("lossless.webp", fromarray(photo(24, 31, seed=30)), lossless=True)
rgba = photo(40, 50, 4, seed=31)
rgba[..., 3] = np.linspace(0, 255, 50).astype(np.uint8)
add("lossy_alpha.webp", fromarray(rgba), quality=75)
add("lossless_alpha.webp", fromarray(rgba[:20, :25]), lossless=True)
add("lossless_alpha_exact.webp", fromarray(rgba[:20, :25]), lossless=True, exact=True)
exif = Image.Exif()
exif[0x0112] = 6
add("exif6.webp", fromarray(photo(20, 26, seed=32)), quality=80, exif=exif)
frames = [fromarray(photo(24, 30, 4, seed=33 + i)) for i in range(3)]
add("animated.webp", frames[0], save_all=True, append_images=frames[1:], quality=70)
frames = [fromarray(photo(24, 30, seed=36 + i)) for i in range(3)]
add("animated_opaque.webp", frames[0], save_all=True, append_images=frames[1:], quality=70)
# GIF
gif = fromarray(photo(40, 60, seed=40)).quantize(64)
add("palette.gif", gif, interlace=0)
add("interlaced.gif", gif, interlace=1)
add("transparent.gif", fromarray(photo(21, 17, seed=41)).quantize(16), transparency=5)
add("gray.gif", fromarray(photo(21, 17, seed=42)[..., 0]))
add("bilevel.gif", fromarray(photo(21, 17, seed=43)[..., 0] > 127))
add("noise.gif", fromarray(np.random.RandomState(44).randint(0, 256, (120, 110)).astype(np.uint8)).quantize(256))
frames = [fromarray(photo(24, 30, seed=45 + i)).quantize(32) for i in range(3)]
add("animated.gif", frames[0], save_all=True, append_images=frames[1:])


def gif_frame(canvas, box, transparent=None, table=colors[:12]):
    """A frame of 4-colour rows smaller than, or reaching outside, its canvas (codes of 3 bits, a clear before each)."""
    left, top, width, height = box
    codes = [c for i in range(width * height) for c in (4, i % 4)] + [5]
    bits = "".join(format(c, "03b")[::-1] for c in codes)
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[i:i + 8][::-1], 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent, 0])
    return (b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x81, 1, 0) + table + control + b"\x2c"
            + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02" + blocks + b"\0\x3b")


add("offset.gif", gif_frame((12, 10), (3, 2, 6, 5)))
add("offset_transparent.gif", gif_frame((12, 10), (3, 2, 6, 5), transparent=2))
add("outside.gif", gif_frame((8, 6), (3, 2, 9, 7)))


def object_path(image):
    if image.mode == "RGB":
        return image
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def url_path(image):
    return ImageOps.exif_transpose(image).convert("RGB")


# Hostile files, without expectations
hostile = {"text_bomb.png": png(2, 1, 8, 2, b"\0" + bytes(6), bomb)}
for name, data in hostile.items():
    open(os.path.join(out, name), "wb").write(data)

expected, pixels = {}, b""
for name, data in files.items():
    open(os.path.join(out, name), "wb").write(data)
    entry = {"mode": Image.open(io.BytesIO(data)).mode}
    for key, convert in (("object", object_path), ("url", url_path)):
        rgb = np.asarray(convert(Image.open(io.BytesIO(data))))
        at = pixels.find(rgb.tobytes())
        if at < 0:
            at, pixels = len(pixels), pixels + rgb.tobytes()
        entry[key] = {"width": rgb.shape[1], "height": rgb.shape[0], "offset": at}
    expected[name] = entry
open(os.path.join(out, "expected.rgb"), "wb").write(pixels)
json.dump({"pillow": PIL.__version__, "files": expected}, open(os.path.join(out, "expected.json"), "w"), indent=1)
print(len(files), "files,", sum(map(len, files.values())), "bytes, expected", len(pixels))
