/** What a backend answers on one of its ports; `silent` takes calls and never answers. */
export const KINDS = [
  "unary-16B",
  "unary-4KiB",
  "server-stream-16B",
  "server-stream-4KiB",
  "bidi-16",
  "silent",
] as const;
export type Kind = (typeof KINDS)[number];

/** Messages that a server stream answers with. */
export const STREAM_MESSAGES = 1_000;
/** Messages that go each way in a bidi call, one after the answer to the one before. */
export const BIDI_TURNS = 16;

/** How many characters a message's text has, both ways. */
export function textLength(kind: Kind): number {
  return kind.endsWith("4KiB") ? 4_096 : 16;
}

/** Where the backends listen, for each kind. */
export type Addresses = Readonly<Record<Kind, readonly string[]>>;
