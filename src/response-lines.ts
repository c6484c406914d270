/**
 * Reads a response's body as text, part by part. A body that is not read to its end is cancelled.
 *
 * @throws whatever the body fails with; the signal's reason.
 */
export async function* readParts(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  // Without waiting: on a connection that is dead this may take as long as the connection does.
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      signal.throwIfAborted();
      yield decoder.decode(value, { stream: !done });
      if (done) return;
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

/**
 * Reads a response's body line by line, however it was split into chunks. The last line needs no newline at its end:
 * that of an error of etcd 3.5 has none.
 *
 * @throws RangeError if a line has more than `most` characters; what {@link readParts} throws.
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  most: number,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
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
  for await (const part of readParts(body, signal)) {
    const [rest = "", ...lines] = part.split("\n");
    add(rest);
    for (const line of lines) {
      yield take();
      add(line);
    }
  }
  if (length > 0) yield take();
}

/**
 * Reads a response's body as text.
 *
 * @throws RangeError if it has more than `most` characters; what {@link readParts} throws.
 */
export async function readText(response: Response, most: number, signal: AbortSignal): Promise<string> {
  let text = "";
  for await (const part of response.body === null ? [] : readParts(response.body, signal)) {
    text += part;
    if (text.length > most) throw new RangeError(`the answer has more than ${most} characters`);
  }
  return text;
}
