import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { observe, type ObserveOptions, type PageState } from "../../../src/page.ts";
import { endpoint, FakeTransport } from "./fakes.ts";

const get = (url: string, init?: RequestInit) => new Request(url, init);
const page = (options: ObserveOptions = {}) => observe({ transports: [new FakeTransport()], ...options });
const snapshotOf = async (options: ObserveOptions) =>
  await observe(options).handler(get("http://localhost/snapshot")).json() as PageState;

describe("the page's handler", () => {
  it("serves page, script, style, icon and snapshot, below any path", async () => {
    const { handler } = page();
    const types = {
      "": "text/html; charset=utf-8",
      "page.js": "text/javascript; charset=utf-8",
      "page.css": "text/css; charset=utf-8",
      "icon.svg": "image/svg+xml; charset=utf-8",
      "snapshot": "application/json; charset=utf-8",
    };
    for (const below of ["/", "/debug/lb/"]) {
      for (const [name, type] of Object.entries(types)) {
        const response = handler(get(`http://localhost:9901${below}${name}`));
        assert.equal(response.status, 200, `${below}${name}`);
        assert.equal(response.headers.get("content-type"), type);
        assert.ok((await response.text()).length > 100, name);
      }
    }
  });

  it("the page refers to its parts by relative addresses alone, and has no script or style in it", async () => {
    const html = await page().handler(get("http://localhost/")).text();
    const references = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, to]) => to);
    assert.deepEqual(references, ["icon.svg", "page.css", "page.js", "snapshot"]);
    assert.doesNotMatch(html, /<style|style=|<script[^>]*>[^<]|\son\w+=/);
  });

  it("loads nothing from elsewhere: no URL of another host is in script or style", async () => {
    const { handler } = page();
    for (const name of ["page.js", "page.css"]) {
      const text = await handler(get(`http://localhost/${name}`)).text();
      const urls = [...text.matchAll(/https?:\/\/[^"'`\s)]+/g)].map(([url]) => url);
      assert.deepEqual(urls.filter((url) => url !== "http://www.w3.org/2000/svg"), []);
    }
  });

  it("sends a mount without a slash to the page, and never to another host", () => {
    const { handler } = page();
    for (const [path, to] of [["/lb", "/lb/"], ["/a/lb", "/a/lb/"], ["//evil.example/x", "//evil.example/x/"]]) {
      const url = `http://localhost${path}`;
      const response = handler(get(url));
      assert.equal(response.status, 308);
      assert.equal(new URL(response.headers.get("location")!, url).href, `http://localhost${to}`);
    }
  });

  it("answers 404 for files that are not there", () => {
    for (const name of ["favicon.ico", "page.js.map", "toString.x"]) {
      assert.equal(page().handler(get(`http://localhost/${name}`)).status, 404);
    }
    assert.equal(page().handler(get("http://localhost/__proto__")).status, 308);
  });

  it("only reads: every method but GET and HEAD is refused", () => {
    const { handler } = page();
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const response = handler(get("http://localhost/snapshot", { method }));
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), "GET, HEAD");
    }
  });

  it("HEAD has the headers and nothing else, and opens no stream", async () => {
    const { handler } = page({ maxViewers: 1 });
    for (const name of ["", "page.js", "snapshot", "events", "events"]) {
      const response = handler(get(`http://localhost/${name}`, { method: "HEAD" }));
      assert.equal(response.status, 200);
      assert.equal(await response.text(), "");
    }
  });

  it("lets nothing be stored, framed by others, or read by other sites", () => {
    const { handler } = page();
    for (const name of ["", "page.js", "snapshot", "favicon.ico"]) {
      const { headers } = handler(get(`http://localhost/${name}`));
      assert.equal(headers.get("cache-control"), "no-store");
      assert.match(headers.get("content-security-policy")!, /^default-src 'self'; /);
      assert.match(headers.get("content-security-policy")!, /frame-ancestors 'self'/);
      assert.equal(headers.get("cross-origin-resource-policy"), "same-origin");
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("access-control-allow-origin"), null);
    }
  });

  it("answers requests for loopback's names with any port", () => {
    const { handler } = page();
    for (const host of ["localhost", "localhost:9901", "127.0.0.1:1", "[::1]:8080", "app.localhost:3000"]) {
      assert.equal(handler(get(`http://${host}/`)).status, 200, host);
    }
  });

  it("refuses requests for other hosts, whatever the adapter made of the URL, and says what to do", async () => {
    const { handler } = page();
    const refused = [
      get("http://evil.example/snapshot"),
      get("http://localhost/snapshot", { headers: { host: "evil.example" } }),
      get("http://evil.example/snapshot", { headers: { host: "localhost" } }),
      get("http://localhost.evil.example/snapshot"),
      get("http://127.0.0.1.evil.example/snapshot"),
      get("http://10.0.0.5/snapshot"),
      get("http://localhost/snapshot", { headers: { host: "localhost/x" } }),
      get("http://localhost/snapshot", { headers: { host: "localhost@evil.example" } }),
      get("http://localhost/snapshot", { headers: { host: "" } }),
    ];
    for (const request of refused) {
      const response = handler(request);
      // A runtime that doesn't let a test set the header has not seen it.
      if (request.url.startsWith("http://localhost/") && !request.headers.has("host")) continue;
      assert.equal(response.status, 403, `${request.url} ${request.headers.get("host")}`);
      assert.match(await response.text(), /observe\(\{ hosts: \[\.\.\.\] \}\)/);
    }
  });

  it("answers requests for the hosts that options allow, with that port or any", () => {
    const { handler } = page({ hosts: ["ops.example", "10.0.0.5:9000", "fd00::5", "[fd00::6]:9000"] });
    const status = (host: string) => handler(get(`http://${host}/snapshot`)).status;
    assert.deepEqual(
      ["ops.example", "OPS.example:81", "10.0.0.5:9000", "10.0.0.5:9001", "10.0.0.5", "x.ops.example"].map(status),
      [200, 200, 200, 403, 403, 403],
    );
    assert.deepEqual(
      ["[fd00::5]", "[fd00:0::5]:1", "[fd00::6]:9000", "[fd00::6]", "[fd00::7]"].map(status),
      [200, 200, 200, 403, 403],
    );
  });

  it("shows what snapshots say, and shows hostile text cut and escaped", async () => {
    const transport = new FakeTransport();
    transport.target = "<script>alert(1)</script>\u202e";
    transport.endpoints = [
      endpoint("10.0.0.1:8000", {
        endpoint: {
          address: "10.0.0.1:8000",
          zone: "z\u0007".repeat(500),
          weight: 3,
          metadata: { password: "secret" },
        },
        state: "transient_failure",
        available: false,
        lastError: new Error("no\u001b[2Jroute"),
        picks: 7,
        failed: 2,
        abandoned: 3,
      }),
    ];
    const state = await snapshotOf({ transports: [transport] });
    const [service] = Object.values(state.services), [row] = Object.values(state.endpoints);
    assert.equal(service!.target, "<script>alert(1)</script>\\u202e");
    assert.equal(row!.state, "transient_failure");
    assert.equal(row!.weight, 3);
    assert.equal(row!.attempts, 7);
    assert.equal(row!.failed, 2);
    assert.equal(row!.abandoned, 3);
    assert.equal(row!.lastError, "no\\u001b[2Jroute");
    assert.ok(row!.zone!.length <= 200);
    assert.doesNotMatch(JSON.stringify(state), /secret|password/);
  });

  it("shows sources that are added later", async () => {
    const transports = new Set<FakeTransport>();
    const { handler } = observe({ transports });
    transports.add(new FakeTransport());
    const state = await handler(get("http://localhost/snapshot")).json() as PageState;
    assert.equal(Object.keys(state.services).length, 1);
  });

  it("a source that throws is a row that says so, and hides no other", async () => {
    const broken = {
      snapshot(): never {
        throw new Error("out of order");
      },
    };
    const state = await snapshotOf({
      transports: [broken, new FakeTransport()],
      servers: [broken],
      registries: [broken],
    });
    const problems = Object.values(state.services).map(({ problem }) => problem);
    assert.deepEqual(problems, ["out of order", null]);
    assert.deepEqual(Object.values(state.servers).map(({ problem }) => problem), ["out of order"]);
    assert.deepEqual(Object.values(state.watches).map(({ stale }) => stale), ["out of order"]);
  });

  it("answers 503 for data once it is closed", () => {
    const observed = page();
    observed.close();
    assert.equal(observed.handler(get("http://localhost/snapshot")).status, 503);
    assert.equal(observed.handler(get("http://localhost/events")).status, 503);
  });

  it("refuses options that can't be meant", () => {
    const bad = (options: unknown) => () => observe(options as ObserveOptions);
    assert.throws(
      bad({ transports: new FakeTransport() }),
      /option transports is .*: expected a list or a set of trans/,
    );
    assert.throws(bad({ servers: [{}] }), TypeError);
    for (const host of ["http://ops.example/", "ops.example/lb", "a b", "", "user@ops.example", 5]) {
      assert.throws(bad({ hosts: [host] }), TypeError);
    }
    assert.throws(bad({ intervalMs: 10 }), RangeError);
    assert.throws(bad({ maxViewers: 0 }), RangeError);
    assert.throws(bad({ transport: [] }), /did you mean transports\?/);
  });
});
