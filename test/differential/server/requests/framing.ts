import { concat } from "../../../support/raw-http2/frame.ts";
import { envelope } from "../../../support/raw-http2/session.ts";
import { BIDI, CLIENT_STREAM, message, type Request, send, SERVER_STREAM } from "../request.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const plain = message("a");

const body = (name: string, ...parts: Uint8Array[]): Request => ({ name, play: send({ body: concat(...parts) }) });
/** A message of so many bytes: its text has a tag and a length before it. */
const sized = (size: number) => message("x".repeat(size - 2));

/** Envelopes and the messages within. */
export const FRAMING: readonly Request[] = [
  body("no message"),
  body("two messages in a unary call", envelope(plain), envelope(plain)),
  body("a part of an envelope's prefix", bytes(0, 0, 0)),
  body("a prefix without a message", bytes(0, 0, 0, 0, 3)),
  body("a message that is cut", envelope(plain).subarray(0, 6)),
  body("bytes behind the message", envelope(plain), bytes(0, 0)),
  body("a length of 4 GiB", bytes(0, 0xff, 0xff, 0xff, 0xff), plain),
  body("a length above the default limit", bytes(0, 0x7f, 0xff, 0xff, 0xff), plain),
  body("the flag 2", envelope(plain, 2)),
  body("the flag 0x80", envelope(plain, 0x80)),
  body("all flags", envelope(plain, 0xff)),
  body("a message that is no Protobuf", envelope(bytes(0xff, 0xff, 0xff))),
  body("a string that is longer than its message", envelope(bytes(0x0a, 9, 0x61))),
  body("a string that is no UTF-8", envelope(bytes(0x0a, 2, 0xc3, 0x28))),
  body("unknown fields", envelope(concat(plain, bytes(0x50, 1)))),
  body("a field of another type", envelope(bytes(0x08, 1))),
  body("a field twice", envelope(concat(message("b"), plain))),
  { name: "a message as large as is allowed", options: "limited", play: send({ body: envelope(sized(100)) }) },
  { name: "a message of a byte more", options: "limited", play: send({ body: envelope(sized(101)) }) },
  {
    name: "the second message of a stream is too large",
    options: "limited",
    play: send({ path: CLIENT_STREAM, body: concat(envelope(plain), envelope(sized(101))) }),
  },
  {
    name: "many messages that are too large only together",
    options: "limited",
    play: send({ path: BIDI, body: concat(...Array.from({ length: 3 }, () => envelope(sized(90)))) }),
  },
  { name: "a server stream without a message", play: send({ path: SERVER_STREAM, texts: [] }) },
  { name: "a server stream with two messages", play: send({ path: SERVER_STREAM, texts: ["1", "2"] }) },
  {
    name: "the second message of a client stream is broken",
    play: send({ path: CLIENT_STREAM, body: concat(envelope(plain), envelope(bytes(0xff))) }),
  },
  {
    name: "the second message of a bidi stream is broken",
    play: send({ path: BIDI, body: concat(envelope(plain), envelope(bytes(0xff))) }),
  },
  { name: "a bidi stream that is cut", play: send({ path: BIDI, body: concat(envelope(plain), bytes(0, 0)) }) },
];
