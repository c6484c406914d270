import { type AddressInfo, connect } from "node:net";
import { createServer } from "node:tls";
import { server as identity } from "../support/tls.ts";

/**
 * A TLS terminator in front of a plaintext server, as load balancers have it. workerd's TLS negotiates no protocol
 * (ALPN), without which `node:http2` on its own, and so grpc-js, refuses a connection.
 */
export async function startTlsTerminator(address: string): Promise<{ port: number; stop(): Promise<void> }> {
  const [host, port] = address.split(":") as [string, string];
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer({ ...identity, noDelay: true }, (outer) => {
    const inner = connect({ host, port: Number(port), noDelay: true });
    for (const [from, to] of [[outer, inner], [inner, outer]] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
