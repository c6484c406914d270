// What grpc-go's client of channelz sees of a program on this library.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createChannelz } from "../../src/channelz.ts";
import { grpcConnector } from "../../src/node.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../../src/server.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { eventually } from "../support/eventually.ts";
import { hasGo } from "../support/go.ts";
import { grpcGo } from "../support/grpc-go.ts";
import * as tls from "../support/tls.ts";

const skip = hasGo() ? false : "grpc-go needs Go to be built";

describe("channelz by grpc-go", { skip }, () => {
  let program: string;
  before(() => void (program = grpcGo("channelz")), { timeout: 300_000 });

  /** What it prints of a program, with names in place of addresses. */
  async function shown(port: number, names: Readonly<Record<string, string>>): Promise<string[]> {
    const { stdout } = await promisify(execFile)(program, [`127.0.0.1:${port}`], { timeout: 60_000 });
    return stdout.trimEnd().replaceAll(/127\.0\.0\.1:\d+/g, (address) => names[address] ?? "local").split("\n");
  }

  async function serve(t: TestContext, options: Partial<CreateGrpcServerOptions> = {}) {
    const server = createGrpcServer({
      routes: (router) =>
        router.service(Simple, {
          route({ data }) {
            if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
            return { value: data };
          },
        }),
      ...options,
    });
    t.after(async () => {
      server.closeAllConnections();
      await server.close();
    });
    return { server, ...await server.listen({ host: "127.0.0.1" }) };
  }

  it("shows channels, subchannels, servers and the sockets between them", async (t) => {
    const [a, b] = [await serve(t), await serve(t)];
    const transport = createBalancedTransport({
      resolver: { ...staticResolver([a.address, b.address]), target: "simple_grpc" },
      connector: grpcConnector(),
    });
    t.after(() => transport.close());
    const channelz = createChannelz({ transports: [transport], servers: [a.server, b.server] });
    const admin = await serve(t, { routes: () => {}, channelz });
    await transport.connect();
    await eventually("both are ready", () => transport.snapshot().endpoints!.every(({ state }) => state === "ready"));
    const client = createClient(Simple, transport);
    for (let i = 0; i < 4; i++) await client.route({ data: "a" });
    await assert.rejects(client.route({ data: "fail" }));
    const lines = await shown(admin.port, { [a.address]: "A", [b.address]: "B", [admin.address]: "ADMIN" });

    assert.equal(lines[0], "channel simple_grpc READY 5/4/1 created");
    const events = lines.filter((line) => line.startsWith("  CT_"));
    assert.deepEqual(events.toSorted(), [
      "  CT_INFO A: connecting → ready",
      "  CT_INFO A: idle → connecting",
      "  CT_INFO B: connecting → ready",
      "  CT_INFO B: idle → connecting",
      "  CT_INFO endpoints: 2 (2 new, 0 gone)",
    ]);
    const counts = (name: string) => {
      const { picks, succeeded, failed } = transport.snapshot().endpoints!.find(({ endpoint }) => {
        return endpoint.address === (name === "A" ? a : b).address;
      })!;
      return { attempts: `${picks}/${succeeded}/${failed}`, streams: `${picks}/${picks}/0` };
    };
    for (const name of ["A", "B"]) {
      const at = lines.indexOf(`  subchannel ${name} READY ${counts(name).attempts} created`);
      assert.ok(at > 0, lines.join("\n"));
      assert.equal(lines[at + 1]!.trim(), `socket local -> ${name} ${counts(name).streams} windows true`);
      const listening = lines.indexOf(`  listens on ${name}`);
      assert.equal(lines[listening - 1], `server ${counts(name).attempts}`);
      assert.equal(lines[listening + 1]!.trim(), `socket ${name} -> local ${counts(name).streams} windows true`);
    }
    // The third server is the one that answers.
    assert.ok(lines.includes("  listens on ADMIN"));
  });

  it("shows how a socket is encrypted, and a channel that fails", async (t) => {
    const secure = await serve(t, { tls: tls.server });
    const address = `localhost:${secure.port}`;
    const transport = createBalancedTransport({
      resolver: staticResolver([address]),
      connector: grpcConnector({ tls: { ca: tls.ca } }),
    });
    const failing = createBalancedTransport({
      resolver: { ...staticResolver(["127.0.0.1:1"]), target: "down" },
      connector: grpcConnector(),
    });
    t.after(() => Promise.all([transport.close(), failing.close()]));
    const admin = await serve(t, { channelz: createChannelz({ transports: [transport, failing] }) });
    await createClient(Simple, transport).route({ data: "a" });
    await assert.rejects(createClient(Simple, failing).route({ data: "a" }));
    const lines = await shown(admin.port, { "127.0.0.1:1": "DOWN", [`127.0.0.1:${secure.port}`]: "SECURE" });
    assert.ok(
      lines.some((line) => /socket local -> SECURE 1\/1\/0 windows true TLS_\w+$/.test(line)),
      lines.join("\n"),
    );
    const at = lines.indexOf("channel down TRANSIENT_FAILURE 1/0/1 created");
    assert.ok(at > 0, lines.join("\n"));
    assert.match(
      lines.slice(at).find((line) => line.startsWith("  CT_WARNING"))!,
      /CT_WARNING DOWN: connecting → transient_failure: can't connect to/,
    );
    assert.equal(
      lines.slice(at).find((line) => line.includes("subchannel")),
      "  subchannel DOWN TRANSIENT_FAILURE 0/0/0 created",
    );
  });
});
