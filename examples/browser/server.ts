// A server that pages may call: Connect and gRPC-Web over HTTP/1.1, with CORS.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cors } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";

/** A server that answers with its own address. */
export class BrowserServer {
  /** `127.0.0.1:port`. */
  address = "";
  readonly #server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*"); // better: the origins of your own pages
    response.setHeader("access-control-allow-methods", cors.allowedMethods.join());
    response.setHeader("access-control-allow-headers", cors.allowedHeaders.join());
    response.setHeader("access-control-expose-headers", cors.exposedHeaders.join());
    response.setHeader("access-control-max-age", "7200");
    if (request.method === "OPTIONS") response.writeHead(204).end();
    else this.#handler(request, response);
  });
  readonly #handler = connectNodeAdapter({
    routes: (router) => router.service(Simple, { route: () => ({ value: this.address }) }),
  });

  /** Listens, on the same port again after `stop`. */
  async start(): Promise<void> {
    if (this.#server.listening) return;
    const port = this.address === "" ? 0 : Number(this.address.split(":")[1]);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
    this.address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends all connections at once, as if it had been killed. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}
