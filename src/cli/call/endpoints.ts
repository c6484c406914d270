import { ConnectError } from "@connectrpc/connect";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Registry } from "../../registry/registry.ts";
import { staticResolver } from "../../resolver/static.ts";
import { type BalancedTransport, createBalancedTransport } from "../../transport/transport.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import { CliError, EXIT, usageError } from "../exit.ts";
import { unknownService } from "../unknown-service.ts";

/** Where calls go. */
export type CallTarget =
  | { readonly addresses: readonly string[] }
  | { readonly etcd: EtcdTarget; readonly service: string };

/** How calls are made. */
export interface CallSettings {
  readonly policy: Policy;
  readonly tls: TlsSource | undefined;
  /** How long to wait for the first connection, in milliseconds. */
  readonly connectMs: number;
  /** Whether to wait, that long at most, until each server is connected or has failed: to compare servers. */
  readonly all: boolean;
  readonly signal: AbortSignal;
}

/** How often it is looked whether connections are open, in milliseconds. */
const LOOK_EVERY_MS = 10;

/** The largest answer that is accepted: a tool should not be what fails. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/**
 * Opens a balanced transport, lets `use` make calls, and closes it.
 *
 * @throws CliError if no server can be reached, or etcd.
 */
export async function withEndpoints<T>(
  target: CallTarget,
  { policy, tls, connectMs, all, signal }: CallSettings,
  use: (transport: BalancedTransport) => Promise<T>,
): Promise<T> {
  const registry = "etcd" in target ? target.etcd.registry() : undefined;
  const transport = createBalancedTransport({
    resolver: "etcd" in target ? registry!.resolver(target.service) : staticOf(target.addresses),
    connector: grpcConnector({ tls, connectTimeoutMs: connectMs, readMaxBytes: MAX_ANSWER_BYTES }),
    policy,
  });
  try {
    await connect(transport, target, registry, { connectMs, signal });
    if (all) await settled(transport, connectMs, signal);
    return await use(transport);
  } finally {
    await transport.close();
    await registry?.close();
  }
}

function staticOf(addresses: readonly string[]) {
  try {
    return staticResolver(addresses);
  } catch (error) {
    throw usageError(`--address: ${(error as Error).message}`);
  }
}

async function connect(
  transport: BalancedTransport,
  target: CallTarget,
  registry: Registry | undefined,
  { connectMs, signal }: Pick<CallSettings, "connectMs" | "signal">,
): Promise<void> {
  if ("etcd" in target) await checkService(target, registry!, signal);
  const hopeless = new AbortController();
  const watching = setInterval(() => {
    if (allFailed(transport)) hopeless.abort(new Error("each server failed"));
  }, LOOK_EVERY_MS);
  try {
    await transport.connect({ timeoutMs: connectMs, signal: AbortSignal.any([signal, hopeless.signal]) });
  } catch (error) {
    signal.throwIfAborted();
    const endpoints = transport.snapshot().endpoints ?? [];
    const errors = endpoints.map(({ lastError }) => lastError?.message ?? "").join("\n");
    const doctor = "etcd" in target ? `connect-lb doctor ${target.service} looks closer` : undefined;
    throw new CliError(`no server can be reached: ${ConnectError.from(error).rawMessage}`, {
      exitCode: EXIT.unreachable,
      next: [
        ...endpoints.flatMap(({ endpoint, lastError }) =>
          lastError ? [`${endpoint.address}: ${lastError.message}`] : []
        ),
        ...tlsAdvice(errors),
        ...doctor === undefined ? [] : [doctor],
      ].slice(-10),
      cause: error,
    });
  } finally {
    clearInterval(watching);
  }
}

/** Whether no server can be connected to, for reasons that don't pass by themselves within seconds. */
function allFailed(transport: BalancedTransport): boolean {
  const { endpoints = [] } = transport.snapshot();
  return (endpoints?.length ?? 0) > 0 &&
    endpoints!.every(({ state, lastError }) =>
      state === "transient_failure" && lastError !== undefined && TLS_FAULT.test(lastError.message)
    );
}

const WRONG_NAME = /altname|NotValidForName|not valid for name|does not match|hostname/i;
const TLS_FAULT = new RegExp(`TLS|SSL|certificate|issuer|ALPN|not HTTP/2|${WRONG_NAME.source}`, "i");

function tlsAdvice(errors: string): readonly string[] {
  if (WRONG_NAME.test(errors)) {
    return ["the certificate is for another name: --tls-name NAME gives the one that it is for"];
  }
  if (/certificate|issuer|self.signed/i.test(errors)) return ["--tls-ca FILE gives the CA that signed the certificate"];
  return ["servers that speak TLS need --tls, and others must be called without"];
}

/** Waits until no connection is being opened any more. */
async function settled(transport: BalancedTransport, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  const opening = () => transport.snapshot().endpoints?.some(({ state }) => state === "connecting");
  while (!signal.aborted && performance.now() < untilMs && opening()) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Reads the set once: a service that nobody registered is an error, and no reason to wait. */
async function checkService(
  { etcd, service }: Extract<CallTarget, { etcd: unknown }>,
  registry: Registry,
  signal: AbortSignal,
): Promise<void> {
  try {
    const found = await registry.resolver(service).list?.(signal);
    if (found?.endpoints?.length === 0) throw await unknownService(etcd, service, 0, signal);
  } catch (error) {
    throw etcd.explain(error);
  }
}
