// Whether the layout of go-micro is what go-micro reads and writes: servers and clients of both meet in one etcd.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { createEtcdRegistry, type EtcdRegistry, goMicro } from "../../../src/etcd.ts";
import { createBalancedTransport } from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import { createGrpcServer } from "../../../src/server.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../../support/etcd.ts";
import { eventually } from "../../support/eventually.ts";
import { type Child, start } from "../../support/process.ts";
import { simpleRoutes } from "../../support/simple.ts";
import { registryProgram, withoutProgram } from "./build.ts";

describe("go-micro's registry", { skip: etcdSkipped || withoutProgram("go-micro") }, () => {
  let etcd: Etcd, registry: EtcdRegistry;
  before(async () => {
    etcd = await startEtcd();
    registry = createEtcdRegistry({ endpoints: [etcd.url], layout: goMicro() });
  });
  after(async () => {
    await registry.close();
    await etcd.stop();
  });

  /** A server of go-micro, and its client. */
  async function startGoMicro(service: string): Promise<{ readonly program: Child; readonly address: string }> {
    const program = start(registryProgram("go-micro"), [`127.0.0.1:${etcd.port}`, service]);
    const [, address] = await program.line(/^listening (.*)$/);
    return { program, address: address! };
  }

  // A name with a slash has another one as its key.
  for (const service of ["greeter", "shop/greeter"]) {
    it(`has servers of go-micro, which are called, until they deregister: ${service}`, async () => {
      const { program, address } = await startGoMicro(service);
      const resolver = registry.resolver(service);
      const transport = createBalancedTransport({ resolver, connector: grpcConnector() });
      try {
        const { value } = await createClient(Simple, transport).route({ data: "connect-lb" }, { timeoutMs: 20_000 });
        assert.equal(value, `${address} heard connect-lb`);
        const metadata = { broker: "http", protocol: "grpc", registry: "etcd", server: "grpc", transport: "grpc" };
        const { endpoints = [] } = await resolver.list!(AbortSignal.timeout(20_000));
        assert.deepEqual(endpoints.map(({ address, metadata }) => ({ address, metadata })), [
          { address, metadata: { ...metadata, team: "<a>" } },
        ]);
        program.endInput();
        assert.equal((await program.exited).code, 0);
        await eventually("nobody serves", () => transport.snapshot().endpoints?.length === 0);
      } finally {
        await transport.close();
        await program.kill();
      }
    });

    it(`has servers of this library for go-micro's client, until they are closed: ${service}`, async () => {
      const server = createGrpcServer({ routes: simpleRoutes({ name: "connect-lb" }) });
      const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
      const { program } = await startGoMicro("caller");
      const registration = registry.register({ service, address, ttlSeconds: 90 });
      const called = async () => {
        const from = program.lines.length;
        program.write(`${service}\n`);
        return (await program.line(/^(answer|error) .*$/, { from }))[0];
      };
      try {
        await program.line(new RegExp(`^create ${service} ${address}$`));
        assert.equal(await called(), "answer connect-lb: hello go-micro");
        await registration.close();
        await program.line(new RegExp(`^delete ${service} ${address}$`));
        assert.match(await called(), /^error .*not found/);
      } finally {
        await program.kill();
        await registration.close();
        await server.close();
      }
    });
  }
});
