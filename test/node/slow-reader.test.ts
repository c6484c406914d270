import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { describe, it } from "node:test";
import tls from "node:tls";
import type { ByteStream } from "../../src/http2/byte-stream.ts";
import { CONNECTION_PREFACE } from "../../src/http2/wire/frame.ts";
import { FrameWriter } from "../../src/http2/wire/frame-writer.ts";
import { listen } from "../../src/node/listen.ts";
import { destinationOf } from "../../src/node/socket.ts";
import { systemClock } from "../../src/time/clock.ts";
import { eventually } from "../support/eventually.ts";
import * as certificates from "../support/tls.ts";

const FRAME_BYTES = 16_000, FRAMES = 1_000, FRAMES_IN_A_TURN = 9;

/** How often a sender had to wait, how often it wrote, and from how many pieces of memory. */
interface Sent {
  waits: number;
  writes: number;
  readonly memories: Set<ArrayBufferLike>;
}

/** Sends numbered frames as fast as the stream takes them. */
function send(bytes: ByteStream): Sent {
  const seen: Sent = { waits: 0, writes: 0, memories: new Set() };
  const output = {
    get taken() {
      return bytes.taken;
    },
    write(chunk: Uint8Array) {
      seen.writes++;
      seen.memories.add(chunk.buffer);
      return bytes.write(chunk);
    },
  };
  const writer = new FrameWriter(output, () => {});
  let frame = 0;
  const turn = () => {
    for (let i = 0; i < FRAMES_IN_A_TURN && frame < FRAMES; i++) {
      writer.data(1, new Uint8Array(0), new Uint8Array(FRAME_BYTES).fill(++frame), false);
    }
    writer.flush();
    if (writer.blocked) seen.waits++;
    else if (frame < FRAMES) setImmediate(turn);
  };
  bytes.start({
    data() {},
    writable() {
      writer.drained();
      if (!writer.blocked) turn();
    },
    end() {},
    closed() {},
  });
  turn();
  return seen;
}

/** Reads with pauses what is sent, not before its sender has to wait, and checks each byte. */
async function readSlowly(socket: net.Socket, sent: () => Sent | undefined): Promise<void> {
  await eventually("the sender waits", () => (sent()?.waits ?? 0) > 0);
  let at = 0, chunks = 0, wrong = -1;
  const frameBytes = 9 + FRAME_BYTES;
  socket.on("data", (chunk: Uint8Array) => {
    for (const byte of chunk) {
      const inFrame = at % frameBytes;
      if (inFrame >= 9 && byte !== (Math.floor(at / frameBytes) + 1) % 256 && wrong < 0) wrong = at;
      at++;
    }
    if (++chunks % 8 > 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), 1);
  });
  await eventually("all frames have arrived", () => at === FRAMES * frameBytes || wrong >= 0);
  assert.equal(wrong, -1, `byte ${wrong} was overwritten`);
  const { memories, writes } = sent()!;
  assert.ok(memories.size < writes / 2, `${writes} writes from ${memories.size} pieces of memory`);
}

describe("what is sent to a reader that is slow arrives as it was, though its memory is used again", () => {
  for (const secure of [false, true]) {
    const over = secure ? "TLS" : "TCP";

    it(`from a server over ${over}`, async () => {
      let sent: Sent | undefined;
      const settings = {
        clock: systemClock,
        handshakeTimeoutMs: 10_000,
        tls: secure ? certificates.server : undefined,
      };
      const listener = await listen({ host: "127.0.0.1" }, settings, {
        admits: () => true,
        connection(bytes) {
          sent = send(bytes);
        },
        tlsError() {},
      });
      const { port } = listener;
      const socket = secure
        ? tls.connect({ host: "127.0.0.1", port, ca: certificates.ca, ALPNProtocols: ["h2"] })
        : net.connect(port, "127.0.0.1");
      try {
        socket.write(CONNECTION_PREFACE);
        await readSlowly(socket, () => sent);
      } finally {
        socket.destroy();
        listener.close();
      }
    });

    it(`from a client over ${over}`, async () => {
      const server = secure ? tls.createServer({ ...certificates.server, ALPNProtocols: ["h2"] }) : net.createServer();
      const accepted = once(server, secure ? "secureConnection" : "connection") as Promise<[net.Socket]>;
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as net.AddressInfo;
      const destination = destinationOf(
        { address: `127.0.0.1:${port}` },
        secure ? { ca: certificates.ca } : undefined,
      );
      const bytes = await destination.open(AbortSignal.timeout(10_000));
      const [socket] = await accepted;
      try {
        bytes.hold(true);
        const sent = send(bytes);
        await readSlowly(socket, () => sent);
      } finally {
        socket.destroy();
        bytes.destroy();
        server.close();
      }
    });
  }
});
