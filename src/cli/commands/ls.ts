import { type Command, type Context, defineCommand } from "../command.ts";
import { atMost } from "../concurrently.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import { CliError, EXIT } from "../exit.ts";
import { Output, OUTPUT_OPTIONS } from "../output.ts";
import { type Reach, reach } from "../reach.ts";
import { readLeases, readServiceEntries, type ServiceEntry, usedEntries } from "../service-entries.ts";
import { unknownService } from "../unknown-service.ts";
import { durationMs } from "../values.ts";
import { ENDPOINTS, type ListedEndpoint, SERVICES } from "./ls-views.ts";

const OPTIONS = {
  ...OUTPUT_OPTIONS,
  "no-connect": { type: "boolean", help: "don't try whether the servers can be reached" },
  "connect-timeout": {
    type: "string",
    value: "DURATION",
    help: "how long a server may take to accept a connection",
    default: "1s",
  },
  ...ETCD_OPTIONS,
} as const;

/** How many servers are tried at a time. */
const SERVERS_AT_A_TIME = 64;

/** `connect-lb ls`: the services that are registered, or the endpoints of one. */
export const ls: Command = defineCommand({
  name: "ls",
  summary: "list the services that are registered, or the endpoints of one",
  examples: [
    { line: "ls", does: "which services are there?" },
    { line: "ls simple_grpc", does: "where does a service run, for how long still, and do its servers answer?" },
    { line: "ls simple_grpc -o name", does: "only the addresses, one per line" },
    { line: "ls --layout kratos --endpoints http://10.0.0.2:2379", does: "what go-kratos registered in another etcd" },
  ],
  description: [
    "Of a service it shows what clients make of its keys in etcd: each endpoint once, with the seconds that its lease " +
    "still has (TTL), and whether a TCP connection to it can be opened from here. etcd doesn't know when a server " +
    "registered, so no age is shown.",
  ],
  args: [{ name: "SERVICE", optional: true, complete: "service" }],
  options: OPTIONS,
  exitCodes: ["3 if there are no services, or no endpoints of that one"],
  async run(context) {
    const target = etcdTarget(context);
    const [service] = context.args;
    try {
      return await (service === undefined ? listServices(context, target) : listEndpoints(context, target, service));
    } catch (error) {
      throw target.explain(error);
    }
  },
});

async function listServices(context: Context<typeof OPTIONS>, target: EtcdTarget): Promise<number> {
  const registry = target.registry();
  try {
    const services = await registry.list(context.signal);
    if (services.length === 0) throw nothing(context, nothingRegistered(target));
    new Output(context).list(services, SERVICES);
    return EXIT.ok;
  } finally {
    await registry.close();
  }
}

async function listEndpoints(context: Context<typeof OPTIONS>, target: EtcdTarget, service: string): Promise<number> {
  const { options, sources, signal } = context;
  const timeoutMs = durationMs([sources["connect-timeout"] ?? "", options["connect-timeout"]], { least: 1 });
  const client = target.client();
  try {
    target.checkService(service);
    const entries = await readServiceEntries(client, target.layout, service, signal);
    for (const { key, problem } of entries) {
      if (problem !== undefined) context.say(`left out, because it can't be read: ${key}: ${problem.message}`);
    }
    const used = usedEntries(entries);
    if (used.length === 0) throw nothing(context, await unknownService(target, service, entries.length, signal));
    sayDuplicates(context, entries, used.length);
    const leases = await readLeases(client, used.map(({ lease }) => lease), signal);
    const reached = options["no-connect"]
      ? []
      : await atMost(SERVERS_AT_A_TIME, used, ({ endpoint }) => reach(endpoint.address, timeoutMs, signal));
    signal.throwIfAborted();
    const rows: ListedEndpoint[] = used.map(({ endpoint, key, lease }, i) => {
      return { service, key, endpoint, lease, timeToLive: leases.get(lease), reach: reached[i] as Reach | undefined };
    });
    new Output(context).list(rows, ENDPOINTS);
    return EXIT.ok;
  } finally {
    await client.close();
  }
}

/** What reads JSON gets some even then. */
function nothing(context: Context<typeof OPTIONS>, error: CliError): CliError {
  const output = new Output(context);
  if (output.format === "json") output.json([]);
  return error;
}

function sayDuplicates(context: Context<typeof OPTIONS>, entries: readonly ServiceEntry[], used: number): void {
  const more = entries.filter(({ endpoint }) => endpoint !== undefined).length - used;
  if (more > 0) context.say(`${more} more keys name one of these addresses: the newest key of each counts`);
}

function nothingRegistered({ where, layout, layoutName }: EtcdTarget): CliError {
  const root = layout.root === "" ? "any key" : `the keys under ${layout.root}`;
  return new CliError(`no services in etcd at ${where}`, {
    exitCode: EXIT.notFound,
    next: [
      `looked at ${root}, for the layout ${layoutName}: other programs may write another one (--layout, --prefix)`,
      "connect-lb register SERVICE ADDR registers a server",
    ],
  });
}
