// docs/resolver.md: the resolver of one's own that it shows works, and is as short as it says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { directoryResolver } from "../../examples/own-resolver.ts";
import { createBalancedTransport, transportConnector } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { root } from "../support/process.ts";

const page = readFileSync(`${root}docs/resolver.md`, "utf8");
const text = readFileSync(`${root}examples/own-resolver.ts`, "utf8");
const shown = text.slice(text.indexOf("/** A directory"));

interface Known {
  version: number;
  servers: readonly object[];
}

/** A directory: `put` changes what it knows. */
async function startDirectory() {
  let known: Known = { version: 1, servers: [{ address: "10.0.0.1:8000" }] };
  const waiting = new Set<() => void>();
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://directory");
    const answer = () => {
      waiting.delete(answer);
      response.statusCode = pathname === "/services/simple" ? 200 : 404;
      response.end(JSON.stringify(known));
    };
    if (Number(searchParams.get("after")) < known.version) answer();
    else waiting.add(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    put(servers: readonly object[]) {
      known = { version: known.version + 1, servers };
      for (const answer of [...waiting]) answer();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections?.();
      await closed;
    },
  };
}

describe("the page on resolvers", () => {
  it("shows the resolver of examples/own-resolver.ts, in 30 lines", () => {
    assert.ok(page.includes(shown));
    assert.ok(shown.split("\n").length <= 30);
  });

  it("whose own resolver follows a directory, and keeps the last set while it can't be reached", async () => {
    const directory = await startDirectory();
    const transport = createBalancedTransport({
      resolver: directoryResolver(directory.url, "simple"),
      connector: transportConnector(() => {
        throw new Error("nothing is called");
      }),
    });
    const addresses = () => transport.snapshot().endpoints?.map(({ endpoint }) => endpoint.address).join();
    const connecting = transport.connect({ timeoutMs: 1 }).catch(() => {});
    try {
      await eventually("the first set is there", () => addresses() === "10.0.0.1:8000");
      directory.put([{ address: "10.0.0.1:8000" }, { address: "10.0.0.2:8000", zone: "eu-1a" }]);
      await eventually("the second set is there", () => addresses() === "10.0.0.1:8000,10.0.0.2:8000");
      await directory.close();
      await eventually("it is stale", () => transport.snapshot().stale !== undefined);
      assert.equal(addresses(), "10.0.0.1:8000,10.0.0.2:8000");
    } finally {
      await connecting;
      await transport.close();
      await directory.close().catch(() => {});
    }
  });

  it("whose own resolver can be read once", async () => {
    const directory = await startDirectory();
    try {
      const { endpoints } = await directoryResolver(directory.url, "simple").list!(AbortSignal.timeout(5_000));
      assert.deepEqual(endpoints, [{ address: "10.0.0.1:8000" }]);
      await assert.rejects(
        directoryResolver(directory.url, "other").list!(AbortSignal.timeout(5_000)),
        /the directory answered 404 for other/,
      );
    } finally {
      await directory.close();
    }
  });
});
