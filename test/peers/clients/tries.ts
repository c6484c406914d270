// What every client written in JavaScript tries; those in Go and Python try the same in their own words.
import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { ECHO, FAIL, FAILURE, SILENT } from "../servers/answers.ts";

const TEN_MIB = 10 * 2 ** 20;

/** What a call is made with. */
export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onMetadata?: (header: string | undefined, trailer: string | undefined) => void;
}

/** A client of the demo service, whatever it is built with: texts in and texts out. */
export interface PeerClient {
  unary(data: string, options?: CallOptions): Promise<string>;
  serverStream(data: string, options?: CallOptions): AsyncIterable<string>;
  clientStream(texts: AsyncIterable<string>): Promise<string>;
  bidi(texts: AsyncIterable<string>): AsyncIterable<string>;
  /** gRPC's code of an error that this client failed with, and its text. */
  status(error: unknown): { code: number; message: string };
  close(): void;
}

async function* texts(count: number, characters: number): AsyncGenerator<string> {
  const text = "x".repeat(characters);
  for (let i = 0; i < count; i++) yield text;
}

async function received(answers: AsyncIterable<string>): Promise<[count: number, characters: number]> {
  let count = 0, characters = 0;
  for await (const { length } of answers) {
    count++;
    characters += length;
  }
  return [count, characters];
}

/** What a call fails with. */
async function failureOf(client: PeerClient, call: () => Promise<unknown>): Promise<{ code: number; message: string }> {
  try {
    await call();
  } catch (error) {
    return client.status(error);
  }
  throw new Error("it did not fail");
}

/** What takes 10,000 round trips and more with tiny windows. */
export const LARGE: readonly string[] = ["messages of 10 MiB", "10 MiB in streams"];

export const TRIES: Readonly<Record<string, (client: PeerClient) => Promise<void>>> = {
  async "a unary call with metadata"(client) {
    let seen: unknown;
    const onMetadata = (...values: unknown[]) => seen = values;
    assert.equal(await client.unary("grüße", { headers: { [ECHO]: "a b" }, onMetadata }), "grüße");
    assert.deepEqual(seen, ["a b", "a b"]);
  },
  async "an error"(client) {
    assert.deepEqual(await failureOf(client, () => client.unary(FAIL)), { ...FAILURE });
  },
  async "a stream from the server"(client) {
    assert.deepEqual(await received(client.serverStream("5000:100")), [5_000, 500_000]);
  },
  async "a stream from the client"(client) {
    assert.equal(await client.clientStream(texts(5_000, 100)), "5000 500000");
  },
  async "a stream both ways"(client) {
    let answered = () => {};
    async function* requests() {
      for (let i = 0; i < 50; i++) {
        const answer = new Promise<void>((resolve) => answered = resolve);
        yield `turn ${i}`;
        await answer;
      }
    }
    const values: string[] = [];
    for await (const value of client.bidi(requests())) {
      values.push(value);
      answered();
    }
    assert.deepEqual(values, Array.from({ length: 50 }, (_, i) => `turn ${i}`));
  },
  async "messages of 10 MiB"(client) {
    assert.equal((await client.unary("x".repeat(TEN_MIB))).length, TEN_MIB);
  },
  async "10 MiB in streams"(client) {
    assert.deepEqual(await received(client.serverStream(`160:${TEN_MIB / 160}`)), [160, TEN_MIB]);
    assert.equal(await client.clientStream(texts(160, TEN_MIB / 160)), `160 ${TEN_MIB}`);
  },
  async "2,000 calls at once"(client) {
    const numbers = Array.from({ length: 2_000 }, (_, i) => `${i}`);
    // By it the client learns how many streams it may open. Clients of node:http2 lose answers over TLS that come in one
    // piece with the server's first SETTINGS, while more calls wait.
    await client.unary("first");
    assert.deepEqual(await Promise.all(numbers.map((number) => client.unary(number))), numbers);
  },
  async "2,000 streams at once"(client) {
    let begun = 0, release = () => {};
    const all = new Promise<void>((resolve) => release = resolve);
    const stream = async (i: number) => {
      async function* requests() {
        yield `${i}`;
        await all;
        yield `${i} again`;
      }
      const values: string[] = [];
      for await (const value of client.bidi(requests())) {
        values.push(value);
        // Only when every stream has had an answer may any of them go on.
        if (values.length === 1 && ++begun === 2_000) release();
      }
      assert.deepEqual(values, [`${i}`, `${i} again`]);
    };
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => stream(i)));
  },
  async cancellation(client) {
    const abort = new AbortController();
    const { code } = await failureOf(client, async () => {
      for await (const _ of client.serverStream(SILENT, { signal: abort.signal })) abort.abort();
    });
    assert.equal(code, Code.Canceled);
  },
  async "a deadline"(client) {
    const { code } = await failureOf(client, () => client.unary(SILENT, { timeoutMs: 50 }));
    assert.equal(code, Code.DeadlineExceeded);
  },
  async compression(client) {
    assert.equal((await client.unary("x".repeat(100_000))).length, 100_000);
  },
};

/** Tries all of it: the last with the client that compresses what it sends. Prints a line for each. */
export async function tryAll(
  open: (compress: "compress" | "plain") => PeerClient,
  without: readonly string[] = [],
): Promise<void> {
  for (const [name, attempt] of Object.entries(TRIES)) {
    if (without.includes(name)) continue;
    const client = open(name === "compression" ? "compress" : "plain");
    try {
      await attempt(client);
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`failed ${name}: ${String((error as Error).stack ?? error).replaceAll("\n", "; ")}`);
    } finally {
      client.close();
    }
  }
}
