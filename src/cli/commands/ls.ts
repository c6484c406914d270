import type { EtcdClient } from "../../etcd/client/client.ts";
import { type Command, type Context, defineCommand } from "../command.ts";
import { atMost } from "../concurrently.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import { CliError, EXIT } from "../exit.ts";
import { allKeys, type FoundLayout, foundLayouts, servicesIn } from "../found-layouts.ts";
import { Output, OUTPUT_OPTIONS } from "../output.ts";
import { type Reach, reach } from "../reach.ts";
import { readLeases, readServiceEntries, type ServiceEntry, usedEntries, type UsedEntry } from "../service-entries.ts";
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
    "Without --layout and --prefix it recognises the layout from the keys and values, says so unless it is grpclb, and " +
    "shows several layouts apart.",
  ],
  args: [{ name: "SERVICE", optional: true, complete: "service" }],
  options: OPTIONS,
  exitCodes: ["3 if there are no services, or no endpoints of that one"],
  async run(context) {
    const target = etcdTarget(context);
    const [service] = context.args;
    const client = target.client();
    try {
      const found = target.options.layoutChosen ? [] : await recognised(context, client, service);
      return await (service === undefined
        ? listServices(context, target, found)
        : listEndpoints(context, { target, client, found }, service));
    } catch (error) {
      throw target.explain(error);
    } finally {
      await client.close();
    }
  },
});

/** The layouts that are in use; none if that can't be found out, because the user may not read all keys. */
async function recognised(
  context: Context<typeof OPTIONS>,
  client: EtcdClient,
  service: string | undefined,
): Promise<readonly FoundLayout[]> {
  const found = foundLayouts(await allKeys(client, context.signal) ?? [], service);
  const [first] = found;
  if (found.length > 1) {
    const names = found.map(({ name }) => name).join(", ");
    context.say(`servers are registered in several layouts, and clients see those of one: ${names}`);
  } else if (first !== undefined && !first.usual) {
    context.say(`recognised the layout of ${first.writer}: ${first.flags}, in programs layout: ${first.code}`);
  }
  return found;
}

async function listServices(
  context: Context<typeof OPTIONS>,
  target: EtcdTarget,
  found: readonly FoundLayout[],
): Promise<number> {
  const apart = found.length > 1;
  const services = found.flatMap((layout) => {
    return servicesIn(layout).map((listed) => ({ ...listed, layout: layout.name, apart }));
  });
  if (found.length === 0) {
    const registry = target.registry();
    try {
      for (const listed of await registry.list(context.signal)) {
        services.push({ ...listed, layout: target.layoutName, apart });
      }
    } finally {
      await registry.close();
    }
  }
  if (services.length === 0) throw nothing(context, nothingRegistered(target));
  new Output(context).list(services, SERVICES);
  return EXIT.ok;
}

/** Where a service's endpoints are looked for. */
interface Place {
  readonly target: EtcdTarget;
  readonly client: EtcdClient;
  readonly found: readonly FoundLayout[];
}

async function listEndpoints(
  context: Context<typeof OPTIONS>,
  { target, client, found }: Place,
  service: string,
): Promise<number> {
  const { options, sources, signal } = context;
  const timeoutMs = durationMs([sources["connect-timeout"] ?? "", options["connect-timeout"]], { least: 1 });
  const layouts = found.length === 0 ? [{ layout: target.layout, name: target.layoutName }] : found;
  if (found.length === 0) target.checkService(service);
  const used: (UsedEntry & { readonly layout: string })[] = [], seen = new Set<string>();
  let unreadable = 0;
  for (const { layout, name } of layouts) {
    // Without a root of their own, two layouts may have the same keys.
    const entries = (await readServiceEntries(client, layout, service, signal)).filter(({ key }) => !seen.has(key));
    for (const { key, problem } of entries) {
      seen.add(key);
      if (problem === undefined) continue;
      unreadable++;
      context.say(`left out, because it can't be read: ${key}: ${problem.message}`);
    }
    const own = usedEntries(entries);
    sayDuplicates(context, entries, own.length);
    used.push(...own.map((entry) => ({ ...entry, layout: name })));
  }
  if (used.length === 0) throw nothing(context, await unknownService(target, service, unreadable, signal));
  const leases = await readLeases(client, used.map(({ lease }) => lease), signal);
  const reached = options["no-connect"]
    ? []
    : await atMost(SERVERS_AT_A_TIME, used, ({ endpoint }) => reach(endpoint.address, timeoutMs, signal));
  signal.throwIfAborted();
  const apart = found.length > 1;
  const rows: ListedEndpoint[] = used.map(({ layout, endpoint, key, lease }, i) => {
    const timeToLive = leases.get(lease);
    return { service, layout, apart, key, endpoint, lease, timeToLive, reach: reached[i] as Reach | undefined };
  });
  new Output(context).list(rows, ENDPOINTS);
  return EXIT.ok;
}

/** What reads JSON gets some even then. */
function nothing(context: Context<typeof OPTIONS>, error: CliError): CliError {
  const output = new Output(context);
  if (output.format === "json") output.json([]);
  return error;
}

function sayDuplicates(context: Context<typeof OPTIONS>, entries: readonly ServiceEntry[], used: number): void {
  const more = entries.filter(({ endpoint }) => endpoint !== undefined).length - used;
  if (more > 0) {
    context.say(
      `${more} more ${more === 1 ? "key names" : "keys name"} one of these addresses: the newest key of each counts`,
    );
  }
}

function nothingRegistered({ where, layout, layoutName, options }: EtcdTarget): CliError {
  const root = layout.root === "" ? "any key" : `the keys under ${layout.root}`;
  const others = options.layoutChosen ? "other programs may write another one (--layout, --prefix)" : "and for others";
  return new CliError(`no services in etcd at ${where}`, {
    exitCode: EXIT.notFound,
    next: [
      `looked at ${root}, for the layout ${layoutName}${options.layoutChosen ? ":" : ","} ${others}`,
      "connect-lb register SERVICE ADDR registers a server",
    ],
  });
}
