import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { createBalancedTransport, staticResolver } from "../../src/index.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

describe("a worker that serves", () => {
  let workerd: Workerd;
  before(async () => void (workerd = await startWorkerd("test/edge/server-worker.ts")));
  after(() => workerd?.stop());

  for (const protocol of ["connect", "grpc-web"] as const) {
    it(`answers calls over ${protocol} of each kind that fetch carries`, async () => {
      const transport = createBalancedTransport({
        resolver: staticResolver([new URL(workerd.url).host]),
        connector: fetchConnector({ protocol }),
      });
      try {
        const simple = createClient(Simple, transport);
        for (let i = 0; i < 20; i++) assert.equal((await simple.route({ data: `${i}` })).value, `hello ${i}`);
        const codes = [];
        for await (const { code } of simple.routeServerStream({ data: "s" })) codes.push(code);
        assert.deepEqual(codes, [1, 2, 3]);
        const requests = (async function* () {
          for (const data of ["a", "b"]) yield { data };
        })();
        assert.equal((await simple.routeClientStream(requests)).value, "a,b");
        assert.equal((await createClient(Health, transport).check({})).status, Status.SERVING);
      } finally {
        await transport.close();
      }
    });
  }

  it("lets the pages call that it allows", async () => {
    const preflight = await fetch(`${workerd.url}/proto.Simple/Route`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    });
    assert.equal(preflight.headers.get("access-control-allow-origin"), "https://app.example");
  });
});
