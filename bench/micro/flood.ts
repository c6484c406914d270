import process from "node:process";
import { Http2Connection } from "../../src/http2/client/connection.ts";
import { HeaderTemplate } from "../../src/http2/wire/hpack-encoder.ts";
import { ClientStream } from "../../src/http2/client/stream.ts";
import type { ByteStreamEvents } from "../../src/http2/byte-stream.ts";

const STREAMS = 10_000;
const FRAMES = 10_000;
const REQUEST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/", ":authority", "test"]);

class Request extends ClientStream {
  onHead(): void {}
  onData(): void {}
  onEnd(): void {}
  onFailed(): void {}
}

/** A frame of up to a few 32-bit words. */
function frame(type: number, id: number, ...words: number[]): Uint8Array {
  const bytes = new Uint8Array(9 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (4 * words.length) << 8 | type);
  view.setUint32(5, id);
  words.forEach((word, i) => view.setUint32(9 + 4 * i, word));
  return bytes;
}

function settings(window: number): Uint8Array {
  const bytes = frame(4, 0, 0, 0).subarray(0, 15);
  bytes[2] = 6;
  bytes.set([0, 4, window >>> 24, window >>> 16, window >>> 8, window], 9);
  return bytes;
}

const goaway = (last: number) => frame(7, 0, last, 0);
const windowUpdate = (increment: number) => frame(8, 0, increment);

/** A connection over nothing with many open streams, each with content to send; what it writes is dropped. */
function flooded(streamWindow: number): ByteStreamEvents {
  let events!: ByteStreamEvents;
  let time = 0;
  const connection = new Http2Connection(
    {
      start: (given) => void (events = given),
      write: () => true,
      pause() {},
      resume() {},
      end() {},
      destroy() {},
      hold() {},
    },
    {},
    {
      // No flood by the clock: what is measured is what frames cost, and not when they end the connection.
      clock: { now: () => time += 2, timer: () => ({ cancel() {} }) },
    },
  );
  events.data(settings(streamWindow));
  for (let i = 0; i < STREAMS; i++) {
    const stream = new Request();
    stream.open(connection, REQUEST, undefined);
    stream.write(new Uint8Array(0), new Uint8Array(1_000), false);
  }
  return events;
}

/** Milliseconds of CPU that 10,000 frames take which concern all of 10,000 open streams with content that waits. */
export async function floodCpuMs(): Promise<{ settings: number; goaway: number; windowUpdate: number }> {
  const measure = async (streamWindow: number, frames: readonly Uint8Array[]) => {
    const events = flooded(streamWindow);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = process.cpuUsage();
    for (let i = 0; i < FRAMES; i++) {
      events.data(frames[i % frames.length]!);
      if (i % 100 === 99) await Promise.resolve();
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };
  const flips = [settings(0), settings(1_000)];
  // Once the connection's window is what all wait for, once their own.
  const forConnection = await measure(1_000, flips);
  const forTheirOwn = await measure(0, [settings(0), settings(0), settings(1)]);
  const falling = Array.from({ length: FRAMES }, (_, i) => goaway(2 * (STREAMS - i) - 1));
  return {
    settings: Math.max(forConnection, forTheirOwn),
    goaway: Math.max(await measure(1_000, [goaway(0x7fff_ffff)]), await measure(1_000, falling)),
    windowUpdate: await measure(1_000, [windowUpdate(1)]),
  };
}
