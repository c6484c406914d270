// `npm run docs:page`: docs/page-light.png and docs/page-dark.png, from the page of a small fleet with some trouble in it.
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { root } from "../../support/process.ts";
import { launchChromium } from "./browser.ts";
import { startSite } from "./site.ts";

/** For how long calls are made before the picture is taken: as long as the sparklines are. */
const WARM_UP_MS = 17_000;

const answering = (leastMs: number, mostMs: number) => async () => {
  await new Promise((resolve) => setTimeout(resolve, leastMs + Math.random() ** 4 * (mostMs - leastMs)));
  return "ok";
};
/** Other servers can answer such a call: it is made again there. */
let broken = false;
const breaking = async () => {
  if (broken && Math.random() < 0.9) throw new ConnectError("the database is read-only", Code.Unavailable);
  return await answering(3, 20)();
};
/** Such a call fails. */
const contended = async () => {
  const answer = await answering(2, 90)();
  if (Math.random() < 0.03) throw new ConnectError("the order was changed meanwhile", Code.Aborted);
  return answer;
};

const site = await startSite();
const browser = await launchChromium();
try {
  const zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
  const orders = await Promise.all(
    [0, 1, 2, 3, 4].map((i) =>
      site.member("orders", i === 3 ? breaking : i === 1 ? contended : answering(2, 25), {
        zone: zones[i % 3]!,
        weight: i === 0 ? 2 : 1,
      })
    ),
  );
  await Promise.all([0, 1, 2].map((i) => site.member("inventory", answering(1, 8), { zone: zones[i]! })));
  site.calls("orders", 12);
  site.calls("inventory", 25);
  const context = await browser.newContext({
    viewport: { width: 1_360, height: 1_000 },
    deviceScaleFactor: 1,
    colorScheme: "light",
  });
  const page = await context.newPage();
  await page.goto(site.url);
  await page.waitForTimeout(WARM_UP_MS / 2);
  broken = true;
  await orders[2]!.kill();
  await page.waitForTimeout(WARM_UP_MS / 2);
  await page.getByRole("table", { name: "Calls" }).getByRole("row").nth(1).getByRole("button").click();
  await page.waitForTimeout(500);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(root, `docs/page-${colorScheme}.png`) });
  }
} finally {
  await browser.close();
  await site.stop();
}
