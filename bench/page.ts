// `npm run bench:page`: how smooth the live page is in Chromium with 1,000 endpoints that all change four times a second,
// and what a look costs the program.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { requestListener } from "../src/node.ts";
import { observe } from "../src/page.ts";
import { launchChromium } from "../test/edge/page/browser.ts";
import { endpoint, FakeTransport } from "../test/observe/page/fakes.ts";
import { ensure } from "../test/support/system.ts";

const ENDPOINTS = 1_000, SECONDS = 10;

/** What is measured in the browser: the time between frames, and what of it the page's script took. */
interface Frames {
  readonly between: readonly number[];
  readonly longTasks: readonly number[];
}

ensure("browser");
const transport = new FakeTransport();
const counts = new Float64Array(ENDPOINTS);
let reads = 0, readMs = 0;
const busy = {
  snapshot() {
    transport.endpoints = Array.from({ length: ENDPOINTS }, (_, i) => {
      counts[i]! += Math.ceil(Math.random() * 100);
      return endpoint(`10.0.${i >> 8}.${i & 255}:8000`, {
        endpoint: { address: `10.0.${i >> 8}.${i & 255}:8000`, zone: `zone-${i % 3}`, weight: 1 },
        picks: counts[i]!,
        failed: Math.floor(counts[i]! / 1_000),
        inFlight: Math.floor(Math.random() * 10),
      });
    });
    return transport.snapshot();
  },
};
const page = observe({ transports: [busy], intervalMs: 250 });
const server = createServer(requestListener((request) => {
  const startMs = performance.now();
  const response = page.handler(request);
  reads++;
  readMs += performance.now() - startMs;
  return response;
}));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const browser = await launchChromium();
try {
  const tab = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
  await tab.goto(url);
  await tab.getByText("1,000 of 1,000 endpoints serve").waitFor();
  await tab.waitForTimeout(2_000);
  const session = await tab.context().newCDPSession(tab);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  /** What the page's thread has worked so far: this doesn't depend on what else the machine does. */
  const cpu = async (): Promise<Record<string, number>> => {
    const { metrics } = await session.send("Performance.getMetrics");
    const of = (name: string) => 1_000 * (metrics.find((metric) => metric.name === name)?.value ?? 0);
    return {
      all: of("TaskDuration"),
      script: of("ScriptDuration"),
      style: of("RecalcStyleDuration"),
      layout: of("LayoutDuration"),
    };
  };
  const measure = (scrolling: boolean) =>
    tab.evaluate(async ([ms, scrolls]) => {
      const between: number[] = [], longTasks: number[] = [];
      const observer = new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((e) => e.duration)));
      observer.observe({ entryTypes: ["longtask"] });
      const table = document.querySelector("#endpoints > .scroll")!;
      const untilMs = performance.now() + ms;
      let lastMs = await new Promise<number>(requestAnimationFrame);
      while (performance.now() < untilMs) {
        if (scrolls) table.scrollTop = (table.scrollTop + 40) % (table.scrollHeight - table.clientHeight);
        const nowMs = await new Promise<number>(requestAnimationFrame);
        between.push(nowMs - lastMs);
        lastMs = nowMs;
      }
      observer.disconnect();
      return { between, longTasks };
    }, [1_000 * SECONDS, scrolling] as const);
  for (const [what, scrolling] of [["at rest", false], ["scrolling", true]] as const) {
    const before = await cpu();
    print(what, await measure(scrolling));
    const after = await cpu();
    const parts = Object.entries(before).map(([part, ms]) =>
      `${part} ${((after[part]! - ms) / SECONDS).toFixed(0)} ms`
    );
    console.log(`  CPU time of the page's thread, a second: ${parts.join(", ")}`);
  }
  const startMs = process.cpuUsage();
  for (let i = 0; i < 20; i++) {
    await tab.waitForTimeout(300);
    await (await fetch(`${url}snapshot`)).arrayBuffer();
  }
  const { user, system } = process.cpuUsage(startMs);
  console.log(`the program: ${((user + system) / 60_000).toFixed(1)} % of a core with one viewer at 4 Hz`);
  console.log(`a request: ${(readMs / reads).toFixed(2)} ms on average`);
} finally {
  await browser.close();
  page.close();
  server.close();
  server.closeAllConnections();
}

function print(what: string, { between, longTasks }: Frames): void {
  const sorted = between.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  const longest = Math.max(0, ...longTasks).toFixed(0);
  console.log(
    `${what}: ${(sorted.length / SECONDS).toFixed(0)} frames a second; between frames p50 ${at(0.5)} ms, ` +
      `p99 ${at(0.99)} ms, longest ${at(1)} ms; ${longTasks.length} tasks over 50 ms, the longest ${longest} ms`,
  );
}
