/** One server-sent event. */
export interface SentEvent<T = unknown> {
  readonly event: string;
  readonly data: T;
}

/** Reads the events of a response one by one. */
export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    this.#reader = response.body!.getReader();
  }

  /** The next one; undefined at the end. */
  async next<T>(): Promise<SentEvent<T> | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const [event = "", data = ""] = this.#text.slice(0, end).split("\n");
        this.#text = this.#text.slice(end + 2);
        return { event: event.replace("event: ", ""), data: JSON.parse(data.replace("data: ", "")) as T };
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  /** The reader leaves. */
  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}
