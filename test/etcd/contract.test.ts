import { after, before, describe, it } from "node:test";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createMemoryEtcd } from "../../src/testing.ts";
import { etcdSkipped, startEtcd } from "../support/etcd.ts";
import { serveRoutes } from "../support/serve-routes.ts";
import { statements, subject } from "./contract.ts";

interface Opened {
  readonly transport: Transport;
  close(): Promise<void>;
}

function contract(of: string, skip: string | false, open: () => Promise<Opened>): void {
  describe(of, () => {
    let opened: Opened | undefined;
    before(async () => {
      if (skip === false) opened = await open();
    });
    after(() => opened?.close());
    for (const { name, check } of statements) {
      it(name, { skip }, async () => {
        const etcd = subject((opened as Opened).transport);
        try {
          await check(etcd);
        } finally {
          etcd.close();
        }
      });
    }
  });
}

contract("the etcd in memory, within the process", false, async () => {
  const etcd = createMemoryEtcd();
  return { transport: etcd.transport(), close: () => etcd.close() };
});

contract("the etcd in memory, on a port", false, async () => {
  const etcd = createMemoryEtcd();
  const served = await serveRoutes(etcd.routes);
  return {
    transport: createGrpcTransport({ baseUrl: served.url }),
    async close() {
      await etcd.close();
      await served.close();
    },
  };
});

contract("a real etcd", etcdSkipped, async () => {
  const etcd = await startEtcd();
  return { transport: createGrpcTransport({ baseUrl: etcd.url }), close: () => etcd.stop() };
});
