// `connect` as `cloudflare:sockets` has it, over sockets of Node's, for tests outside workerd.
import net from "node:net";
import type { SocketOptions, SocketTarget, StreamSocket } from "../../src/workers.ts";

/** A `connect` that counts. */
export interface StreamConnect {
  connect(target: SocketTarget, options: SocketOptions): StreamSocket;
  /** The sockets that are open, or being opened or closed. */
  readonly open: number;
  /** The most that there have been. */
  readonly most: number;
  /** Where to sockets were opened, in order. */
  readonly ports: readonly number[];
  readonly options: readonly SocketOptions[];
}

export function streamConnect(): StreamConnect {
  const count = { open: 0, most: 0 }, ports: number[] = [], seen: SocketOptions[] = [];
  return {
    connect(target, options) {
      ports.push(target.port);
      seen.push(options);
      count.most = Math.max(count.most, ++count.open);
      const socket = connectStreams(target);
      void socket.closed.catch(() => {}).then(() => count.open--);
      return socket;
    },
    get open() {
      return count.open;
    },
    get most() {
      return count.most;
    },
    ports,
    options: seen,
  };
}

function connectStreams({ hostname, port }: SocketTarget): StreamSocket {
  const socket = net.connect({ host: hostname, port });
  const failed = new Promise<never>((_, reject) => socket.on("error", reject));
  const closed = Promise.race([failed, new Promise<void>((resolve) => socket.on("close", () => resolve()))]);
  const opened = Promise.race([failed, new Promise<void>((resolve) => socket.on("connect", () => resolve()))]);
  for (const promise of [closed, opened]) promise.catch(() => {});
  const written = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())));
  return {
    opened,
    closed,
    readable: new ReadableStream<Uint8Array>({
      start(controller) {
        socket.on("data", (chunk: Uint8Array) => controller.enqueue(new Uint8Array(chunk)));
        const end = () => {
          try {
            controller.close();
          } catch {
            // It is closed already, or cancelled.
          }
        };
        socket.on("end", end).on("close", end);
      },
    }),
    writable: new WritableStream<Uint8Array>({
      write: written,
      close: () => new Promise<void>((resolve) => socket.end(() => resolve())),
    }),
    async close() {
      socket.destroy();
      await closed;
    },
  };
}
