import assert from "node:assert/strict";
import { createSecureServer, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { parseEtcdEndpoints } from "../../src/etcd/endpoints.ts";
import { type DialTarget, grpcConnector } from "../../src/node/grpc-connector.ts";
import { destinationOf } from "../../src/node/socket.ts";
import { simpleRoutes } from "../support/simple.ts";
import * as tls from "../support/tls.ts";

describe("an IPv6 address with a zone id", () => {
  for (const secure of [false, true]) {
    it(`is called ${secure ? "over TLS, by a certificate for the address" : "in plaintext"}`, async (t) => {
      const authorities: (string | undefined)[] = [];
      const routes = connectNodeAdapter({ routes: simpleRoutes({ name: "v6" }) });
      const handler: typeof routes = (request, response) => {
        authorities.push(request.headers[":authority"] as string | undefined);
        routes(request, response);
      };
      const server = secure ? createSecureServer(tls.server, handler) : createServer(handler);
      const listens = await new Promise<boolean>((resolve) => {
        server.on("error", () => resolve(false));
        server.listen(0, "::1", () => resolve(true));
      });
      if (!listens) return t.skip("this machine has no IPv6");
      const { port } = server.address() as AddressInfo;
      const link = grpcConnector(secure ? { tls: { ca: tls.ca } } : {})({ address: `[::1%lo]:${port}` }, {
        draining() {},
        lost() {},
      });
      t.after(async () => {
        await link.close();
        server.close();
      });
      await link.connect!(AbortSignal.timeout(10_000));
      assert.equal((await createClient(Simple, link.transport).route({ data: "x" })).value, "v6: hello x");
      // RFC 6874 section 4: the zone says something on this machine alone.
      assert.deepEqual(authorities, [`[::1]:${port}`]);
    });
  }

  it("keeps its zone where it is dialled if that distinguishes links", async () => {
    const targets: DialTarget[] = [];
    const dial = (target: DialTarget) => {
      targets.push(target);
      throw new Error("enough");
    };
    const { authority, open } = destinationOf({ address: "[fe80::1%eth0]:8000" }, undefined, dial);
    await assert.rejects(open(AbortSignal.timeout(10_000)), /enough/);
    assert.deepEqual([targets[0]!.host, authority], ["fe80::1%eth0", "[fe80::1]:8000"]);
  });

  it("reaches the runtime's sockets with its zone: without one, a link-local address is an invalid argument", async () => {
    const { open } = destinationOf({ address: "[fe80::1%lo]:9" }, undefined);
    await assert.rejects(
      open(AbortSignal.timeout(10_000)),
      (error: Error) => !/EINVAL|invalid argument/i.test(error.message),
    );
  });

  it("is escaped in a URL of etcd's (RFC 6874), and not in an address", () => {
    const addresses = parseEtcdEndpoints([
      "http://[fe80::1%25eth0]:2379",
      "[fe80::1%25]:2379",
      "http://[fe80::1%lo]:2379",
    ]);
    assert.deepEqual(addresses.map(({ address }) => address), [
      "[fe80::1%eth0]:2379",
      "[fe80::1%25]:2379",
      "[fe80::1%lo]:2379",
    ]);
  });
});
