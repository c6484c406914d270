// A Worker that serves the demo service over Connect and gRPC-Web, with health checks and reflection.
import { Simple } from "../../gen/simple_pb.ts";
import { createHealth } from "../../src/server/health.ts";
import { createFetchHandler, type FetchHandler } from "../../src/server-fetch.ts";

const health = createHealth();

const worker: { fetch: FetchHandler } = {
  fetch: createFetchHandler({
    routes(router) {
      router.service(Simple, {
        route: ({ data }) => ({ code: 200, value: `hello ${data}` }),
        async *routeServerStream({ data }) {
          for (const i of [1, 2, 3]) yield { code: i, value: data };
        },
        async routeClientStream(requests) {
          const all: string[] = [];
          for await (const { data } of requests) all.push(data);
          return { code: 200, value: all.join() };
        },
      });
      health.routes(router);
    },
    cors: { origins: ["https://app.example"] },
  }),
};
export default worker;
