import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { it, type TestContext } from "node:test";
import { requestListener } from "../../src/node.ts";
import { eventually } from "../support/eventually.ts";

/** Serves a handler, and returns its port. */
async function serve(t: TestContext, handler: (request: Request) => Response | Promise<Response>): Promise<number> {
  const server = createServer(requestListener(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Sends bytes as they are, and returns all that comes back. */
async function raw(port: number, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.setEncoding("utf8").on("data", (chunk: string) => answer += chunk);
    socket.on("end", () => resolve(answer)).on("error", reject);
  });
}

it("a request listener passes method, URL, headers and body on, and status, headers and body back", async (t) => {
  const port = await serve(t, async (request) => {
    const { pathname, search, host } = new URL(request.url);
    const seen = [request.method, pathname, search, host === `127.0.0.1:${port}`, request.headers.get("x-one")];
    const headers = new Headers({ "x-two": "2" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    return new Response(JSON.stringify([...seen, await request.text()]), { status: 201, headers });
  });
  const response = await fetch(`http://127.0.0.1:${port}/a/b?c=d`, {
    method: "POST",
    headers: { "x-one": "1" },
    body: "hello",
  });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("x-two"), "2");
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.deepEqual(await response.json(), ["POST", "/a/b", "?c=d", true, "1", "hello"]);
});

it("a request listener takes a path that begins with two slashes for a path", async (t) => {
  const port = await serve(t, (request) => new Response(new URL(request.url).pathname));
  const answer = await raw(port, `GET //evil.example/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  assert.match(answer, /\/\/evil\.example\/x/);
});

it("a request listener answers 400 for a host that no URL can have", async (t) => {
  const port = await serve(t, () => new Response("ok"));
  const answer = await raw(port, `GET / HTTP/1.1\r\nhost: a b<>\r\nconnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
});

it("a request listener answers 500 for a handler that fails, and prints why", async (t) => {
  const printed = t.mock.method(console, "error", () => {});
  const port = await serve(t, (request) => {
    if (request.url.endsWith("throws")) throw new Error("thrown");
    return Promise.reject(new Error("rejected"));
  });
  for (const path of ["throws", "rejects"]) assert.equal((await fetch(`http://127.0.0.1:${port}/${path}`)).status, 500);
  assert.equal(printed.mock.callCount(), 2);
});

it("a request listener tells the handler that its client has left, by the signal and the body's cancel", async (t) => {
  let canceled = false, signal: AbortSignal | undefined;
  const port = await serve(t, (request) => {
    signal = request.signal;
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("first")),
        cancel() {
          canceled = true;
        },
      }),
    );
  });
  await new Promise<void>((resolve) => {
    const sent = request({ port, host: "127.0.0.1" }, (response) => {
      response.once("data", () => {
        sent.destroy();
        resolve();
      });
    }).end();
    sent.on("error", () => {});
  });
  await eventually("the handler is told", () => canceled && signal?.aborted === true);
});

it("a request listener sends no body for HEAD", async (t) => {
  const port = await serve(t, () => new Response("body", { headers: { "x-one": "1" } }));
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: "HEAD" });
  assert.equal(response.headers.get("x-one"), "1");
  assert.equal(await response.text(), "");
});
