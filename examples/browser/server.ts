// A server that pages may call: Connect and gRPC-Web over HTTP/1.1, with CORS.
import { Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";

/** A server that answers with its own address. */
export class BrowserServer {
  /** `127.0.0.1:port`. */
  address = "";
  #server: GrpcServer | undefined;

  /** Listens, on the same port again after `stop`. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = this.#server = createGrpcServer({
      routes: (router) => router.service(Simple, { route: () => ({ value: this.address }) }),
      cors: { origins: "*" }, // better: the origins of your own pages
    });
    const port = this.address === "" ? 0 : Number(this.address.split(":")[1]);
    this.address = (await server.listen({ host: "127.0.0.1", port })).address;
  }

  /** Ends all connections at once, as if it had been killed. */
  async stop(): Promise<void> {
    const closed = this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
    await closed;
  }
}
