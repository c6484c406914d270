// An HTTP proxy on loopback that knows CONNECT alone, and does with it as told.
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export interface ConnectProxy {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  /** The header sections that came. */
  readonly requests: string[];
  close(): void;
}

export interface ConnectProxyOptions {
  /** Where a tunnel leads, whatever was asked for. Undefined: nowhere. */
  target?: string;
  /** What is answered in place of a tunnel; undefined: nothing. */
  answer?: (socket: Socket) => void;
  /** Sends the header section and the first bytes of the server in one piece. */
  together?: boolean;
}

export async function startConnectProxy({ target, answer, together }: ConnectProxyOptions): Promise<ConnectProxy> {
  const requests: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    sockets.push(client);
    client.on("error", () => {});
    let received = "";
    const onData = (chunk: Uint8Array) => {
      received += new TextDecoder("latin1").decode(chunk);
      if (!received.includes("\r\n\r\n")) return;
      client.off("data", onData);
      client.pause();
      requests.push(received);
      if (target === undefined) return answer?.(client);
      const [host, port] = target.split(":") as [string, string];
      const upstream = connect({ host, port: Number(port) });
      sockets.push(upstream);
      upstream.on("error", () => client.destroy());
      upstream.on("close", () => client.destroy());
      client.on("close", () => upstream.destroy());
      const header = "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n";
      const begin = (first: Uint8Array) => {
        client.write(new Uint8Array([...new TextEncoder().encode(header), ...first]));
        client.pipe(upstream);
        upstream.pipe(client);
      };
      if (together) upstream.once("data", begin);
      else upstream.once("connect", () => begin(new Uint8Array(0)));
    };
    client.on("data", onData);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
