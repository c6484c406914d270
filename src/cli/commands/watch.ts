import { type Command, type Context, defineCommand } from "../command.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Resolver } from "../../resolver/resolver.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { EXIT } from "../exit.ts";
import { Output, OUTPUT_OPTIONS, type StreamView } from "../output.ts";
import { type ChangeKind, type SetChange, SetChanges } from "../set-changes.ts";
import { sayOfSet } from "../say-of-set.ts";
import type { Paint } from "../style.ts";
import { unknownService } from "../unknown-service.ts";

const OPTIONS = { ...OUTPUT_OPTIONS, ...ETCD_OPTIONS } as const;

/** `connect-lb watch`: a service's set of endpoints, change by change. */
export const watch: Command = defineCommand({
  name: "watch",
  summary: "print each change of a service's endpoints as it happens",
  examples: [
    { line: "watch simple_grpc", does: "who comes and goes, while you deploy?" },
    { line: "watch simple_grpc -o json", does: "one JSON object per line, for another program" },
  ],
  description: [
    "First come the endpoints that are present, then each that is added, removed, changed (weight, zone or metadata) or " +
    "restarted (its server registered anew). While etcd can't be reached it says so on standard error, and goes on.",
  ],
  args: [{ name: "SERVICE", complete: "service" }],
  options: OPTIONS,
  async run(context) {
    const [service = ""] = context.args;
    const target = etcdTarget(context);
    target.checkService(service);
    const output = new Output(context), { signal } = context;
    const registry: Registry = target.registry((event) => sayOfSet(context, registry, event));
    try {
      const resolver = registry.resolver(service);
      await sayFirst(context, target, resolver);
      const changes = new SetChanges();
      for await (const { endpoints } of resolver.resolve(signal)) {
        if (endpoints === undefined) continue;
        for (const change of changes.next(endpoints)) output.item({ service, time: new Date(), ...change }, CHANGES);
      }
      return EXIT.ok;
    } catch (error) {
      throw target.explain(error);
    } finally {
      await registry.close();
    }
  },
});

/** Says that there is nothing to see yet: no endpoints, or no etcd. @throws CliError for what waiting doesn't mend. */
async function sayFirst(
  { args: [service = ""], say, signal }: Context<typeof OPTIONS>,
  target: EtcdTarget,
  resolver: Resolver,
): Promise<void> {
  let lines: readonly string[] = [];
  try {
    if ((await resolver.list?.(signal))?.endpoints?.length !== 0) return;
    const { message, next } = await unknownService(target, service, 0, signal);
    lines = [`${message}, yet: waiting for the first one`, ...next];
  } catch (error) {
    const explained = target.explain(error);
    if (signal.aborted || explained.exitCode !== EXIT.unreachable) throw explained;
    lines = [`${explained.message}: waiting until it can be reached`, ...explained.next];
  }
  for (const line of lines) say(line);
}

/** A change, and when it was heard of. */
interface TimedChange extends SetChange {
  readonly service: string;
  readonly time: Date;
}

const PAINTS: Readonly<Record<ChangeKind, Paint>> = {
  present: "dim",
  added: "good",
  removed: "bad",
  changed: "doubtful",
  restarted: "doubtful",
};
/** The longest of the words above. */
const WORD_WIDTH = "restarted".length;

const CHANGES: StreamView<TimedChange> = {
  line: ({ time, change, endpoint, details, endpoints }) => [
    { text: clockTime(time), paint: "dim" },
    { text: change.padEnd(WORD_WIDTH), paint: PAINTS[change] },
    { text: endpoint.address, paint: "name" },
    { text: endpoint.zone === undefined ? "" : `zone ${endpoint.zone}` },
    { text: endpoint.weight === undefined ? "" : `weight ${endpoint.weight}` },
    { text: details.length === 0 ? "" : `(${details.join(", ")})` },
    { text: `${endpoints} in all`, paint: "dim" },
  ],
  name: ({ endpoint }) => endpoint.address,
  json: ({ time, service, change, endpoint: { incarnation: _, ...attributes }, endpoints }) => {
    return { time: time.toISOString(), service, change, ...attributes, endpoints };
  },
};

/** The time of day here, with milliseconds. */
function clockTime(time: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  const seconds = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  return `${seconds}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}
