import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, it } from "node:test";
import type { PageState } from "../../src/page.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run, type Running, start } from "./support.ts";

describe("connect-lb page", () => {
  let etcd: ServedEtcd;
  const running: Running[] = [];

  /** Starts it, and returns its URL once it serves. */
  const serve = async (...args: readonly string[]) => {
    const page = start(["page", "--listen", "0", ...args], { env: { CONNECT_LB_ETCD: etcd.url } });
    running.push(page);
    const url = await eventually(`it serves: ${page.stderr}`, () => /^http:\/\/\S+$/m.exec(page.stdout)?.[0]);
    return { page, url };
  };
  const snapshot = async (url: string) => await (await fetch(`${url}snapshot`)).json() as PageState;
  const endpointsAt = async (url: string) => {
    const { services, endpoints } = await snapshot(url);
    return Object.values(endpoints)
      .map(({ service, address, state }) => `${services[service]?.target} ${address} ${state}`).toSorted();
  };

  before(async () => {
    etcd = await serveMemoryEtcd();
    // It is a gRPC server itself.
    await etcd.register({ service: "a", address: new URL(etcd.url).host });
    const [port] = await freePorts(1);
    await etcd.register({ service: "b", address: `127.0.0.1:${port}` });
  });
  after(async () => {
    for (const page of running) page.signal("SIGTERM");
    await Promise.all(running.map((page) => page.exited));
    await etcd.close();
  });

  it("shows all services and whether their servers can be reached, and new ones later", async () => {
    const { page, url } = await serve();
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.match(await (await fetch(url)).text(), /^<!doctype html>/i);
    await eventually("the states of a and b", async () => {
      const [a, b, ...more] = await endpointsAt(url);
      assert.equal(a, `a ${new URL(etcd.url).host} ready`);
      assert.match(b!, /^b \S+ transient_failure$/);
      assert.deepEqual(more, []);
      return true;
    });
    await etcd.register({ service: "c", address: new URL(etcd.url).host });
    await eventually("c", async () => (await endpointsAt(url)).some((endpoint) => endpoint.startsWith("c ")));
    page.signal("SIGTERM");
    assert.equal(await page.exited, 0);
    assert.equal(page.stderr, "");
    await assert.rejects(fetch(url), "nothing is left");
  });

  it("says which of the named services are not there, and how to be reached by another name", async () => {
    const { page, url } = await serve("a", "nosuch");
    await eventually("it says so", () => /no endpoints of "nosuch" .*, yet: waiting/.test(page.stderr));
    assert.match(page.stderr, /registered there: a, b/);
    assert.doesNotMatch(page.stderr, /no endpoints of "a"/);
    const refusal = await new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(url);
      request({ hostname, port, headers: { host: "evil.example" } }, (response) => {
        let text = "";
        response.on("data", (chunk) => text += String(chunk)).on("end", () => resolve(text));
      }).on("error", reject).end();
    });
    assert.match(refusal, /connect-lb page --host NAME/);
  });

  it("shows the services that are named, and what other pages show", async () => {
    const { url } = await serve("a");
    const { url: other } = await serve("b", "--page", url);
    await eventually("a and b", async () => {
      const { services } = await snapshot(other);
      const rows = Object.values(services).map(({ target, program }) => [target, program === null ? "" : "elsewhere"]);
      assert.deepEqual(rows.toSorted(), [["a", "elsewhere"], ["b", ""]]);
      return true;
    });
  });

  it("answers only for names of loopback, and those that are given", async () => {
    const { url } = await serve("a", "--host", "ops.example");
    const status = (host: string) =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(url);
        request({ hostname, port, headers: { host } }, (response) => resolve(response.resume().statusCode))
          .on("error", reject).end();
      });
    assert.deepEqual(await Promise.all(["localhost", "ops.example", "evil.example"].map(status)), [200, 200, 403]);
  });

  it("says what is wrong: no etcd, a taken port, a URL that is none", async () => {
    const [port] = await freePorts(1);
    const dead = await run(["page", "--listen", "0", "--endpoints", `http://127.0.0.1:${port}`]);
    assert.equal(dead.code, 4);
    const taken = await run(["page", "--listen", new URL(etcd.url).host, "--endpoints", etcd.url]);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /is taken\n {2}another port/);
    const wrong = await run(["page", "--page", "nowhere", "--endpoints", etcd.url]);
    assert.equal(wrong.code, 2);
  });
});
