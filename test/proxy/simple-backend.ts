// A server that speaks gRPC alone, with an answer to everything that clients may want to see pass through a proxy.
import type { TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { createGrpcServer } from "../../src/server.ts";

/** Where it listens, and what it saw. */
export interface SimpleBackend {
  readonly address: string;
  readonly headers: Headers[];
  readonly cancelled: string[];
}

/** Serves it on a free port. */
export async function simpleBackend(t: TestContext): Promise<SimpleBackend> {
  const headers: Headers[] = [], cancelled: string[] = [];
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        route({ data }, context) {
          headers.push(new Headers(context.requestHeader));
          if (data === "fail") {
            throw new ConnectError("no, żółć", Code.NotFound, { "x-why": "because" }, [
              { desc: SimpleResponseSchema, value: { value: "detail" } },
            ]);
          }
          context.responseHeader.set("x-protocol", context.protocolName);
          context.responseTrailer.set("x-tail", "end");
          return { code: context.timeoutMs() === undefined ? 0 : 1, value: `hello ${data}` };
        },
        async *routeServerStream({ data }, { responseTrailer, signal }) {
          signal.addEventListener("abort", () => cancelled.push(data));
          responseTrailer.set("x-tail", "end");
          for (let i = 0; i < (data === "endless" ? Infinity : 3); i++) {
            yield { value: `${data}${i}` };
            await new Promise((resolve) => setTimeout(resolve));
          }
          if (data === "fail") throw new ConnectError("midway", Code.DataLoss);
        },
        async routeClientStream(requests) {
          const all: string[] = [];
          for await (const { data } of requests) all.push(data);
          return { value: all.join() };
        },
        async *routeBidiStream(requests) {
          for await (const { data } of requests) yield { value: data.toUpperCase() };
        },
      }),
    connect: false,
    grpcWeb: false,
  });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
  return { address, headers, cancelled };
}
