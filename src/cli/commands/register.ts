import { checkRegisterOptions } from "../../registry/options.ts";
import type { RegisterOptions } from "../../registry/registry.ts";
import { systemClock } from "../../time/clock.ts";
import { type Command, type Context, defineCommand } from "../command.ts";
import { ETCD_CREDENTIALS, ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import { usageError } from "../exit.ts";
import type { Io } from "../io.ts";
import { layoutsThatStore } from "../layouts.ts";
import { startChild } from "../sidecar/child.ts";
import { grpcProbe, type Probe, tcpProbe } from "../sidecar/probe.ts";
import { Registrar, RegistrationTalk } from "../sidecar/registrar.ts";
import { runSidecar } from "../sidecar/sidecar.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import { address, durationMs, jsonValue, positiveNumber, wholeNumber } from "../values.ts";

const group = "Options for health" as const;

const OPTIONS = {
  ttl: {
    type: "string",
    value: "SECONDS",
    help: "how long the entry outlives this program if it is killed",
    default: "10",
  },
  weight: { type: "string", value: "NUMBER", help: "its share of calls, relative to other servers'" },
  zone: { type: "string", help: "the zone where it runs" },
  metadata: { type: "string", value: "JSON", help: "anything else that clients should see" },
  "take-over": {
    type: "boolean",
    help: "replace an entry that another program holds, instead of waiting until it is gone",
  },
  settle: {
    type: "string",
    value: "DURATION",
    help: "how long the program goes on after it was deregistered, before it gets the signal",
    default: "500ms",
  },
  health: {
    type: "string",
    value: "KIND",
    help: "tcp: it accepts connections; grpc: its grpc.health.v1 service says SERVING; none: always",
    choices: ["tcp", "grpc", "none"],
    default: "tcp",
    group,
  },
  "health-address": {
    type: "string",
    value: "ADDR",
    help: "where to ask, if not at ADDR: for example 127.0.0.1:8000",
    group,
  },
  "health-service": {
    type: "string",
    value: "NAME",
    help: "the service to ask for, with --health grpc; without it the server as a whole",
    group,
  },
  interval: { type: "string", value: "DURATION", help: "how often to ask", default: "2s", group },
  ...SERVER_OPTIONS,
  ...ETCD_OPTIONS,
} as const;

type RegisterContext = Context<typeof OPTIONS>;

/** `connect-lb register`: a sidecar that keeps a server registered, whatever it is written in. */
export const register: Command = defineCommand({
  name: "register",
  summary: "register a server in any language, while its program runs and is healthy",
  examples: [
    { line: "register simple_grpc 10.0.0.5:8000 -- ./server --port 8000", does: "run a server, registered" },
    {
      line: "register simple_grpc 10.0.0.5:8000 --health grpc -- python3 server.py",
      does: "only while its health service says SERVING",
    },
    { line: "register simple_grpc 10.0.0.5:8000", does: "a server that runs already, until Ctrl-C" },
  ],
  description: [
    "ADDR is where clients reach the server. The program is registered once it answers there, deregistered while it is " +
    "not healthy, and deregistered before it gets SIGTERM or SIGINT, so that no call fails; a second signal is passed " +
    "on at once. SIGHUP is passed on as it is.",
    "If another program holds the entry, because the server is registered twice or was killed a moment ago, it waits " +
    "until that one's lease has ended, and leaves the entry alone; --take-over replaces it at once.",
    "The program does not get the variables that hold etcd's credentials (" + ETCD_CREDENTIALS.join(", ") + "). If " +
    "connect-lb itself is killed (SIGKILL), the program runs on, and its entry ends after --ttl.",
  ],
  args: [{ name: "SERVICE", complete: "service" }, { name: "ADDR" }],
  rest: "[-- PROGRAM [ARGUMENT…]]",
  options: OPTIONS,
  exitCodes: [
    "the program's own; 128 and the number of the signal that ended it; 126 or 127 if it can't be started",
    "without a program: 0 after SIGTERM, 130 after Ctrl-C",
  ],
  ownSignals: true,
  async run(context) {
    const target = etcdTarget(context);
    const options = checked(registerOptions(context), target);
    const probe = probeOf(context);
    const { sources, rest, io } = context;
    const settleMs = durationMs([sources.settle ?? "--settle", context.options.settle]);
    const intervalMs = intervalOf(context);
    const talk = new RegistrationTalk({
      where: `etcd at ${target.where}`,
      user: target.options.user,
      service: options.service,
      say: context.say,
    });
    const registry = target.registry(talk.onEvent);
    try {
      return await runSidecar({
        registrar: new Registrar(registry, options),
        child: rest.length === 0 ? undefined : startChild(rest, withoutCredentials(io.env)),
        probe,
        timing: { intervalMs, clock: systemClock, random: Math.random },
        settleMs,
        say: context.say,
      }, io);
    } finally {
      await registry.close();
    }
  },
});

function registerOptions({ args, options, sources }: RegisterContext): RegisterOptions {
  const [service = "", addr = ""] = args;
  const { weight, zone, metadata } = options;
  return {
    service,
    address: addr,
    takeOver: options["take-over"],
    ttlSeconds: wholeNumber([sources.ttl ?? "--ttl", options.ttl], { least: 1 }),
    ...(weight === undefined ? {} : { weight: positiveNumber(["--weight", weight]) }),
    ...(zone === undefined ? {} : { zone }),
    ...(metadata === undefined ? {} : { metadata: jsonValue(["--metadata", metadata]) }),
  };
}

/** What etcd and the layout can store. @throws CliError before anything is started. */
function checked(options: RegisterOptions, { layout, layoutName }: EtcdTarget): RegisterOptions {
  const { weight, zone, metadata } = options;
  try {
    layout.write({ ...checkRegisterOptions(options, layout), lease: 1n });
    return options;
  } catch (error) {
    const { message } = error as Error;
    const [, attribute] = /can't store (weight|zone|metadata)/.exec(message) ?? [];
    if (attribute === undefined) throw usageError(message);
    const able = layoutsThatStore({
      ...weight !== undefined && { weight },
      ...zone !== undefined && { zone },
      ...metadata !== undefined && { metadata },
    });
    throw usageError(
      `the layout ${layoutName} can't store --${attribute}`,
      `leave it out, or choose one that can, for servers and clients alike: --layout ${able.join(", ")}`,
    );
  }
}

function intervalOf({ options, sources }: RegisterContext): number {
  return durationMs([sources.interval ?? "--interval", options.interval], { least: 10, most: 3_600_000 });
}

/** The most that a probe may take, in milliseconds. */
const MOST_PROBE_MS = 5_000;

function probeOf(context: RegisterContext): Probe | undefined {
  const { options, args: [, addr = ""] } = context;
  const asked = options["health-address"], service = options["health-service"];
  const tls = serverTls(context);
  if (tls !== undefined && options.health !== "grpc") throw usageError("the options for TLS go with --health grpc");
  if (service !== undefined && options.health !== "grpc") throw usageError("--health-service goes with --health grpc");
  if (options.health === "none") {
    if (asked !== undefined) throw usageError("--health-address needs --health tcp or grpc");
    return undefined;
  }
  if (asked !== undefined) address(["--health-address", asked]);
  const timeoutMs = Math.min(MOST_PROBE_MS, Math.max(1_000, intervalOf(context)));
  if (options.health === "grpc") return grpcProbe({ address: asked ?? addr, service: service ?? "", tls }, timeoutMs);
  return tcpProbe(asked ?? addr, timeoutMs);
}

function withoutCredentials(env: Io["env"]): Io["env"] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ETCD_CREDENTIALS.includes(name)));
}
