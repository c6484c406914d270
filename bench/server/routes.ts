import type { ConnectRouter } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { STREAM_MESSAGES } from "../kind.ts";

/** What every server answers: the text that came, once or {@link STREAM_MESSAGES} times. */
export function benchRoutes(router: ConnectRouter): void {
  router.service(Simple, {
    route: async ({ data }) => ({ code: 200, value: data }),
    async *routeServerStream({ data }) {
      for (let i = 0; i < STREAM_MESSAGES; i++) yield { code: 200, value: data };
    },
    async *routeBidiStream(requests) {
      for await (const { data } of requests) yield { code: 200, value: data };
    },
  });
}
