// Runs in `npm run test:edge`, on Node: the live page in Chromium.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Browser, Page } from "playwright-core";
import { requestListener } from "../../src/node.ts";
import { observe } from "../../src/page.ts";
import { endpoint, FakeTransport } from "../observe/page/fakes.ts";
import { eventually } from "../support/eventually.ts";
import { ensure, skipped } from "../support/system.ts";
import { launchChromium } from "./page/browser.ts";
import { startSite } from "./page/site.ts";

describe("the live page in Chromium", { skip: skipped("browser") }, () => {
  let browser: Browser;
  before(async () => {
    ensure("browser");
    browser = await launchChromium();
  });
  after(() => browser?.close());

  const ends = new WeakMap<TestContext, (() => unknown)[]>();
  /** What is done at a test's end, the last one first: a page that is open complains about a server that ends. */
  function atEnd(t: TestContext, end: () => unknown): void {
    const registered = ends.get(t);
    if (registered !== undefined) return void registered.unshift(end);
    const all = [end];
    ends.set(t, all);
    t.after(async () => {
      for (const each of all) await each();
    });
  }

  /** Opens a page, and fails the test for anything that the browser complains about. */
  async function open(t: TestContext, url: string): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1_280, height: 900 } });
    const page = await context.newPage(), complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    atEnd(t, async () => {
      await context.close();
      assert.deepEqual(complaints, []);
    });
    await page.goto(url);
    await page.getByText("live", { exact: true }).waitFor();
    return page;
  }

  /** Serves a page about what a test makes up. */
  async function serve(
    t: TestContext,
    transports: readonly FakeTransport[],
    pages: readonly string[] = [],
  ): Promise<string> {
    const observed = observe({ transports, pages, intervalMs: 250 });
    const server = createServer(requestListener(observed.handler));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    atEnd(t, () => {
      observed.close();
      server.close();
      server.closeAllConnections();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/debug/lb/`;
  }

  const row = (page: Page, name: string) =>
    page.getByRole("table", { name: "Endpoints", exact: true }).getByRole("row").filter({ hasText: name });

  it("shows that a server dies and returns", async (t) => {
    const site = await startSite();
    atEnd(t, () => site.stop());
    const [victim, other] = await Promise.all([site.member("orders"), site.member("orders")]);
    site.calls("orders", 20);
    const page = await open(t, site.url);
    for (const { address } of [victim, other]) await row(page, address).getByText("ready").waitFor();
    await page.getByText("2 of 2 endpoints serve").waitFor();

    await victim.kill();
    await row(page, victim.address).getByText("failing").waitFor();
    await page.getByText("1 of 2 endpoints serve").waitFor();
    const events = page.getByRole("list", { name: "Events" });
    await events.getByRole("listitem").filter({ hasText: victim.address }).filter({ hasText: "failing" }).first()
      .waitFor();
    await eventually("it is read out", async () => {
      return (await page.locator("#announcer").textContent())?.includes(victim.address) === true;
    });

    await victim.revive();
    await row(page, victim.address).getByText("ready").waitFor();
    await page.getByText("2 of 2 endpoints serve").waitFor();
    await eventually("both get calls", async () => {
      const figures = await page.locator("#endpoints tbody td.rate .figure").allTextContents();
      return figures.length === 2 && figures.every((text) => Number(text) > 5);
    });
  });

  it("says why a call failed, with its attempts", async (t) => {
    const site = await startSite();
    atEnd(t, () => site.stop());
    await site.member("orders", () => Promise.reject(new ConnectError("out of stock", Code.FailedPrecondition)));
    site.calls("orders", 50);
    const page = await open(t, site.url);
    const calls = page.getByRole("table", { name: "Calls" });
    await calls.getByRole("button", { name: "Route" }).first().click();
    const detail = page.getByRole("complementary", { name: "The selected call" });
    await detail.getByRole("row").filter({ hasText: "127.0.0.1" }).waitFor();
    await detail.getByText("FAILED_PRECONDITION").first().waitFor();
    await detail.getByText("out of stock").first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /^Slowest \([0-9]+\)$/ }).click();
    await calls.getByRole("row").nth(1).waitFor();
  });

  it("shows hostile names and values as text", async (t) => {
    const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    const transport = new FakeTransport();
    transport.target = hostile;
    transport.endpoints = [
      endpoint("10.0.0.1:8000", {
        endpoint: { address: "10.0.0.1:8000", zone: hostile },
        state: "transient_failure",
        available: false,
        health: new Error(hostile),
        lastError: new Error(hostile),
        policy: { [hostile]: hostile },
      }),
    ];
    const page = await open(t, await serve(t, [transport]));
    await page.getByRole("button", { name: "10.0.0.1:8000" }).click();
    transport.change("10.0.0.1:8000", { state: "ready" });
    transport.stale = { sinceMs: 0, cause: new Error(hostile) };
    await page.getByRole("list", { name: "Events" }).getByText(hostile).first().waitFor();
    assert.ok((await page.getByText(hostile).count()) > 4);
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.doesNotMatch(await page.title(), /owned/);
  });

  it("works from the keyboard alone", async (t) => {
    const transport = new FakeTransport();
    transport.endpoints = Array.from({ length: 50 }, (_, i) => endpoint(`10.0.0.${i + 1}:8000`));
    const page = await open(t, await serve(t, [transport]));
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    await page.keyboard.press("/");
    await page.keyboard.type("10.0.0.4");
    await eventually("filtered", async () => {
      return await page.getByRole("table", { name: "Endpoints", exact: true }).getAttribute("aria-rowcount") === "12";
    });
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Delete");
    // Space turns a check box, Tab goes on.
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    assert.equal(await page.getByRole("checkbox", { name: "Problems only" }).isChecked(), true);
    await page.keyboard.press("Space");
    const table = page.getByRole("table", { name: "Endpoints", exact: true });
    await table.getByRole("button", { name: "10.0.0.1:8000" }).focus();
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(), "10.0.0.2:8000");
    await page.keyboard.press("End");
    assert.equal(await focused(), "10.0.0.50:8000");
    await page.keyboard.press("Enter");
    const detail = page.getByRole("complementary", { name: "The selected endpoint" });
    await detail.getByRole("heading", { name: "10.0.0.50:8000" }).waitFor();
    assert.equal(await table.getByRole("button", { name: "10.0.0.50:8000" }).getAttribute("aria-expanded"), "true");
    await page.keyboard.press("Enter");
    await detail.waitFor({ state: "hidden" });
    await page.keyboard.press("Home");
    assert.equal(await focused(), "10.0.0.1:8000");
    await table.getByRole("button", { name: "In flight" }).press("Enter");
    assert.equal(await table.getByRole("columnheader", { name: "In flight" }).getAttribute("aria-sort"), "descending");
  });

  it("holds only the rows in view of 1,000 endpoints, and finds the others", async (t) => {
    const transport = new FakeTransport();
    const address = (i: number) => `10.0.${i >> 8}.${i & 255}:8000`;
    transport.endpoints = Array.from({ length: 1_000 }, (_, i) => endpoint(address(i)));
    const page = await open(t, await serve(t, [transport]));
    await page.getByText("1,000 of 1,000 endpoints serve").waitFor();
    const table = page.getByRole("table", { name: "Endpoints", exact: true });
    assert.equal(await table.getAttribute("aria-rowcount"), "1001");
    const rows = page.locator("#endpoints tbody tr:not(.spacer)");
    assert.ok((await rows.count()) < 80);
    await page.locator("#endpoints > .scroll").evaluate((scroll) => scroll.scrollTop = scroll.scrollHeight);
    await table.getByText(address(999), { exact: true }).waitFor();
    assert.equal(await rows.last().getAttribute("aria-rowindex"), "1001");
    // A problem comes first.
    transport.change(address(700), { state: "transient_failure", available: false });
    await page.locator("#endpoints > .scroll").evaluate((scroll) => scroll.scrollTop = 0);
    await rows.first().getByText(address(700)).waitFor();
    await page.getByText("999 of 1,000 endpoints serve").waitFor();
  });

  it("connects again after the program was away", async (t) => {
    const transport = new FakeTransport();
    let observed = observe({ transports: [transport], intervalMs: 250 });
    const server = createServer(requestListener((request) => observed.handler(request)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    atEnd(t, () => {
      observed.close();
      server.close();
      server.closeAllConnections();
    });
    const context = await browser.newContext();
    atEnd(t, () => context.close());
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.getByText("2 of 2 endpoints serve").waitFor();
    observed.close();
    await page.getByText("not connected, trying again").waitFor();
    transport.endpoints = [endpoint("10.0.0.9:8000")];
    observed = observe({ transports: [transport], intervalMs: 250 });
    await page.getByText("1 of 1 endpoint serve").waitFor();
    await page.getByText("live", { exact: true }).waitFor();
  });

  it("costs its program nothing once it has been out of sight for a minute, also if it never was in sight", async (t) => {
    for (const hides of ["later", "from the start"]) {
      const observed = observe({ transports: [new FakeTransport()], intervalMs: 250 }),
        listener = requestListener(observed.handler);
      let streams = 0;
      const server = createServer((request, response) => {
        if (request.url?.endsWith("/events") === true) {
          streams++;
          response.once("close", () => streams--);
        }
        listener(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const context = await browser.newContext(), page = await context.newPage();
      atEnd(t, () => {
        observed.close();
        server.close();
        server.closeAllConnections();
      });
      atEnd(t, () => context.close());
      await page.clock.install();
      const hide = (hidden: boolean) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      };
      if (hides === "from the start") await page.addInitScript(hide, true);
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await eventually("it reads", () => streams === 1);
      if (hides === "later") await page.evaluate(hide, true);
      await page.clock.fastForward(59_000);
      assert.equal(streams, 1, "it may be back soon");
      await page.clock.fastForward(2_000);
      await eventually(`it has ended, hidden ${hides}`, () => streams === 0);
      await page.evaluate(hide, false);
      await eventually("it reads again", () => streams === 1);
    }
  });

  it("tells the programs apart whose pages it shows", async (t) => {
    const theirs = new URL(await serve(t, [new FakeTransport()]));
    const url = await serve(t, [new FakeTransport()], [theirs.href]);
    const page = await open(t, url);
    const services = page.getByRole("table", { name: "Services" });
    await services.getByRole("row").filter({ hasText: "this one" }).waitFor();
    await services.getByRole("row").filter({ hasText: theirs.host }).waitFor();
    await row(page, `of ${theirs.host}`).first().waitFor();
    assert.equal(await page.getByRole("columnheader", { name: "Program" }).first().isVisible(), true);
  });

  it("another site, whose name leads here, is refused", async (t) => {
    const url = new URL(await serve(t, [new FakeTransport()]));
    const other = await launchChromium([`--host-resolver-rules=MAP rebound.example ${url.hostname}`]);
    atEnd(t, () => other.close());
    const page = await other.newPage();
    const response = await page.goto(`http://rebound.example:${url.port}/debug/lb/snapshot`);
    assert.equal(response?.status(), 403);
    // And it can't read this one across origins either.
    await page.goto("about:blank");
    const read = await page.evaluate(async (from) => {
      return await fetch(from).then((answer) => answer.text()).catch(() => "nothing");
    }, `${url.href}snapshot`);
    assert.equal(read, "nothing");
  });

  it("is readable on a narrow screen, in the dark, and without motion", async (t) => {
    const url = await serve(t, [new FakeTransport()]);
    const context = await browser.newContext({
      viewport: { width: 360, height: 700 },
      colorScheme: "dark",
      reducedMotion: "reduce",
    });
    atEnd(t, () => context.close());
    const page = await context.newPage();
    await page.goto(url);
    await page.getByText("live", { exact: true }).waitFor();
    const { wide, dark } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth > innerWidth,
      dark: getComputedStyle(document.body).backgroundColor,
    }));
    assert.deepEqual({ wide, dark }, { wide: false, dark: "rgb(17, 21, 28)" });
  });
});
