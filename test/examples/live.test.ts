import assert from "node:assert/strict";
import { request } from "node:http";
import { it } from "node:test";
import type { PageState } from "../../src/page.ts";
import { eventually } from "../support/eventually.ts";
import { runtime, startScript } from "../support/process.ts";

/** The status of a request whose headers are as given, Host included. */
async function statusOf(url: string, method: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return await new Promise((resolve, reject) => {
    request(url, { method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on("error", reject).end();
  });
}

it("npm run demo -- --page: buttons with a token kill and revive servers, and the page shows it", async (t) => {
  const demo = startScript(runtime, "examples/demo.ts", ["--page"]);
  t.after(() => demo.stop());
  const [, url = ""] = await demo.line(/open (http:\S+),/);
  const html = await (await fetch(url)).text();
  const [, token = ""] = /<meta name="token" content="([^"]+)">/.exec(html) ?? [];
  const states = async () => {
    const { endpoints } = await (await fetch(`${url}live/snapshot`)).json() as PageState;
    return Object.values(endpoints).map(({ state }) => state).sort().join();
  };
  await eventually("three servers", async () => await states() === "ready,ready,ready");

  const kill = `${url}B/kill`, host = new URL(url).host;
  assert.equal(await statusOf(kill, "POST", {}), 403);
  assert.equal(await statusOf(kill, "POST", { "x-token": "guessed" }), 403);
  assert.equal(await statusOf(kill, "POST", { "x-token": token, host: "evil.example" }), 403);
  assert.equal(await statusOf(url, "GET", { host: "evil.example" }), 403);
  assert.equal(await statusOf(kill, "GET", { "x-token": token }), 404);
  assert.equal(await statusOf(`${url}D/kill`, "POST", { "x-token": token }), 404);
  assert.equal(await statusOf(`${url}live/B/kill`, "POST", { "x-token": token, host }), 405);
  assert.equal(await states(), "ready,ready,ready");

  assert.equal(await statusOf(kill, "POST", { "x-token": token }), 204);
  await eventually("B is dead", async () => await states() !== "ready,ready,ready");
  assert.equal(await statusOf(`${url}B/revive`, "POST", { "x-token": token }), 204);
  await eventually("B is back", async () => await states() === "ready,ready,ready");

  assert.equal(await statusOf(`${url}A/freeze`, "POST", { "x-token": token }), 204);
  await eventually("A is frozen", async () => await states() !== "ready,ready,ready");
  assert.equal(await statusOf(`${url}A/thaw`, "POST", { "x-token": token }), 204);
  await eventually("A is back", async () => await states() === "ready,ready,ready");
});
