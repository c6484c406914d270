// What every peer's server of the demo service answers, whatever it is built with.

/** The header field that servers send back, in headers and (with `-trailer`) in trailers. */
export const ECHO = "x-echo";

/** A call with this text fails with {@link FAILURE}. */
export const FAIL = "fail";
export const FAILURE = { code: 9, message: "as asked: ✓ 100%" } as const;

/** `count:characters`: how many messages a server stream has, and how long each is. */
export function messagesOf(data: string): string[] {
  const [count, characters] = data.split(":").map(Number) as [number, number];
  const text = "y".repeat(characters);
  return Array.from({ length: count }, () => text);
}

/** The answer to a client stream: how many messages came, and how many characters. */
export function summaryOf(texts: readonly string[]): string {
  return `${texts.length} ${texts.reduce((sum, text) => sum + text.length, 0)}`;
}

/** Calls whose text begins so are printed as they are taken, for counting calls that were processed twice. */
export const COUNTED = "id ";

/** A call with this text is answered by nothing (a server stream: by one message); `waits` is printed when
 * it begins, and `aborted` when it ends. */
export const SILENT = "silent";
