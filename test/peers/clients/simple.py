"""The messages of the demo service, without generated code."""


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_text(field, text):
    content = text.encode()
    return bytes([field << 3 | 2]) + varint(len(content)) + content if content else b""


def decode_text(field, message):
    """A field with a text; numbers among the others are skipped."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    text = ""
    while at < len(message):
        tag = number()
        if tag & 7 == 0:
            number()
            continue
        length = number()
        if tag >> 3 == field:
            text = message[at : at + length].decode()
        at += length
    return text


def encode_request(data):
    """A SimpleRequest."""
    return encode_text(1, data)


def decode_request(message):
    return decode_text(1, message)


def encode_response(value):
    """A SimpleResponse with the code 200."""
    return b"\x08" + varint(200) + encode_text(2, value)


def decode_response(message):
    return decode_text(2, message)
