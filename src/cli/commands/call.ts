import { toJson } from "@bufbuild/protobuf";
import type { ConnectError, Transport } from "@connectrpc/connect";
import { type Command, type Context, defineCommand } from "../command.ts";
import { callJson, CALLS, callText, rowJson } from "../call/call-views.ts";
import { CODE_BASE, codeName } from "../call/call-statistics.ts";
import { type Schema, signature } from "../call/descriptors.ts";
import { type CallTarget, withEndpoints } from "../call/endpoints.ts";
import { findMethod, type FoundMethod } from "../call/find-method.ts";
import { type MadeCall, makeCall, type Request } from "../call/made-call.ts";
import { makeCalls } from "../call/many-calls.ts";
import { POLICY_NAMES, policyNamed } from "../call/policies.ts";
import { explained, schemaIn } from "../call/open-schema.ts";
import { type CallLimits, reflectedSchema } from "../call/reflection.ts";
import { readData, requestMessages } from "../call/request-data.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { EXIT, usageError } from "../exit.ts";
import { jsonText } from "../json.ts";
import { Output, OUTPUT_OPTIONS } from "../output.ts";
import { Progress } from "../progress.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import type { BalancedTransport } from "../../transport/transport.ts";
import { durationMs, wholeNumber } from "../values.ts";

const OPTIONS = {
  data: {
    type: "string",
    short: "d",
    value: "JSON",
    help: "the request: JSON, @FILE, or @- for standard input; of a client's stream, one message per line",
    default: "{}",
  },
  calls: { type: "string", short: "n", value: "COUNT", help: "make so many calls, and print a table", default: "1" },
  concurrency: { type: "string", short: "c", value: "COUNT", help: "how many of them at a time", default: "1" },
  policy: {
    type: "string",
    value: "NAME",
    help: "which server a call goes to",
    choices: POLICY_NAMES,
    default: POLICY_NAMES[0]!,
  },
  "hash-key": { type: "string", value: "KEY", help: "the key of calls, for ringHash and rendezvousHash" },
  header: { type: "string", short: "H", value: "NAME:VALUE", help: "a header of the call", multiple: true },
  protoset: {
    type: "string",
    value: "FILE",
    help: "the schema, as buf build -o FILE.binpb or protoc --descriptor_set_out writes it, instead of reflection",
    complete: "file",
  },
  address: {
    type: "string",
    value: "HOST:PORT,…",
    help: "call these servers instead of those of a service in etcd",
  },
  ...OUTPUT_OPTIONS,
  ...SERVER_OPTIONS,
  ...ETCD_OPTIONS,
  timeout: { type: "string", value: "DURATION", help: "how long a call, and etcd, may take to answer", default: "10s" },
} as const;

type CallContext = Context<typeof OPTIONS>;

const MOST_CALLS = 10_000_000, MOST_AT_ONCE = 10_000;

/** `connect-lb call`: calls a method of a service, once or often. */
export const call: Command = defineCommand({
  name: "call",
  summary: "call a method of a service, once or many times, and show which server answered",
  examples: [
    { line: `call simple_grpc proto.Simple/Route -d '{"data":"hello"}'`, does: "call a service that is in etcd" },
    {
      line: `call simple_grpc proto.Simple/Route -n 1000 -c 10`,
      does: "how do calls spread, and how fast is each server?",
    },
    { line: "call simple_grpc", does: "which methods does it have?" },
    { line: "call --address 10.0.0.5:8000,10.0.0.6:8000 proto.Simple/Route", does: "without etcd" },
    { line: "call simple_grpc proto.Simple/Route -d @- < request.json", does: "a request from a file" },
    { line: "call simple_grpc proto.Simple/Route --protoset schema.binpb", does: "servers without reflection" },
  ],
  description: [
    "The response goes to standard output as JSON, a line for each message of a stream. Which server answered, after how " +
    "many attempts and how long, goes to standard error; with -o json all of it is one document on standard output.",
    "The schema is asked for by server reflection (grpc.reflection.v1, or v1alpha), or read from a file.",
  ],
  args: [
    { name: "SERVICE", optional: true, complete: "service" },
    { name: "METHOD", optional: true },
  ],
  options: OPTIONS,
  exitCodes: [
    `the code of gRPC + ${CODE_BASE} for a call that failed, such as ${
      CODE_BASE + 14
    } for UNAVAILABLE; with -n that of ` +
    "the most frequent error",
  ],
  async run(context) {
    const { options, signal } = context, { target, name } = whatToCall(context);
    const limits: CallLimits = {
      signal,
      timeoutMs: durationMs(["--timeout", options.timeout], { least: 1 }),
      headers: headersOf(context),
    };
    const calls = wholeNumber(["-n", options.calls], { least: 1, most: MOST_CALLS });
    const atOnce = wholeNumber(["-c", options.concurrency], { least: 1, most: MOST_AT_ONCE });
    const settings = {
      policy: policyNamed(options.policy),
      tls: serverTls(context),
      connectMs: Math.min(10_000, limits.timeoutMs),
      all: calls > 1,
      signal,
    };
    const fromFile = options.protoset === undefined ? undefined : schemaIn(options.protoset);
    return await withEndpoints(target, settings, async (transport) => {
      const schema = fromFile ?? reflectedSchema(transport, limits);
      if (name === undefined) return await explained(() => listMethods(context, schema));
      const found = await explained(() => findMethod(schema, name));
      const data = await readData(options.data, context.io);
      const { method, types } = found, many = /^(client|bidi)/.test(method.methodKind);
      const messages = requestMessages(data, { input: method.input, many }, types);
      const request = { method, messages, limits, hashKey: options["hash-key"] };
      if (calls === 1) return await callOnce(context, transport, request, found);
      return await callOften(context, transport, request, { calls, atOnce });
    });
  },
});

function whatToCall(context: CallContext): { readonly target: CallTarget; readonly name: string | undefined } {
  const { options: { address }, args: [first, second] } = context;
  if (address !== undefined) {
    if (second !== undefined) {
      throw usageError(`SERVICE and --address can't be combined`, `connect-lb call --address ${address} ${second}`);
    }
    const addresses = address.split(",").map((one) => one.trim()).filter((one) => one !== "");
    if (addresses.length === 0) throw usageError("--address is empty: expected for example 10.0.0.5:8000");
    return { target: { addresses }, name: first };
  }
  if (first === undefined) {
    throw usageError("SERVICE is missing", "connect-lb call SERVICE METHOD, or --address HOST:PORT METHOD");
  }
  if (second === undefined && first.includes("/") && /\/[A-Z]\w*$/.test(first)) {
    throw usageError(
      `the service in etcd is missing: ${JSON.stringify(first)} looks like a method`,
      `connect-lb call SERVICE ${first}; connect-lb ls shows the services`,
    );
  }
  const etcd = etcdTarget(context);
  etcd.checkService(first);
  return { target: { etcd, service: first }, name: second };
}

async function callOnce(
  context: CallContext,
  transport: Transport,
  request: Request,
  found: FoundMethod,
): Promise<number> {
  const output = new Output(context), { stdout } = context.io, asJson = output.format === "json";
  const streams = found.method.methodKind === "server_streaming" || found.method.methodKind === "bidi_streaming";
  const responses: unknown[] = [];
  const made = await makeCall(transport, request, (message) => {
    const json = toJson(found.method.output, message, { registry: found.types });
    if (asJson) responses.push(json);
    else if (output.format === "table") stdout.write(`${jsonText(json, streams ? undefined : 2)}\n`);
  });
  context.signal.throwIfAborted();
  if (asJson) output.json({ ...callJson(made), ...streams ? { responses } : { response: responses[0] ?? null } });
  else if (output.format === "name") stdout.write(`${made.attempts.at(-1)?.endpoint.address ?? ""}\n`);
  else context.say(callText(made));
  if (made.error !== undefined && !asJson) sayError(context, made.error);
  return exitCodeOf(made);
}

async function callOften(
  context: CallContext,
  transport: BalancedTransport,
  request: Request,
  { calls, atOnce }: { readonly calls: number; readonly atOnce: number },
): Promise<number> {
  const progress = new Progress(context.io), output = new Output(context);
  const { statistics, elapsedMs } = await makeCalls(transport, request, {
    calls,
    atOnce,
    onCall: (done) => progress.say(`${done} of ${calls} calls`),
  }).finally(() => progress.end());
  const { codes, firstError } = statistics, total = statistics.total();
  const perSecond = Math.round(1_000 * total.calls / elapsedMs);
  if (output.format === "json") {
    const counted = Object.fromEntries(codes.map(([code, count]) => [codeName(code), count]));
    output.json({ ...rowJson(total), perSecond, codes: counted, endpoints: statistics.rows().map(rowJson) });
  } else {
    const rows = statistics.rows().map((row) => ({ ...row, title: row.endpoint ?? "(no endpoint)" }));
    output.list(output.format === "name" ? rows : [...rows, { ...total, title: "all" }], CALLS);
    context.say(
      `${total.calls} calls in ${(elapsedMs / 1_000).toFixed(2)} s, ${perSecond} per second, ${atOnce} at a time`,
    );
    for (const [code, count] of codes) context.say(`${count} failed with ${codeName(code)}`);
    if (firstError !== undefined) sayError(context, firstError);
    sayUnreachable(context, transport);
  }
  return codes[0] === undefined ? EXIT.ok : CODE_BASE + codes[0][0];
}

async function listMethods({ io: { stdout }, options }: CallContext, schema: Schema): Promise<number> {
  const listed: { readonly method: string; readonly signature: string }[] = [];
  for (const name of await schema.services()) {
    const found = await schema.service(name);
    for (const method of found?.service.methods ?? []) {
      listed.push({ method: `${name}/${method.name}`, signature: signature(method) });
    }
  }
  if (options.output === "json") stdout.write(`${jsonText(listed, 2)}\n`);
  else {for (const { method, signature: types } of listed) {
      stdout.write(`${method}${options.output === "name" ? "" : ` ${types}`}\n`);
    }}
  return listed.length === 0 ? EXIT.notFound : EXIT.ok;
}

function headersOf({ options: { header } }: CallContext): Headers {
  const headers = new Headers();
  for (const line of header) {
    const [, name = "", value = ""] = /^([^:]+):\s*(.*)$/s.exec(line) ?? [];
    try {
      headers.append(name, value);
    } catch {
      throw usageError("-H is no header: expected NAME:VALUE, for example -H 'authorization: Bearer …'");
    }
  }
  return headers;
}

function sayError(context: CallContext, error: ConnectError): void {
  context.say(`${codeName(error.code)}: ${error.rawMessage}`);
}

/** Servers that got no calls, because there is no connection to them. */
function sayUnreachable({ say }: CallContext, transport: BalancedTransport): void {
  for (const { endpoint, state, lastError } of transport.snapshot().endpoints ?? []) {
    if (state === "transient_failure") say(`no calls for ${endpoint.address}: ${lastError?.message ?? state}`);
  }
}

function exitCodeOf({ error }: MadeCall): number {
  return error === undefined ? EXIT.ok : CODE_BASE + error.code;
}
