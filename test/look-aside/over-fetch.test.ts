import assert from "node:assert/strict";
import { it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { createPullTransport } from "../../src/index.ts";
import { loadReportRoutes, lookAsideBalancer, lookAsideResolver } from "../../src/look-aside.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createFetchHandler } from "../../src/server-fetch.ts";
import type { FetchHandler } from "../../src/server-fetch.ts";

it("works without sockets: a balancer and servers over fetch, asked once for a pull transport", async (t) => {
  const hosts: Record<string, FetchHandler> = {};
  const connector = fetchConnector({
    protocol: "connect",
    fetch: (input, init) => {
      const request = new Request(input, init);
      return hosts[new URL(request.url).host]!(request);
    },
  });
  for (const [host, score] of [["a.test:80", 0], ["b.test:80", 8]] as const) {
    hosts[new URL(`http://${host}`).host] = createFetchHandler({
      routes(router) {
        router.service(Simple, { route: () => ({ value: host }) });
        loadReportRoutes({ score: () => score })(router);
      },
    });
  }
  const balancer = lookAsideBalancer({ resolver: () => staticResolver(["a.test:80", "b.test:80"]), connector });
  t.after(() => balancer.close());
  hosts["lb.test:8383"] = createFetchHandler({ routes: balancer.routes });
  const transport = createPullTransport({
    resolver: lookAsideResolver({ target: "orders", balancers: ["lb.test:8383"], connector }),
    connector,
  });
  t.after(() => transport.close());
  const client = createClient(Simple, transport), counts = { "a.test:80": 0, "b.test:80": 0 };
  for (let i = 0; i < 40; i++) counts[(await client.route({ data: "" })).value as keyof typeof counts]++;
  assert.deepEqual(counts, { "a.test:80": 30, "b.test:80": 10 });
});
