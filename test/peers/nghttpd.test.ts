import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { grpcConnector, type TlsOptions } from "../../src/node/grpc-connector.ts";
import { direct } from "../support/direct.ts";
import { ca, client as identity } from "../support/tls.ts";
import { METHODS, type Nghttpd, startNghttpd, startSecureNghttpd, STREAM } from "./nghttpd.ts";
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

/** Makes calls of all kinds that files can answer, and ends the server. */
async function callAll(server: Nghttpd, uploadBytes: number, tls?: TlsOptions): Promise<void> {
  const { transport, close } = direct(grpcConnector({ readMaxBytes: 2 ** 24, tls }), server.address);
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
}

for (const [name, args, uploadBytes] of KINDS) {
  describe(`against nghttpd ${name}`, { skip: peersSkipped }, () => {
    it("makes calls, one after another and many at once, both ways large", async () => {
      await callAll(await startNghttpd(...args), uploadBytes);
    });
  });
}

describe("against nghttpd over TLS", { skip: peersSkipped }, () => {
  it("makes calls, one after another and many at once, both ways large", async () => {
    await callAll(await startSecureNghttpd(), 10 * 2 ** 20, { ca });
  });

  it("makes calls when all frames are padded", async () => {
    await callAll(await startSecureNghttpd("--padding", "255"), 2 ** 20, { ca });
  });

  it("makes calls with a certificate of its own, and none without it", async () => {
    // nghttpd verifies no certificate, but insists that there is one.
    const server = await startSecureNghttpd("--verify-client");
    const anonymous = direct(grpcConnector({ tls: { ca } }), server.address);
    await assert.rejects(unary(anonymous.transport), unavailable);
    await anonymous.close();
    await callAll(server, 2 ** 20, { ca, ...identity });
  });

  it("makes no calls to a server that it can't trust, and none in plaintext", async () => {
    const server = await startSecureNghttpd();
    for (const tls of [{}, undefined]) {
      const { transport, close } = direct(grpcConnector({ tls }), server.address);
      await assert.rejects(unary(transport), unavailable);
      await close();
    }
    await server.stop();
  });
});

function unavailable(error: unknown): true {
  assert.equal(ConnectError.from(error).code, Code.Unavailable, String(error));
  return true;
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
