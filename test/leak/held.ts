// What a server can make a client hold: `node --expose-gc test/leak/held.ts`, or with Bun or Deno. The server sends all
// that it may on streams that are read once, or never, and left. Prints a line for each: how many bytes the server could
// send, and how much memory of the process grew by.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { envelope, OK_HEADERS } from "../support/raw-http2/session.ts";

const FRAME_BYTES = 16_384;
const message = envelope(new Uint8Array(FRAME_BYTES - 5).fill(0x20));
// A protobuf message with a string that fills it.
message.set([0x12, 0xf7, 0xff, 0x00], 5);

/** Sends whatever the client's windows allow, on all streams. */
async function hold(streams: number): Promise<void> {
  let sent = 0;
  const server = await startRawServer(async (session) => {
    await session.handshake();
    const initial = session.setting(Setting.initialWindowSize) ?? 65_535;
    const left = new Map<number, number>();
    let connection = 65_535;
    for (;;) {
      const { type, flags, streamId, payload } = await session.read();
      if (type === FrameType.windowUpdate) {
        const bytes = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
        if (streamId === 0) connection += bytes;
        else left.set(streamId, left.get(streamId)! + bytes);
      } else if (type === FrameType.data && (flags & Flag.endStream) !== 0) {
        session.headers(streamId, OK_HEADERS);
        left.set(streamId, initial);
      }
      for (const [id, bytes] of left) {
        for (let most = Math.min(bytes, connection); most >= FRAME_BYTES; most -= FRAME_BYTES) {
          session.data(id, message);
          left.set(id, left.get(id)! - FRAME_BYTES);
          connection -= FRAME_BYTES;
          sent += FRAME_BYTES;
        }
      }
    }
  });
  const link = grpcConnector({})({ address: server.address }, { draining() {}, lost() {} });
  await link.connect!(AbortSignal.timeout(10_000));
  const client = createClient(Simple, link.transport);
  const before = inUse();
  const iterators = Array.from(
    { length: streams },
    () => client.routeServerStream({ data: "x" })[Symbol.asyncIterator](),
  );
  // An iterator of Connect's makes its call at the first `next`.
  const first = iterators.map((iterator) => iterator.next());
  await Promise.all(first);
  for (let quiet = 0, last = -1; quiet < 10; quiet = sent === last ? quiet + 1 : 0) {
    last = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  console.log(
    `${streams} streams, read once and left: the server sent ${mib(sent)} MiB, in use ${
      mib(inUse() - before)
    } MiB more`,
  );
  for (const call of first) call.catch(() => {});
  await link.close();
  await server.close();
}

function inUse(): number {
  const { Bun, gc } = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  Bun?.gc(true);
  gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

await hold(40);
await hold(200);
await hold(1_000);
process.exit(0);
