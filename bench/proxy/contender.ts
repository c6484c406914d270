import { hasGo } from "../../test/support/go.ts";
import { find } from "../../test/support/system.ts";
import { type Runtime, RUNTIMES, startScript } from "../process.ts";
import { processesOf } from "../server/proc.ts";
import { withoutEnvoy } from "./envoy.ts";
import { startPeer } from "./peer.ts";

/**
 * A proxy that is measured. For comparison, `direct` is none, and `bytes-only` the least that a runtime can do: it passes
 * on what arrives, and knows nothing of HTTP/2.
 */
export interface ProxyContender {
  readonly name: "connect-lb" | "bytes-only" | "nginx" | "HAProxy" | "Envoy" | "direct";
  /** The runtime of this library's and of `bytes-only`; the others have none. */
  readonly on: Runtime | "";
}

export const PROXY_CONTENDERS: readonly ProxyContender[] = [
  ...(["connect-lb", "bytes-only"] as const).flatMap((name) => RUNTIMES.map((on) => ({ name, on }) as const)),
  ...(["nginx", "HAProxy", "Envoy", "direct"] as const).map((name) => ({ name, on: "" }) as const),
];

/** How a contender is called in messages. */
export function nameOf({ name, on }: ProxyContender): string {
  return on === "" ? name : `${name} on ${on}`;
}

/** A proxy that runs. */
export interface RunningProxy {
  readonly contender: ProxyContender;
  readonly address: string;
  /** All processes that it has: none for `direct`. */
  readonly pids: readonly number[];
  readonly ended: boolean;
  end(): Promise<void>;
}

/** Starts one in front of the servers. @throws Error if it does not listen */
export async function startProxy(contender: ProxyContender, upstream: readonly string[]): Promise<RunningProxy> {
  const { name, on } = contender;
  if (name === "direct") {
    return { contender, address: upstream[0]!, pids: [], ended: false, end: () => Promise.resolve() };
  }
  if (on === "") {
    const { address, child, stop } = await startPeer(name as Peer, upstream);
    return {
      contender,
      address,
      pids: processesOf(child.pid),
      get ended() {
        return child.exit !== undefined;
      },
      end: stop,
    };
  }
  const process = startScript(on, `proxy/contenders/${name}.ts`, upstream);
  const listening = await process.next<{ address: string; pid: number }>(20_000);
  if ("error" in listening) throw new Error(`${nameOf(contender)} did not start: ${listening.error}`);
  const { address, pid } = listening;
  return {
    contender,
    address,
    pids: [pid],
    get ended() {
      return process.ended;
    },
    end: () => process.end(),
  };
}

type Peer = Exclude<ProxyContender["name"], "connect-lb" | "bytes-only" | "direct">;

/** Why a contender can't be measured here; false if it can. */
export function without({ name }: ProxyContender): string | false {
  if (name === "nginx" && find("nginx") === undefined) {
    return "nginx: it is not installed (apt-get install nginx-light)";
  }
  if (name === "HAProxy" && find("haproxy") === undefined) {
    return "HAProxy: it is not installed (apt-get install haproxy)";
  }
  return name === "Envoy" && withoutEnvoy();
}

/** Why there are no calls from grpc-go's client here; false if there are. */
export function withoutGrpcGo(): string | false {
  return !hasGo() && 'calls from grpc-go: there is no Go to build the client with (put "go" on the PATH)';
}
