import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Transport } from "@connectrpc/connect";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { direct } from "../support/direct.ts";
import { METHODS, startNghttpd, STREAM } from "./nghttpd.ts";
import { peersSkipped } from "./programs.ts";

const none = [undefined, undefined, undefined] as const;

async function unary(transport: Transport, data = "a"): Promise<string> {
  return (await transport.unary(METHODS.unary, ...none, { data })).message.value;
}

async function serverStream(transport: Transport): Promise<number> {
  async function* request() {
    yield { data: "a" };
  }
  const { message } = await transport.stream(METHODS.serverStream, ...none, request());
  let characters = 0;
  for await (const { value } of message) characters += value.length;
  return characters;
}

async function clientStream(transport: Transport, count: number, characters: number): Promise<string> {
  async function* requests() {
    for (let i = 0; i < count; i++) yield { data: "x".repeat(characters) };
  }
  const { message } = await transport.stream(METHODS.clientStream, ...none, requests());
  const values: string[] = [];
  for await (const { value } of message) values.push(value);
  return values.join();
}

/** How nghttpd is started, and what of HTTP/2 that exercises. */
const KINDS: readonly (readonly [name: string, args: readonly string[], uploadBytes: number])[] = [
  ["as it is", [], 10 * 2 ** 20],
  ["with all frames padded", ["--padding", "255"], 2 ** 20],
  ["with windows of 1 KiB for streams", ["--window-bits", "10"], 2 ** 18],
  ["with 3 streams at once", ["--max-concurrent-streams", "3"], 2 ** 20],
  ["without a header table", ["--header-table-size", "0", "--encoder-header-table-size", "0"], 2 ** 20],
];

for (const [name, args, uploadBytes] of KINDS) {
  describe(`against nghttpd ${name}`, { skip: peersSkipped }, () => {
    it("makes calls, one after another and many at once, both ways large", async () => {
      const server = await startNghttpd(...args);
      const { transport, close } = direct(grpcConnector({ readMaxBytes: 2 ** 24 }), server.address);
      try {
        assert.equal(await unary(transport), "hello");
        assert.equal(await unary(transport, "x".repeat(uploadBytes)), "hello");
        assert.equal(await serverStream(transport), STREAM.messages * STREAM.characters);
        assert.equal(await clientStream(transport, 64, uploadBytes / 64), "taken");
        const answers = await Promise.all(Array.from({ length: 2_000 }, () => unary(transport)));
        assert.ok(answers.every((answer) => answer === "hello"));
        await Promise.all(Array.from({ length: 4 }, async () => {
          assert.equal(await serverStream(transport), STREAM.messages * STREAM.characters);
        }));
      } finally {
        await close();
        await server.stop();
      }
    });
  });
}

describe("with windows of its own that are tiny", { skip: peersSkipped }, () => {
  it("receives 10 MiB from nghttpd", async () => {
    const server = await startNghttpd();
    const limits = { streamWindowBytes: 4_096, connectionWindowBytes: 65_535 };
    const { transport, close } = direct(grpcConnector({ readMaxBytes: 2 ** 24, limits }), server.address);
    try {
      assert.equal(await serverStream(transport), STREAM.messages * STREAM.characters);
      assert.equal(await unary(transport), "hello");
    } finally {
      await close();
      await server.stop();
    }
  });
});
