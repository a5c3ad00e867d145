"""What pydicom and dcmtk's dcmdump see in data sets: a line of transfer syntax and hexadecimal in, a line of JSON out.

Each answer is a list of readings, a reading is a list of places, and a place is the data set itself or an item in it that shows somebody:
the sequences around it, and by element what is shown of it and the bytes that it was read from.
"""
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import warnings

import pydicom

warnings.simplefilter("ignore")
pydicom.config.logger.disabled = True
WANTED = {
    0x00100010: b"PatientName", 0x00100020: b"PatientID", 0x00100021: b"IssuerOfPatientID", 0x00100030: b"PatientBirthDate", 0x00100040: b"PatientSex",
    0x00101000: b"RETIRED_OtherPatientIDs",
}
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
BATCH = 250
SECONDS = 5  # longer than pydicom needs for any, unless it reads one without end


def even(value):
    return value + b"\x00" * (len(value) % 2)


def part10(syntax, data):
    """A file as a receiver writes it (PS3.10 section 7.1)."""
    meta = b""
    for number, vr, value in ((0x01, b"OB\x00\x00", b"\x00\x01"), (0x02, b"UI", b"1.2.840.10008.5.1.4.1.1.2"), (0x03, b"UI", b"2.25.1"), (0x10, b"UI", syntax.encode()), (0x12, b"UI", b"1.2.3")):
        value = even(value)
        length = len(value).to_bytes(4 if len(vr) == 4 else 2, "little")
        meta += b"\x02\x00" + number.to_bytes(2, "little") + vr + length + value
    return bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little") + meta + data


def place(path, shown):
    return {"path": ["%08X" % tag for tag in path], "shown": {"%08X" % tag: value for tag, value in shown.items()}}


def items(dataset, path):
    """The places of a data set of pydicom's, as far as they can be read."""
    shown, inside = {}, []
    for tag in list(dataset.keys()):
        try:
            raw = dataset.get_item(tag).value
            element = dataset[tag]
            value = element.value
        except Exception:  # it shows nothing of this one
            continue
        if element.VR == "SQ":
            inside += [(item, path + [int(tag)]) for item in value]
        elif int(tag) in WANTED and value is not None:
            values = [value] if isinstance(value, (str, bytes, pydicom.valuerep.PersonName)) else list(value)
            values = [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values]
            shown[int(tag)] = {"values": values, "raw": raw.hex() if isinstance(raw, bytes) else ""}
    if shown:
        yield place(path, shown)
    for item, where in inside:
        yield from items(item, where)


def by_pydicom(syntax, data):
    """As a file, and as a data set alone that tells how it is encoded."""
    readings = [part10(syntax, data)]
    if syntax in (EXPLICIT, IMPLICIT):
        readings.append(data)
    for reading in readings:
        places = None
        try:
            signal.alarm(SECONDS)
            places = list(items(pydicom.dcmread(io.BytesIO(reading), force=True), []))
            signal.alarm(0)
        except Exception:
            signal.alarm(0)
        if places is not None:
            yield places


LINE = re.compile(rb"^( *)\(([0-9a-f]{4}),([0-9a-f]{4})\) (..) (.*?) *#[ 0-9u/l]*, *\d+ (.*)$", re.DOTALL)
HEADER = re.compile(rb"^# dcmdump \((\d+)/\d+\): ")


def value_of(vr, text):
    if text.startswith(b"[") and text.endswith(b"]"):
        return text[1:-1]
    if text.startswith(b"(no value") or not text:
        return b""
    if vr in (b"UN", b"OB", b"??"):
        try:
            return bytes.fromhex(text.decode().replace("\\", ""))
        except ValueError:
            pass
    return text


def read_dump(lines):
    """The places of a dump: what is deeper is set in further."""
    top = ([], {})
    places, around = [top], []  # around: indentation, tag and place of the sequences and items that are open
    for line in lines:
        match = LINE.match(line)
        if not match:
            continue
        depth, tag, vr, text = len(match[1]), int(match[2] + match[3], 16), match[4], match[5]
        while around and around[-1][0] >= depth:
            around.pop()
        inner = around[-1][2] if around else top
        if tag == 0xFFFEE000:
            places.append(([t for _, t, _ in around if t != tag], {}))
            around.append((depth, tag, places[-1]))
        elif text.startswith((b"(Sequence ", b"(PixelSequence ")):
            around.append((depth, tag, inner))
        elif WANTED.get(tag) == match[6].strip():  # a text with a line break in it may look like another element
            raw = value_of(vr, text)
            before = inner[1].get(tag, {"values": []})["values"]
            inner[1][tag] = {"values": before + raw.decode("latin-1").split("\\"), "raw": raw.hex()}
    return [place(path, shown) for path, shown in places if shown]


def by_dcmdump(sets):
    """What is printed, as far as a file is there: with all of long values (+L) it prints gigabytes of one that is cut."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for n, (syntax, data) in enumerate(sets):
            names.append(os.path.join(folder, "%d.dcm" % n))
            with open(names[-1], "wb") as f:
                f.write(part10(syntax, data))
        for begin in range(0, len(names), BATCH):
            batch = names[begin:begin + BATCH]
            out = subprocess.run(["dcmdump", "-q", "-L", "+F", "+E"] + batch, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            dumps = {name: [] for name in batch}
            name = None
            for line in out.split(b"\n"):
                header = HEADER.match(line)
                if header:
                    name = batch[int(header[1]) - 1]
                elif name:
                    dumps[name].append(line)
            for name in batch:
                yield read_dump(dumps[name])


def too_long(*_):
    raise TimeoutError


def main():
    signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    sets = []
    for line in sys.stdin:
        syntax, data = line.rstrip("\n").split(" ")
        sets.append((syntax, bytes.fromhex(data)))
    for (syntax, data), dump in zip(sets, by_dcmdump(sets)):
        print(json.dumps([dump] + list(by_pydicom(syntax, data))))


main()
