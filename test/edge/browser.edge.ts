// Runs in `npm run test:edge`, on Node: the page of examples/browser in Chromium.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Site, startSite } from "../../examples/browser/site.ts";
import { eventually } from "../support/eventually.ts";
import { ensure, skipped } from "../support/system.ts";
import { type Chromium, type Page, startChromium } from "./chromium.ts";

/** What the page shows of a server. */
interface Row {
  readonly address: string;
  readonly state: string;
  readonly answered: number;
}

const ROWS = `[...document.querySelectorAll("#servers tr")].map(({ cells }) => ({
  address: cells[0].textContent,
  state: cells[1].textContent,
  answered: Number(cells[2].textContent),
}))`;

describe("the page of examples/browser in Chromium", { skip: skipped("browser") }, () => {
  let chromium: Chromium, site: Site;
  before(async () => {
    ensure("browser");
    [chromium, site] = await Promise.all([startChromium(), startSite(0)]);
  });
  after(() => Promise.all([chromium, site].map((started) => started?.stop())));

  const failedOf = (page: Page) => page.evaluate<string>(`failed.textContent + " " + error.textContent`);

  /** Waits until each of these servers has answered this many more calls; returns what the page shows then. */
  async function answers(page: Page, more: number, addresses: readonly string[]): Promise<readonly Row[]> {
    const from = new Map((await page.evaluate<Row[]>(ROWS)).map(({ address, answered }) => [address, answered]));
    return await eventually("the servers answer the page", async () => {
      const rows = await page.evaluate<Row[]>(ROWS);
      const done = addresses.every((address) =>
        rows.some((row) => row.address === address && row.answered >= (from.get(address) ?? 0) + more)
      );
      return done ? rows : undefined;
    });
  }

  for (const protocol of ["connect", "grpc-web"]) {
    it(`spreads over three servers, survives one that is killed, and takes it back: ${protocol}`, async () => {
      const page = await chromium.open(`${site.url}#${protocol}`);
      const [killed, ...others] = site.servers.map(({ address }) => address) as [string, string, string];
      const spread = (await answers(page, 5, [killed, ...others])).map(({ answered }) => answered);
      assert.ok(Math.max(...spread) - Math.min(...spread) <= 1, `${spread}`);

      await site.servers[0]!.stop();
      await eventually("the page notices", async () => {
        return (await page.evaluate<Row[]>(ROWS)).find(({ address }) => address === killed)?.state ===
          "transient_failure";
      });
      await answers(page, 10, others);
      assert.equal((await failedOf(page)).trim(), "0");

      await site.servers[0]!.start();
      await answers(page, 3, [killed, ...others]);
      assert.equal((await failedOf(page)).trim(), "0");
    });
  }
});
