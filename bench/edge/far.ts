import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy that makes a server of this machine as far away as a round trip takes. */
export interface Far {
  readonly address: string;
  stop(): Promise<void>;
}

/** `roundTripMs` is asked at each connection, which takes one round trip to be open, and at each chunk. */
export async function startFar(target: string, roundTripMs: () => number): Promise<Far> {
  const [host, port] = target.split(":") as [string, string];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (outer) => {
    const inner = connect({ host, port: Number(port), noDelay: true });
    const openAtMs = performance.now() + roundTripMs();
    for (const [from, to] of [[outer, inner], [inner, outer]] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        const delayMs = Math.max(0, openAtMs - performance.now()) + roundTripMs() / 2;
        if (delayMs === 0) to.write(chunk);
        else setTimeout(() => to.write(chunk), delayMs);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
