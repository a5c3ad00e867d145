"""What python-hl7 sees in messages: a line of hexadecimal in, a line of JSON out, the values that it shows as patients' numbers.

Each message is read in every way in which a receiver could go about it: as UTF-8 and as Latin-1, as one message, as a batch, as a
file, and cut at whatever Python takes for the end of a line.
"""
import json
import sys

import hl7


def texts(raw):
    for encoding in ("utf-8", "latin-1"):
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError:
            pass


def messages(text):
    for read in (hl7.parse, hl7.parse_hl7, hl7.parse_batch, hl7.parse_file):
        try:
            parsed = read(text)
        except Exception:  # it shows nothing then
            continue
        if isinstance(parsed, hl7.File):
            for batch in parsed:
                yield from batch
        elif isinstance(parsed, hl7.Batch):
            yield from parsed
        else:
            yield parsed
    try:
        yield hl7.parse("\r".join(line for line in text.splitlines() if line))
    except Exception:
        pass


def values(message, segment, n):
    """The first components of all repetitions of a field, as they stand and with their escapes decoded."""
    if len(segment) <= n:
        return
    for repetition in segment[n]:
        value = repetition
        while isinstance(value, hl7.Container):
            if len(value) == 0:
                value = ""
                break
            value = value[0]
        yield value
        try:
            yield message.unescape(value)
        except Exception:
            pass


def shown(raw):
    out = set()
    for text in texts(raw):
        for message in messages(text):
            for segment in message:
                name = str(segment[0]).strip()
                if name == "PID":
                    found = {v for v in values(message, segment, 3) if v.strip() not in ("", '""')}
                    if not found:
                        for n in (2, 4):
                            found |= set(values(message, segment, n))
                    out |= found
                elif name == "MRG":
                    out |= set(values(message, segment, 1))
    return sorted(v for v in out if v.strip() not in ("", '""'))


for line in sys.stdin:
    print(json.dumps(shown(bytes.fromhex(line.strip()))), flush=False)
