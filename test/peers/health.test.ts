// grpcHealth and grpc-go's own health service.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBalancedTransport, grpcHealth, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { eventually } from "../support/eventually.ts";
import { hasGo } from "../support/go.ts";
import { grpcGo } from "../support/grpc-go.ts";
import { start } from "../support/process.ts";

describe("grpcHealth with grpc-go's health service", { skip: !hasGo() && "Go is not installed" }, () => {
  for (const [how, poll] of [["watched", {}], ["polled", { pollIntervalMs: 100 }]] as const) {
    it(`is serving as a whole, and holds a service back that the server does not know (${how})`, async (t) => {
      const child = start(grpcGo("loads"), ["a"]);
      t.after(() => child.kill());
      const [, address] = await child.line(/^\{"address":"([^"]+)"/);
      const healthOf = async (service: string) => {
        const transport = createBalancedTransport({
          resolver: staticResolver([address!]),
          connector: grpcConnector(),
          health: [grpcHealth({ service, ...poll })],
          panicShare: 0,
        });
        t.after(() => transport.close());
        transport.connect().catch(() => {});
        return await eventually("it is known", () => {
          const endpoint = transport.snapshot().endpoints?.[0];
          return endpoint?.state === "ready" && endpoint.health !== "unknown" && endpoint.health;
        });
      };
      assert.equal(await healthOf(""), "serving");
      assert.match(String(await healthOf("x.Y")), /its service "x\.Y" is SERVICE_UNKNOWN/);
    });
  }
});
