// A balancer of grpc.lb.v1 whose every message a test sends.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  type ClientStats,
  LoadBalancer,
  type LoadBalanceRequest,
  type LoadBalanceResponseSchema,
  type ServerSchema,
} from "../../../gen/grpc/lb/v1/load_balancer_pb.ts";

type Response = MessageInitShape<typeof LoadBalanceResponseSchema>["loadBalanceResponseType"];
export type ServerInit = MessageInitShape<typeof ServerSchema>;

/** A stream of a client, as the balancer sees it. */
export interface ScriptedStream {
  /** The name in the first message; undefined until it has arrived. */
  name: string | undefined;
  readonly reports: ClientStats[];
  /** Whether the client has ended it. */
  closed: boolean;
  /** The first response: how often the client reports. */
  begin(intervalMs?: number): void;
  list(...servers: readonly ServerInit[]): void;
  fallback(): void;
  /** Ends it, or fails it. */
  end(error?: Error): void;
}

/** A server of a list; the host is an IPv4 address. */
export function server(address: string, token = ""): ServerInit {
  const [host, port] = address.split(":");
  return { ipAddress: Uint8Array.from(host!.split(".").map(Number)), port: Number(port), loadBalanceToken: token };
}

/** A turn at which calls are dropped. */
export function drop(token: string): ServerInit {
  return { drop: true, loadBalanceToken: token };
}

export class ScriptedBalancer {
  readonly streams: ScriptedStream[] = [];

  readonly routes = (router: ConnectRouter): void => {
    router.service(LoadBalancer, { balanceLoad: (requests, context) => this.#serve(requests, context) });
  };

  get last(): ScriptedStream {
    return this.streams.at(-1)!;
  }

  async *#serve(requests: AsyncIterable<LoadBalanceRequest>, { signal }: HandlerContext) {
    const queue: (Response | Error | "end")[] = [];
    let wake = () => {};
    const send = (what: Response | Error | "end") => {
      queue.push(what);
      wake();
    };
    const stream: ScriptedStream = {
      name: undefined,
      reports: [],
      closed: false,
      begin(intervalMs = 0) {
        const clientStatsReportInterval = {
          seconds: BigInt(Math.floor(intervalMs / 1_000)),
          nanos: intervalMs % 1_000 * 1e6,
        };
        send({ case: "initialResponse", value: intervalMs === 0 ? {} : { clientStatsReportInterval } });
      },
      list: (...servers) => send({ case: "serverList", value: { servers: [...servers] } }),
      fallback: () => send({ case: "fallbackResponse", value: {} }),
      end: (error) => send(error ?? "end"),
    };
    this.streams.push(stream);
    void (async () => {
      for await (const { loadBalanceRequestType: { case: kind, value } } of requests) {
        if (kind === "initialRequest") stream.name = value.name;
        else if (kind === "clientStats") stream.reports.push(value);
      }
    })().catch(() => {});
    signal.addEventListener("abort", () => {
      stream.closed = true;
      wake();
    });
    while (!signal.aborted) {
      const next = queue.shift();
      if (next === undefined) await new Promise<void>((resolve) => wake = resolve);
      else if (next === "end") return;
      else if (next instanceof Error) throw next;
      else yield { loadBalanceResponseType: next };
    }
  }
}
