// A client process: one contender on one runtime. It reads orders as lines of JSON from stdin and answers each with one.
import process from "node:process";
import { createInterface } from "node:readline";
import { call, CASES } from "./case.ts";
import type { ContenderModule } from "./contender.ts";
import { allocatedBytes } from "./heap.ts";
import type { Addresses } from "./kind.ts";
import { closedLoop, openLoop } from "./load.ts";

/** What the process may be told to do. */
export type Order =
  | { readonly do: "run"; readonly case: string; readonly ms: number; readonly rate?: number }
  | { readonly do: "heap"; readonly case: string; readonly calls: number }
  | { readonly do: "close" };

const [name, addresses] = process.argv.slice(2) as [string, string];
const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
// Reading holds the process while a contender opens connections, which need not hold it.
const orders = createInterface({ input: process.stdin });

try {
  const module = await import(`./contenders/${name}.ts`) as ContenderModule;
  const contender = await module.open(JSON.parse(addresses) as Addresses);
  answer({ ready: true });
  for await (const line of orders) {
    const order = JSON.parse(line) as Order;
    if (order.do === "close") {
      await contender.close();
      process.exit(0);
    }
    const which = CASES.find((c) => c.name === order.case)!;
    const once = () => call(contender, which);
    try {
      if (order.do === "heap") {
        answer({ heapBytesPerCall: await allocatedBytes(once, which.inFlight || 64, order.calls) });
      } else if (order.rate !== undefined) answer(await openLoop(once, order.rate, order.ms));
      else answer(await closedLoop(once, which.inFlight, order.ms));
    } catch (error) {
      answer({ error: String(error) });
    }
  }
} catch (error) {
  answer({ error: String(error) });
}
process.exit(0);
