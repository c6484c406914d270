import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { it, type TestContext } from "node:test";
import type { ByteStreamEvents } from "../../src/http2/byte-stream.ts";
import { DuplexStream, type WritesGo } from "../../src/socket/duplex-stream.ts";
import { eventually } from "../support/eventually.ts";

const SENT_BYTES = 4 << 20;

/** Reads what a server sends, and gives the chunks; `keeps` says which of them the receiver keeps. */
async function readAll(
  t: TestContext,
  writesGo: WritesGo,
  keeps: (nth: number) => boolean,
): Promise<{ readonly chunks: readonly Uint8Array[]; readonly sums: readonly number[] }> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    const bytes = new Uint8Array(SENT_BYTES);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i * 7 + (i >> 8);
    socket.end(bytes);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  const chunks: Uint8Array[] = [], sums: number[] = [];
  let at = 0;
  const events: ByteStreamEvents = {
    data(chunk) {
      for (const byte of chunk) {
        if (byte !== ((at * 7 + (at >> 8)) & 0xff)) assert.fail(`another byte at ${at}`);
        at++;
      }
      chunks.push(chunk);
      sums.push(sum(chunk));
      return !keeps(chunks.length - 1);
    },
    writable() {},
    end() {},
    closed() {},
  };
  const stream = new DuplexStream(socket, undefined, writesGo);
  t.after(() => stream.destroy());
  stream.start(events);
  await eventually("everything to arrive", () => at === SENT_BYTES);
  return { chunks, sums };
}

const sum = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0);

it("frees the large chunks of a socket whose receiver keeps nothing of them, and leaves the others as they are", async (t) => {
  const { chunks, sums } = await readAll(t, "to the system", (nth) => nth % 3 === 0);
  let freed = 0;
  chunks.forEach((chunk, nth) => {
    if (nth % 3 === 0) assert.equal(sum(chunk), sums[nth], `chunk ${nth} was kept`);
    else if (chunk.length === 0) freed++;
  });
  assert.ok(freed >= chunks.length / 3, `${freed} of ${chunks.length} chunks`);
});

it("leaves chunks alone that somebody else in this process may have", async (t) => {
  const { chunks, sums } = await readAll(t, "through the process", () => false);
  chunks.forEach((chunk, nth) => assert.equal(sum(chunk), sums[nth]));
});
