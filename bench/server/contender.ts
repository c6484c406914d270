import { grpcGo } from "../../test/support/grpc-go.ts";
import { Lines, type Runtime, START_MS, startScript } from "../process.ts";

/** A server that is measured. */
export interface ServerContender {
  readonly name: "connect-lb" | "connect-lb-otel" | "connect-node" | "grpc-js" | "grpc-go";
  /** `go` for what runs on none of the three. */
  readonly runtime: Runtime | "go";
  /** Whether it is measured only if it is asked for by name. */
  readonly ifNamed?: boolean;
}

/** All of them. Not grpc-js on Deno, where no target speaks of it. */
export const SERVER_CONTENDERS: readonly ServerContender[] = [
  ...(["node", "bun", "deno"] as const).map((runtime) => ({ name: "connect-lb", runtime }) as const),
  ...(["node", "bun", "deno"] as const).map((runtime) =>
    ({ name: "connect-lb-otel", runtime, ifNamed: true }) as const
  ),
  ...(["node", "bun", "deno"] as const).map((runtime) => ({ name: "connect-node", runtime }) as const),
  ...(["node", "bun"] as const).map((runtime) => ({ name: "grpc-js", runtime }) as const),
  { name: "grpc-go", runtime: "go" },
];

/** A server that runs. */
export interface RunningServer {
  readonly contender: ServerContender;
  readonly address: string;
  readonly pid: number;
  readonly process: Lines;
}

/** Starts one. @throws Error if it does not listen */
export async function startServer(contender: ServerContender): Promise<RunningServer> {
  const { name, runtime } = contender;
  const process = runtime === "go"
    ? new Lines(grpcGo("server"), [])
    : startScript(runtime, `server/contenders/${name}.ts`, []);
  const listening = await process.next<{ address: string; pid: number }>(START_MS);
  if ("error" in listening) throw new Error(`${name} on ${runtime} did not start: ${listening.error}`);
  return { contender, ...listening, process };
}
