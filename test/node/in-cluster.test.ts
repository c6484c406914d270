// The API server as pods reach it, over TLS with the cluster's own CA.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { inCluster, kubernetesResolver } from "../../src/kubernetes.ts";
import { httpsFetch } from "../../src/node.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { eventually } from "../support/eventually.ts";
import { ca, client, server as certificate } from "../support/tls.ts";
import { ApiServer } from "../resolver/kubernetes/api-server.ts";
import { slice } from "../resolver/kubernetes/slice.ts";

describe("a program in a pod", () => {
  let server: ApiServer, folder: string;
  const signal = () => AbortSignal.timeout(10_000);
  const cluster = () => {
    return inCluster({
      folder,
      env: { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: `${server.port}` },
    });
  };

  before(async () => {
    server = await new ApiServer({ tls: certificate }).listen();
    server.token = "first";
    server.put(slice("a", ["10.0.0.1"]));
    folder = await mkdtemp(join(tmpdir(), "service-account-"));
    await writeFile(join(folder, "token"), "first\n");
    await writeFile(join(folder, "namespace"), "default");
    await writeFile(join(folder, "ca.crt"), ca);
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it("reads the endpoints of a service with the token, the CA and the namespace of its service account", async () => {
    const resolver = kubernetesResolver({ service: "simple", cluster: cluster() });
    assert.deepEqual(await resolver.list!(signal()), { endpoints: [{ address: "10.0.0.1:8000" }] });
  });

  it("watches it, and goes on with the token that has replaced the first one", async () => {
    const resolver = kubernetesResolver({ service: "simple", cluster: cluster() });
    const stop = new AbortController(), found: Resolution[] = [];
    const consuming = (async () => {
      for await (const resolution of resolver.resolve(stop.signal)) found.push(resolution);
    })();
    const has = (address: string) =>
      eventually(`it has ${address}`, () => {
        const last = found.at(-1);
        return last?.stale === undefined && last?.endpoints?.[0]?.address === address;
      });
    await has("10.0.0.1:8000");
    await eventually("it watches", () => server.open === 1);
    server.put(slice("a", ["10.0.0.2"]));
    await has("10.0.0.2:8000");
    await writeFile(join(folder, "token"), "second");
    server.token = "second";
    server.cutWatches();
    server.put(slice("a", ["10.0.0.3"]));
    await has("10.0.0.3:8000");
    stop.abort();
    await consuming;
    await eventually("its watch is closed", () => server.open === 0);
  });

  it("trusts no server that another CA vouches for", async () => {
    const resolver = kubernetesResolver({ service: "simple", cluster: { ...cluster(), fetch: httpsFetch({}) } });
    await assert.rejects(resolver.list!(signal()), /no answer of the Kubernetes API server: .*(certificate|issuer)/i);
  });

  it("is told where it is not a pod", () => {
    assert.throws(() => inCluster({ env: {} }), /does not run in a pod: KUBERNETES_SERVICE_HOST/);
  });

  it("can have an API server on IPv6", () => {
    const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    assert.equal(inCluster({ env }).server, "https://[fd00::1]:443");
  });
});

describe("httpsFetch", () => {
  it("checks its options without showing them", () => {
    assert.throws(() => httpsFetch({ ca: "/path/ca.pem" }), /tls.ca is a string that can't be used/);
    assert.throws(() => httpsFetch({ cert: client.cert }), /tls.cert and tls.key belong together/);
  });

  it("rejects what can't be connected, and with the reason of a signal", async () => {
    const fetch = httpsFetch({ ca });
    await assert.rejects(fetch("https://127.0.0.1:1/", {}));
    const reason = new Error("left");
    await assert.rejects(fetch("https://127.0.0.1:1/", { signal: AbortSignal.abort(reason) }), reason);
  });

  it("gives up a request and a response when its signal aborts", async () => {
    const server = await new ApiServer({ tls: certificate }).listen();
    try {
      const fetch = httpsFetch({ ca });
      server.mute = true;
      const asked = new AbortController();
      const request = fetch(`${server.url}/`, { signal: asked.signal });
      await eventually("it is asked", () => server.asked.length === 1);
      asked.abort(new Error("left"));
      await assert.rejects(request, /left/);
      server.mute = false;
      const reading = new AbortController();
      const path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?watch=1&resourceVersion=100";
      const response = await fetch(`${server.url}${path}`, { signal: reading.signal });
      const read = response.body!.getReader().read();
      reading.abort(new Error("left"));
      await assert.rejects(read);
      await eventually("its connection is closed", () => server.open === 0);
    } finally {
      await server.close();
    }
  });
});
