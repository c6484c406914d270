import { shownText } from "../../shown-text.ts";
import { type Command, type Context, defineCommand } from "../command.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { EXIT, usageError } from "../exit.ts";
import { jsonText } from "../json.ts";
import { Output, OUTPUT_OPTIONS } from "../output.ts";
import { Captured, Screen } from "../screen.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import { channelzSource } from "../top/channelz-source.ts";
import { pageSource } from "../top/page-source.ts";
import { probeSource } from "../top/probe-source.ts";
import type { TopSample, TopSource } from "../top/top-sample.ts";
import { TOP } from "../top/top-views.ts";
import { unknownService } from "../unknown-service.ts";
import { address, durationMs, wholeNumber } from "../values.ts";

const OPTIONS = {
  ...OUTPUT_OPTIONS,
  interval: { type: "string", short: "i", value: "DURATION", help: "how often", default: "1s" },
  count: { type: "string", short: "n", value: "COUNT", help: "stop after so many; otherwise it goes on until Ctrl-C" },
  page: { type: "string", value: "URL", help: "show the calls of the program whose live page this is" },
  channelz: { type: "string", value: "HOST:PORT", help: "show the calls of the program that serves channelz there" },
  ...SERVER_OPTIONS,
  ...ETCD_OPTIONS,
} as const;

const NOTHING_YET = "no endpoints yet";

type TopContext = Context<typeof OPTIONS>;

/** `connect-lb top`: the servers of a service, again and again. */
export const top: Command = defineCommand({
  name: "top",
  summary: "show the servers of a service live: states, health, latencies and, of a program's page, its calls",
  examples: [
    { line: "top simple_grpc", does: "which servers can be reached from here, and which one is slow?" },
    { line: "top --page http://127.0.0.1:9000", does: "rates, errors and latencies of a program's own calls" },
    {
      line: "top --channelz 127.0.0.1:8001",
      does: "rates and errors of a program in any language that serves channelz",
    },
    { line: "top simple_grpc -n 1", does: "once" },
    { line: "top simple_grpc -o json", does: "one JSON object per interval and line, for another program" },
  ],
  description: [
    "By itself it sees what any client could: whether a connection to each server is open, what the server says of its " +
    "health (grpc.health.v1), and how long that answer takes. Calls are seen by the programs that make them only: with " +
    "--page it reads them from the live page of one (observe() of connect-lb/page), with --channelz from gRPC's " +
    "channelz, which other implementations of gRPC have, too, and which knows no latencies.",
    "On a terminal it draws over what it drew before; elsewhere it prints a table for each interval.",
  ],
  args: [{ name: "SERVICE", optional: true, complete: "service" }],
  options: OPTIONS,
  async run(context) {
    const { options, signal } = context;
    const intervalMs = durationMs(["--interval", options.interval], { least: 100, most: 3_600_000 });
    const count = options.count === undefined ? Infinity : wholeNumber(["--count", options.count], { least: 1 });
    const { source, end } = await sourceOf(context, intervalMs);
    const show = shower(context, source);
    try {
      for (let taken = 1; !signal.aborted; taken++) {
        show.sample(await source.sample(signal));
        if (taken >= count) return EXIT.ok;
        await pause(intervalMs, signal);
      }
      return EXIT.ok;
    } finally {
      show.end();
      await end();
    }
  },
});

async function sourceOf(
  context: TopContext,
  intervalMs: number,
): Promise<{ readonly source: TopSource; end(): Promise<void> }> {
  const { options: { page, channelz }, args: [service], signal } = context;
  if (channelz !== undefined) {
    if (page !== undefined) throw usageError("--page and --channelz can't be combined");
    address(["--channelz", channelz]);
    const source = channelzSource({ address: channelz, tls: serverTls(context), service });
    return { source, end: () => source.close() };
  }
  if (page !== undefined) {
    const source = pageSource(page, service);
    return { source, end: () => source.close() };
  }
  if (service === undefined) {
    throw usageError("SERVICE is missing", "connect-lb top SERVICE, or --page URL, or --channelz HOST:PORT");
  }
  const target = etcdTarget(context);
  target.checkService(service);
  const registry = target.registry(), resolver = registry.resolver(service);
  try {
    const found = await resolver.list?.(signal);
    if (found?.endpoints?.length === 0) throw await unknownService(target, service, 0, signal);
  } catch (error) {
    await registry.close();
    throw target.explain(error);
  }
  const source = probeSource({ resolver, tls: serverTls(context), intervalMs });
  return {
    source,
    async end() {
      await source.close();
      await registry.close();
    },
  };
}

/** Shows samples in the way that suits the output. */
function shower(context: TopContext, { title }: TopSource): { sample(sample: TopSample): void; end(): void } {
  const { io: { stdout }, say, args: [service] } = context, output = new Output(context);
  if (output.format !== "table" || !stdout.isTTY) {
    if (output.format === "table") say(title);
    return { sample: (sample) => print(sample, output, context), end() {} };
  }
  const screen = new Screen(stdout);
  return {
    sample(sample) {
      const captured = new Captured(stdout);
      if (sample.rows.length === 0) captured.write(NOTHING_YET);
      else new Output({ ...context, io: { ...context.io, stdout: captured } }).list(sample.rows, TOP);
      const { style } = output,
        stale = sample.stale === undefined ? "" : style("bad", `  stale: ${shownText(sample.stale)}`);
      const head = `${style("bold", service ?? "all services")}  ${new Date().toTimeString().slice(0, 8)}${stale}`;
      screen.draw(`${head}\n${style("dim", title)}\n\n${captured.text}`);
    },
    end: () => screen.end(),
  };
}

function print({ rows, stale }: TopSample, output: Output, { io: { stdout }, say }: TopContext): void {
  if (stale !== undefined) say(`this may be old: ${stale}`);
  const time = new Date();
  if (output.format === "json") {
    return stdout.write(`${jsonText({ time: time.toISOString(), stale, endpoints: rows })}\n`);
  }
  if (output.format === "table") stdout.write(`${time.toTimeString().slice(0, 8)}\n`);
  if (output.format === "table" && rows.length === 0) stdout.write(`${NOTHING_YET}\n`);
  else output.list(rows, TOP);
  if (output.format === "table") stdout.write("\n");
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
