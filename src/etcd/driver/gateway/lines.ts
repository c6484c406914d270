/**
 * Reads a response's body line by line, however it was split into chunks. The last line needs no newline at its end:
 * that of an error of etcd 3.5 has none. A body that is not read to its end is cancelled.
 *
 * @throws RangeError if a line has more than `most` characters; whatever the body fails with; the signal's reason.
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  most: number,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  // Without waiting: on a connection that is dead this may take as long as the connection does.
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  const decoder = new TextDecoder();
  let parts: string[] = [], length = 0;
  const add = (part: string) => {
    length += part.length;
    if (length > most) throw new RangeError(`a line has more than ${most} characters`);
    parts.push(part);
  };
  const take = () => {
    const line = parts.join("");
    parts = [];
    length = 0;
    return line;
  };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      signal.throwIfAborted();
      const [rest = "", ...lines] = decoder.decode(value, { stream: !done }).split("\n");
      add(rest);
      for (const line of lines) {
        yield take();
        add(line);
      }
      if (done) break;
    }
    if (length > 0) yield take();
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}
